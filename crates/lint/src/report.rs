//! Collecting findings.

use portcullis_policy::Span;

use crate::finding::{PathElement, Related, Replacement};
use crate::place::Place;
use crate::{Finding, FindingKind, IssueCode};

/// The findings so far.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    text: &'a str,
    findings: Vec<Finding>,
    /// Where the findings of the statement begin that is being checked.
    since: usize,
}

impl<'a> Report<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            findings: Vec::new(),
            since: 0,
        }
    }

    /// The checks turn to another statement.
    pub(crate) fn begin_statement(&mut self) {
        self.since = self.findings.len();
    }

    fn of_statement(&self) -> &[Finding] {
        self.findings.get(self.since..).unwrap_or_default()
    }

    /// Adds a finding; what is returned takes further details.
    pub(crate) fn add(
        &mut self,
        code: IssueCode,
        place: &Place<'_>,
        message: impl Into<String>,
    ) -> Details<'_> {
        let text = self.text;
        self.findings.push(Finding {
            code,
            message: message.into(),
            path: place.path(),
            span: place.span,
            related: Vec::new(),
            replacement: None,
        });
        Details {
            text,
            finding: self.findings.last_mut(),
        }
    }

    /// Whether the statement has this finding at this place.
    pub(crate) fn has(&self, code: IssueCode, span: Span) -> bool {
        self.of_statement()
            .iter()
            .any(|f| f.code == code && f.span == span)
    }

    /// Whether the statement has a finding at least so serious about this place or a part of it.
    pub(crate) fn has_kind(&self, kind: FindingKind, span: Span) -> bool {
        let within = |f: &Finding| span.start <= f.span.start && f.span.end <= span.end;
        self.of_statement().iter().any(|f| f.kind() >= kind && within(f))
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.kind() == FindingKind::Error)
    }

    /// The findings in the order of the text, the serious ones first where several are about one place.
    pub(crate) fn finish(mut self) -> Vec<Finding> {
        self.findings
            .sort_by_key(|f| (f.span.start, std::cmp::Reverse(f.kind()), f.code, f.span.end));
        self.findings.dedup();
        self.findings
    }
}

/// The finding just added.
pub(crate) struct Details<'a> {
    text: &'a str,
    finding: Option<&'a mut Finding>,
}

impl Details<'_> {
    /// Another place that belongs to it.
    pub(crate) fn related(mut self, place: &Place<'_>, label: impl Into<String>) -> Self {
        if let Some(finding) = self.finding.as_deref_mut() {
            finding.related.push(Related {
                label: label.into(),
                path: place.path(),
                span: place.span,
            });
        }
        self
    }

    /// Mends it by another string in this place.
    pub(crate) fn replace_string(self, text: &str) {
        if let Some(finding) = self.finding {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            finding.replacement = Some(Replacement {
                span: finding.span,
                text: quoted,
            });
        }
    }

    /// Narrows a finding about a JSON string to a part of it, in bytes of the decoded text. A string with escapes stays
    /// whole: its bytes are not those of the text.
    pub(crate) fn narrow(mut self, part: std::ops::Range<usize>) -> Self {
        let Some(finding) = self.finding.as_deref_mut() else {
            return self;
        };
        let whole = finding.span.of(self.text).unwrap_or_default();
        let inner = whole.get(1..whole.len().saturating_sub(1)).unwrap_or_default();
        let pieces = inner.get(..part.start).zip(inner.get(part.clone()));
        if let (false, Some((before, within))) = (whole.contains('\\'), pieces) {
            finding.path.push(PathElement::Substring {
                start: before.chars().count(),
                length: within.chars().count(),
            });
            let start = finding.span.start + 1 + part.start;
            finding.span = Span {
                start,
                end: start + within.len(),
            };
        }
        self
    }
}
