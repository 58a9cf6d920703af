//! The mission's own policies: as printed, and corrected.

use std::fs;

use portcullis_analysis::{Answer, Options, compare};
use portcullis_policy::Document;

use crate::support::{parse, source};

fn seed(name: &str) -> Document {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../policy/tests/data/");
    let text = fs::read_to_string(format!("{path}{name}.json")).unwrap();
    parse(&text)
}

/// What the second allows and the first does not, in one line.
fn told(old: &str, new: &str) -> String {
    let (old, new) = (seed(old), seed(new));
    match compare(&[source("old", &old)], &[source("new", &new)], Options::default()) {
        Answer::NoMore => "nothing more".to_owned(),
        Answer::CannotTell(cause) => format!("cannot tell: {cause}"),
        Answer::More(witness) => {
            let keys: Vec<String> = witness
                .context
                .iter()
                .map(|(key, value)| format!("{key} = {}", value.values().join(", ")))
                .collect();
            format!("{} on {} [{}]", witness.action, witness.resource, keys.join("; "))
        }
    }
}

#[test]
fn printed_and_corrected_policies() {
    let pairs = [
        ("01-bp-stoptask-family-in-cluster", "01b-stoptask-corrected"),
        (
            "07-describe-delete-cluster",
            "07b-describe-delete-cluster-corrected",
        ),
        (
            "10-describe-container-instance",
            "10b-describe-container-instance-longarn",
        ),
        ("13-starttask", "13b-starttask-longarn"),
        ("15-describe-task", "15b-describe-task-longarn"),
        (
            "18-describe-services-owner",
            "18b-describe-services-owner-corrected",
        ),
    ];
    let lines: Vec<String> = pairs
        .iter()
        .map(|(printed, corrected)| {
            format!(
                "{printed}\n  corrected allows more: {}\n  printed allows more:   {}",
                told(printed, corrected),
                told(corrected, printed)
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
