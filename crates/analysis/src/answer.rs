//! What the analysis answers.

use std::fmt;

use portcullis_policy::{Context, Principal, Span};
use thiserror::Error;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Cause {
    /// Too many states in the automata of patterns.
    #[error("the patterns are too many or too tangled to compare")]
    Patterns,
    /// One key is compared as several kinds of values.
    #[error("one condition key is compared as different kinds of values")]
    MixedValues,
    /// Too many states in the automata of action names.
    #[error("the action patterns are too many or too tangled to compare")]
    Actions,
    /// What decides depends on the values of policy variables.
    #[error("the answer depends on the values of policy variables")]
    Variables,
    /// The search took too many steps.
    #[error("the policies combine in too many ways to try them all")]
    Budget,
    /// A request was found that the engine does not confirm.
    #[error("a difference was found that the policy engine does not confirm")]
    Unconfirmed,
    /// The question cannot be asked of these documents.
    #[error(
        "policies that name principals and policies that do not cannot be compared, and of the former only one at a time"
    )]
    Kinds,
}

/// The answer to "may B do anything that A may not?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// No: proved.
    NoMore,
    /// Yes: this, for example. The policy engine has confirmed it on both sides.
    More(Box<Witness>),
    /// It could not be found out.
    CannotTell(Cause),
}

impl Answer {
    /// The example, if there is one.
    pub fn witness(&self) -> Option<&Witness> {
        match self {
            Self::More(witness) => Some(witness),
            Self::NoMore | Self::CannotTell(_) => None,
        }
    }
}

/// A request that one side allows and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The caller; for policies that name nobody, anybody.
    pub principal: Principal,
    /// The action.
    pub action: String,
    /// Whether the service reference knows the action.
    pub action_is_known: bool,
    /// Other known actions that no statement tells from this one: the same can be asked with them, on resources of theirs.
    pub other_actions: Vec<String>,
    /// The resource, an ARN or `*`.
    pub resource: String,
    /// The condition keys that matter; others may have any value or none.
    pub context: Context,
    /// The Allow statements of the one side that apply.
    pub allowed_by: Vec<Place>,
    /// The Deny statements of the other side that apply; none if it is merely silent. For [`crate::denied_no_more`] those of
    /// the old policies, and `allowed_by` is empty.
    pub denied_by: Vec<Place>,
}

/// A statement of one of the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The policy's name.
    pub policy: String,
    /// The statement's place in it, counted from 0.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
    /// Where it stands in the policy's text.
    pub span: Span,
}

/// `statement 2 ("Sid") of policy.json`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.index + 1)?;
        match &self.sid {
            Some(sid) if !sid.is_empty() => write!(f, " ({sid})")?,
            _ => {}
        }
        write!(f, " of {}", self.policy)
    }
}
