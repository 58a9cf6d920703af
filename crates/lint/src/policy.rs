//! A document as the checks see it: what could be read of it, with its places. Parts that could not be read are missing
//! here and reported by the reader.

use portcullis_policy::syntax::Operator;
use portcullis_policy::{Effect, Kind, PrincipalKind, Version};

use crate::place::Place;

/// A document.
pub(crate) struct Policy<'a> {
    pub(crate) kind: Kind,
    pub(crate) place: Place<'a>,
    /// `None` when it is absent or unknown.
    pub(crate) version: Option<Version>,
    pub(crate) statements: Vec<Statement<'a>>,
}

impl Policy<'_> {
    /// Whether policy variables are replaced (R51).
    pub(crate) fn has_variables(&self) -> bool {
        self.version == Some(Version::V2012)
    }
}

/// A statement.
pub(crate) struct Statement<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) sid: Option<Text<'a>>,
    pub(crate) effect: Option<Effect>,
    pub(crate) principal: Option<Principals<'a>>,
    pub(crate) action: Option<List<'a>>,
    pub(crate) resource: Option<List<'a>>,
    pub(crate) conditions: Vec<Condition<'a>>,
}

impl Statement<'_> {
    pub(crate) fn allows(&self) -> bool {
        self.effect == Some(Effect::Allow)
    }

    pub(crate) fn denies(&self) -> bool {
        self.effect == Some(Effect::Deny)
    }

    /// The conditions on a key.
    pub(crate) fn conditions_on(&self, key: &str) -> impl Iterator<Item = &Condition<'_>> {
        self.conditions
            .iter()
            .filter(move |condition| condition.key.text.eq_ignore_ascii_case(key))
    }

    /// Whether a condition on one of these keys stands in the statement.
    pub(crate) fn mentions_any(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.conditions_on(key).next().is_some())
    }
}

/// A string and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) text: &'a str,
    pub(crate) place: Place<'a>,
}

/// Action, NotAction, Resource or NotResource.
pub(crate) struct List<'a> {
    pub(crate) negated: bool,
    pub(crate) place: Place<'a>,
    pub(crate) items: Vec<Text<'a>>,
}

impl List<'_> {
    /// Whether one of the entries is `*`.
    pub(crate) fn has_star(&self) -> bool {
        self.items.iter().any(|item| item.text == "*")
    }
}

/// Principal or NotPrincipal.
pub(crate) struct Principals<'a> {
    pub(crate) negated: bool,
    pub(crate) place: Place<'a>,
    pub(crate) entries: Vec<PrincipalEntry<'a>>,
}

/// One named principal.
pub(crate) struct PrincipalEntry<'a> {
    pub(crate) kind: PrincipalKind,
    pub(crate) name: Text<'a>,
}

/// One key of one operator.
pub(crate) struct Condition<'a> {
    pub(crate) operator: Operator,
    pub(crate) operator_place: Place<'a>,
    /// Its place is that of the key itself.
    pub(crate) key: Text<'a>,
    /// The value or list of values.
    pub(crate) place: Place<'a>,
    pub(crate) values: Vec<ConditionValue<'a>>,
}

/// One value of a condition.
pub(crate) struct ConditionValue<'a> {
    /// Numbers and booleans in their JSON spelling (R16).
    pub(crate) text: &'a str,
    pub(crate) json: Scalar,
    pub(crate) place: Place<'a>,
}

/// The JSON type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    String,
    Number,
    Bool,
}
