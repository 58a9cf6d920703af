//! A finding, and the place it is about.

use portcullis_policy::Span;
use serde::Serialize;

use crate::{FindingKind, IssueCode};

/// One thing a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing.
    pub code: IssueCode,
    /// What was found here, in one sentence.
    pub message: String,
    /// Where in the document's tree, as ValidatePolicy names places.
    pub path: Vec<PathElement>,
    /// Where in the text.
    pub span: Span,
    /// Other places that belong to it.
    pub related: Vec<Related>,
    /// What to write instead, where that is clear.
    pub replacement: Option<Replacement>,
}

impl Finding {
    /// How serious it is.
    pub fn kind(&self) -> FindingKind {
        self.code.kind()
    }
}

/// Another place that belongs to a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// What is there, in a few words.
    pub label: String,
    /// Where in the document's tree.
    pub path: Vec<PathElement>,
    /// Where in the text.
    pub span: Span,
}

/// A change of the text that mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What to replace.
    pub span: Span,
    /// What to write there.
    pub text: String,
}

/// One step from the document's root to a place, as ValidatePolicy's `PathElement`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PathElement {
    /// An item of a list, counted from 0.
    Index(usize),
    /// The key itself of a member.
    Key(String),
    /// A part of a string.
    Substring {
        /// Its first character, counted from 0.
        start: usize,
        /// How many characters it has.
        length: usize,
    },
    /// The value of the member with this key.
    Value(String),
}
