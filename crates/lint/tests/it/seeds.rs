//! The policies printed in the mission's documents, and their corrected forms.

use std::fmt::Write as _;

use portcullis_lint::{check, detect_kind};

pub(crate) fn seeds() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/seed");
    let mut seeds: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn everything_found_in_the_missions_policies() {
    let mut all = String::new();
    for (name, text) in seeds() {
        let kind = detect_kind(&text);
        writeln!(all, "{name} ({kind:?})").unwrap();
        all.push_str(&crate::lines(&check(&text, kind)));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn nothing_is_found_in_the_corrected_policies() {
    let is_corrected = |name: &str| name.split('-').next().unwrap().ends_with('b');
    let corrected: Vec<_> = seeds()
        .into_iter()
        .filter(|(name, _)| is_corrected(name))
        .collect();
    assert_eq!(corrected.len(), 6);
    for (name, text) in corrected {
        let findings = check(&text, detect_kind(&text));
        assert!(findings.is_empty(), "{name}\n{}", crate::lines(&findings));
    }
}

#[test]
fn every_trap_of_the_missions_documents_is_found() {
    let seeds = seeds();
    for (start, code) in [
        ("01-", "ALLOW_RESOURCE_NEVER_MATCHES"),
        ("06-", "RESOURCE_COULD_BE_LIMITED"),
        ("07-", "INVALID_ACTION"),
        ("10-", "INVALID_ARN_RESOURCE"),
        ("11-", "RESOURCE_COULD_BE_LIMITED"),
        ("13-", "INVALID_ARN_RESOURCE"),
        ("15-", "INVALID_ARN_RESOURCE"),
        ("18-", "CONDITION_MADE_POINTLESS"),
        ("24-", "TASK_DEFINITION_WITHOUT_REVISION"),
    ] {
        let (name, text) = seeds.iter().find(|(name, _)| name.starts_with(start)).unwrap();
        let findings = check(text, detect_kind(text));
        assert!(findings.iter().any(|f| f.code.name() == code), "{name}: {code}");
    }
}
