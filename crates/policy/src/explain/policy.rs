//! The policies an explanation speaks of.

use std::sync::Arc;

use crate::decide::InSet;
use crate::{PolicyType, Position, Span};

/// A policy that bore on a decision, with its text, so that places in it can be shown later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedPolicy {
    /// The set it belongs to.
    pub policy_type: PolicyType,
    /// The level of an SCP or RCP, counted from 0; 0 elsewhere.
    pub level: usize,
    /// Its name.
    pub name: String,
    /// The ARN of a managed policy.
    pub arn: Option<String>,
    /// What it is attached to.
    pub attached_to: Option<String>,
    /// Its text, as it was when it was asked.
    pub text: Arc<str>,
}

impl ExplainedPolicy {
    pub(super) fn of(set: &InSet<'_>) -> Self {
        let source = set.source;
        Self {
            policy_type: set.policy_type,
            level: set.level,
            name: source.name.to_owned(),
            arn: source.arn.map(str::to_owned),
            attached_to: source.attached_to.map(str::to_owned),
            text: source.document.text().into(),
        }
    }

    /// The line and column a piece of its text begins at.
    pub fn position(&self, span: Span) -> Position {
        Position::of(&self.text, span.start)
    }

    /// Its URI in details of an authorization: a managed policy's ARN; one without is named by what it is attached to
    /// (R175).
    pub fn uri(&self) -> String {
        match (&self.arn, &self.attached_to) {
            (Some(arn), _) => arn.clone(),
            (None, Some(holder)) => format!("{holder}#{}", self.name),
            (None, None) => format!("inline#{}", self.name),
        }
    }

    /// Whether its owner can change it: AWS's own managed policies nobody can (R134).
    pub(super) fn is_editable(&self) -> bool {
        let account = self.arn.as_deref().and_then(|arn| arn.split(':').nth(4));
        account != Some("aws")
    }
}
