//! docs/policy-check.md holds the table of all codes.

use std::fmt::Write as _;

use portcullis_lint::{FindingKind, IssueCode, Origin};

const START: &str = "<!-- codes: start -->\n";
const END: &str = "<!-- codes: end -->";

fn table() -> String {
    let mut text = String::new();
    for (kind, title) in [
        (FindingKind::Error, "Errors"),
        (FindingKind::SecurityWarning, "Security warnings"),
        (FindingKind::Warning, "Warnings"),
        (FindingKind::Suggestion, "Suggestions"),
    ] {
        writeln!(
            text,
            "\n### {title}\n\n| code | what was found | why it matters, what to do |\n| --- | --- | --- |"
        )
        .unwrap();
        for code in IssueCode::ALL.iter().filter(|code| code.kind() == kind) {
            let info = code.info();
            let mark = if info.origin == Origin::Portcullis {
                " (ours)"
            } else {
                ""
            };
            let anchor = info.name.to_ascii_lowercase();
            writeln!(
                text,
                "| <a id=\"{anchor}\"></a>`{}`{mark} | {} | {} |",
                info.name, info.title, info.help
            )
            .unwrap();
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_page_lists_every_code_as_the_table_has_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy-check.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once(START).unwrap();
    let (printed, _) = rest.split_once(END).unwrap();
    let wanted = table();
    assert!(
        printed == wanted,
        "docs/policy-check.md is not up to date; between the two marks it should say:\n{wanted}"
    );
}
