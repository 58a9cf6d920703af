//! The meaning of single elements, for tools that reason about policies instead of deciding requests: they must
//! not have a second opinion on what a pattern or a value means.

use std::net::IpAddr;

use crate::matching::date::Instant;
use crate::matching::network::Network;
use crate::matching::principal::{self, Naming};
use crate::matching::{condition, glob::Piece, resource};
use crate::syntax::{Condition, Glob, Part, PrincipalElement, ResourceForm};
use crate::{Context, Effect, Principal, text};

/// What stands in for a policy variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Substitute {
    /// This text, literally (R54).
    Text(String),
    /// Any text at all.
    Anything,
    /// Nothing: the variable has no value (R57).
    Unresolved,
}

/// Whether a condition holds in a context (R73-R104). Keys are taken as they are: R112 is the caller's business.
pub fn condition_holds(condition: &Condition, context: &Context) -> bool {
    condition::evaluate(condition, context).met
}

/// Whether a Principal or NotPrincipal element names a caller without permissions boundary, in whatever way (R67).
pub fn principal_is_named(element: &PrincipalElement, caller: &Principal, effect: Effect) -> bool {
    principal::names(element, caller, effect, false) > Naming::None
}

/// The pattern of a resource with its variables replaced; `None` for what matches everything or nothing, and when a
/// variable is unresolved.
pub fn resource_glob(
    form: &ResourceForm,
    replace: impl Fn(&str, Option<&str>) -> Substitute,
) -> Option<Glob> {
    let template = match form {
        ResourceForm::Fixed(glob) => return Some(glob.clone()),
        ResourceForm::Computed(template) => template,
        ResourceForm::Everything | ResourceForm::Nothing => return None,
    };
    let mut texts = Vec::new();
    for part in template.parts() {
        texts.push(match part {
            Part::Text(text) => (text.clone(), false),
            Part::Escaped(text) => ((*text).to_owned(), true),
            Part::Variable { key, default } => match replace(key, default.as_deref()) {
                Substitute::Text(text) => (text, true),
                Substitute::Anything => ("*".to_owned(), false),
                Substitute::Unresolved => return None,
            },
        });
    }
    let pieces: Vec<Piece<'_>> = texts
        .iter()
        .map(|(text, literal)| Piece {
            text,
            literal: *literal,
        })
        .collect();
    Some(resource::arn_glob(&pieces))
}

/// Simple case folding of one character, as every comparison without case does it (R78).
pub fn fold(c: char) -> char {
    text::fold(c)
}

/// A date as nanoseconds since the epoch (R23, R81).
pub fn date_nanos(text: &str) -> Option<i128> {
    Instant::parse(text).map(Instant::nanos)
}

/// An address or network, as its address and the number of leading bits that count (R84).
pub fn network(text: &str) -> Option<(IpAddr, u32)> {
    Network::parse(text).map(|network| network.parts())
}
