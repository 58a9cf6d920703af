//! Tests through the public door.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may panic"
)]

mod codes;
mod docs;
mod exactly;
mod kinds;
mod managed;
mod outputs;
mod refusals;
mod seeds;
mod wording;

use portcullis_lint::{Finding, PathElement};

/// `Statement[0].Action[1]`.
fn path(elements: &[PathElement]) -> String {
    let mut text = String::new();
    for element in elements {
        match element {
            PathElement::Index(index) => text.push_str(&format!("[{index}]")),
            PathElement::Key(key) => text.push_str(&format!(".{key}!")),
            PathElement::Value(key) => text.push_str(&format!(".{key}")),
            PathElement::Substring { start, length } => text.push_str(&format!("[{start}+{length}]")),
        }
    }
    text.trim_start_matches('.').to_owned()
}

/// One line for each finding.
fn lines(findings: &[Finding]) -> String {
    let line = |f: &Finding| format!("  {} {}: {}: {}\n", f.kind(), f.code, path(&f.path), f.message);
    findings.iter().map(line).collect()
}
