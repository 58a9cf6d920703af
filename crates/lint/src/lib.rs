//! Finds what is wrong, dangerous or pointless in IAM policies, each finding with its place in the text.
//!
//! ```
//! use portcullis_lint::{FindingKind, IssueCode, Kind, check};
//!
//! let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*",
//!     "Action": "ecs:DescribeCluster"}}"#;
//! let findings = check(text, Kind::Identity);
//! assert_eq!(findings[0].code, IssueCode::InvalidAction);
//! assert_eq!(findings[0].kind(), FindingKind::Error);
//! assert_eq!(findings[0].replacement.as_ref().map(|r| r.text.as_str()), Some("\"ecs:DescribeClusters\""));
//! ```
//!
//! Codes, kinds and paths are those of Access Analyzer's ValidatePolicy where it has the check, and marked as ours where it
//! has not; the words are ours throughout. A document that IAM refuses has at least one error, and a document without errors
//! is one that [`portcullis_policy::Document::parse`] accepts. Rules are cited as R1-R182 of the policy-language
//! specification.

mod arn_format;
mod checks;
mod code;
mod finding;
mod glob;
mod kind;
mod lines;
mod near;
pub mod output;
mod place;
mod policy;
mod read;
mod report;
mod scope;

pub use code::{CodeInfo, FindingKind, IssueCode, Origin};
pub use finding::{Finding, PathElement, Related, Replacement};
pub use kind::detect_kind;
pub use lines::Position;
pub use portcullis_policy::Kind;

use portcullis_policy::{Document, Span};

use place::Place;
use read::Source;
use report::Report;

/// Whether an action is asked on a resource with this ARN: one of its resource types has ARNs of this form. Actions without
/// resource types are asked on `*` only (R140).
pub fn is_asked_on(action: portcullis_reference::ActionId, arn: &str) -> bool {
    let Some(tokens) = checks::arns::pattern_tokens(arn) else {
        return false;
    };
    action
        .resource_types()
        .any(|one| arn_format::can_name(&tokens, one.resource_type))
}

/// Everything the checks find in a document of this kind, in the order of the text.
pub fn check(text: &str, kind: Kind) -> Vec<Finding> {
    let mut report = Report::new(text);
    let source = Source::new(text, kind);
    if let Some(policy) = source.policy(&mut report) {
        checks::check(&policy, text, &mut report);
    }
    if !report.has_errors()
        && let Err(refusal) = Document::parse(text, kind)
    {
        // Not to be reached: every reason to refuse has a check of its own. If one is forgotten, this says so.
        let whole = Place::root(Span {
            start: 0,
            end: text.len(),
        });
        report.add(IssueCode::RefusedByIam, &whole, refusal.to_string());
    }
    report.finish()
}
