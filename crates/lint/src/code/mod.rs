//! What the checks can find: one table of codes, kinds, titles and help texts.

mod table;

use std::fmt;

use serde::{Serialize, Serializer};

pub use table::IssueCode;

/// How serious a finding is, in the words of Access Analyzer's ValidatePolicy. Ordered from harmless to serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FindingKind {
    /// The policy means what it says, but could say it better.
    Suggestion,
    /// A part of the policy does not do what it seems to do.
    Warning,
    /// The policy gives more access than is wise.
    SecurityWarning,
    /// A part of the policy is invalid: IAM refuses it, or it names something that does not exist.
    Error,
}

impl FindingKind {
    /// The word in running text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Suggestion => "suggestion",
            Self::Warning => "warning",
            Self::SecurityWarning => "security warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whose check it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Access Analyzer has a check of this code.
    Aws,
    /// The check and its code are ours.
    Portcullis,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeInfo {
    /// The code as printed, such as `MISSING_VERSION`.
    pub name: &'static str,
    /// How serious its findings are.
    pub kind: FindingKind,
    /// Whose code it is.
    pub origin: Origin,
    /// A few words on what was found.
    pub title: &'static str,
    /// Why it matters and what to do.
    pub help: &'static str,
}

impl IssueCode {
    /// The code as printed, such as `MISSING_VERSION`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// How serious its findings are.
    pub fn kind(self) -> FindingKind {
        self.info().kind
    }
}

impl fmt::Display for IssueCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for IssueCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
