//! Findings for other programs: ValidatePolicy's answer, and SARIF for code scanning.

mod sarif;
mod validate_policy;

pub use sarif::{Sarif, sarif};
pub use validate_policy::{ValidatePolicyResponse, validate_policy};

use crate::{Finding, IssueCode};

/// A document and what was found in it.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// What to call it: usually a path.
    pub name: &'a str,
    /// Its text, as it was checked.
    pub text: &'a str,
    /// The findings.
    pub findings: &'a [Finding],
}

/// Where the code is described.
fn help_page(code: IssueCode) -> String {
    format!("docs/policy-check.md#{}", code.name().to_ascii_lowercase())
}
