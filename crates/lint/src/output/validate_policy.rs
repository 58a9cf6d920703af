//! The answer of Access Analyzer's ValidatePolicy, extended by the name of the document.

use portcullis_policy::Span;
use serde::Serialize;

use super::{Checked, help_page};
use crate::lines::{Lines, Position};
use crate::{Finding, FindingKind, IssueCode, PathElement};

/// `ValidatePolicyResponse`, for one document or several.
#[derive(Debug, Serialize)]
pub struct ValidatePolicyResponse<'a> {
    findings: Vec<ValidatePolicyFinding<'a>>,
    /// Ours: files that are no policies.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    skipped: &'a [String],
}

impl<'a> ValidatePolicyResponse<'a> {
    /// Names files that were not checked, since they are no policies.
    #[must_use]
    pub fn with_skipped(self, skipped: &'a [String]) -> Self {
        Self { skipped, ..self }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValidatePolicyFinding<'a> {
    /// Ours: ValidatePolicy takes one document at a time.
    file: &'a str,
    finding_details: &'a str,
    finding_type: FindingKind,
    issue_code: IssueCode,
    learn_more_link: String,
    locations: Vec<Location<'a>>,
}

#[derive(Debug, Serialize)]
struct Location<'a> {
    path: &'a [PathElement],
    span: Range,
}

#[derive(Debug, Serialize)]
struct Range {
    start: Position,
    end: Position,
}

/// The findings as ValidatePolicy gives them; related places are further locations.
pub fn validate_policy<'a>(documents: &[Checked<'a>]) -> ValidatePolicyResponse<'a> {
    let of_document = |document: &Checked<'a>| {
        let lines = Lines::new(document.text);
        let name = document.name;
        let findings: Vec<ValidatePolicyFinding<'a>> = document
            .findings
            .iter()
            .map(|found| finding(name, found, &lines))
            .collect();
        findings
    };
    ValidatePolicyResponse {
        findings: documents.iter().flat_map(of_document).collect(),
        skipped: &[],
    }
}

fn finding<'a>(file: &'a str, found: &'a Finding, lines: &Lines<'_>) -> ValidatePolicyFinding<'a> {
    let location = |path: &'a [PathElement], span: Span| Location {
        path,
        span: Range {
            start: lines.position(span.start),
            end: lines.position(span.end),
        },
    };
    let related = found
        .related
        .iter()
        .map(|place| location(&place.path, place.span));
    ValidatePolicyFinding {
        file,
        finding_details: &found.message,
        finding_type: found.kind(),
        issue_code: found.code,
        learn_more_link: help_page(found.code),
        locations: std::iter::once(location(&found.path, found.span))
            .chain(related)
            .collect(),
    }
}
