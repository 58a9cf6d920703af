//! The meaning of single elements of policies, for tools that read and reason about policies instead of deciding
//! requests. They look at documents IAM would refuse, too, and must not have a second opinion on what a pattern or a
//! value means.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::document::resource_format;
use crate::matching::date::Instant;
use crate::matching::decimal::Decimal;
use crate::matching::network::Network;
use crate::matching::principal::{self, Naming};
use crate::matching::{condition, glob::Piece, resource};
use crate::syntax::{ActionForm, Condition, Glob, Operator, Part, PrincipalElement, ResourceForm, Template};
use crate::{Context, Effect, Kind, Principal, text};

pub use crate::known_actions::{known_actions, known_actions_of};

/// An action pattern (R33-R36).
pub fn action(text: &str) -> ActionForm {
    ActionForm::parse(text)
}

/// A resource pattern of a kind of policy, with or without policy variables (R39-R51).
pub fn resource(text: &str, variables: bool, kind: Kind) -> ResourceForm {
    ResourceForm::parse(text, variables, kind)
}

/// A text with its policy variables found (R51-R56).
pub fn template(text: &str) -> Template {
    Template::parse(text)
}

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

/// Whether IAM takes the last field of an IAM ARN when a policy is written (R19).
pub fn is_iam_resource(resource_part: &str) -> bool {
    resource_format::is_iam_resource(resource_part)
}

/// Whether IAM takes a region before the last field of an Amazon S3 ARN when a policy is written (R19).
pub fn is_regional_s3_resource(resource_part: &str) -> bool {
    resource_format::is_regional_s3_resource(resource_part)
}

/// Whether a condition holds in a context (R73-R104). Keys are taken as they are: R112 is the caller's business.
pub fn condition_holds(condition: &Condition, context: &Context) -> bool {
    condition::evaluate(condition, context).met
}

/// Whether a Principal or NotPrincipal element names a caller without permissions boundary, in whatever way (R67).
pub fn principal_is_named(element: &PrincipalElement, caller: &Principal, effect: Effect) -> bool {
    principal::names(element, caller, effect, false) > Naming::None
}

/// The names of all operators, without set operators and IfExists (R77).
pub fn operator_names() -> impl Iterator<Item = &'static str> + Clone {
    Operator::base_names()
}

/// Whether two names, such as condition keys, are the same without case (R75).
pub fn same_name(a: &str, b: &str) -> bool {
    text::same(a, b)
}

/// Simple case folding of one character, as every comparison without case does it (R78).
pub fn fold(c: char) -> char {
    text::fold(c)
}

/// A number taken apart: 0.DIGITS times ten to `place`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Whether it is less than zero.
    pub negative: bool,
    /// Without zeros at either end; none for zero.
    pub digits: String,
    /// 0 for zero.
    pub place: i64,
}

/// A number's digits; `None` when the text is no number (R80).
pub fn number(text: &str) -> Option<Number> {
    Decimal::parse(text).map(|decimal| decimal.number())
}

/// How two numbers compare; `None` when one of the texts is no number (R80).
pub fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    Some(Decimal::parse(a)?.compare(&Decimal::parse(b)?))
}

/// A date as nanoseconds since the epoch; `None` when IAM does not read the text as a date (R23, R81).
pub fn date_nanos(text: &str) -> Option<i128> {
    Instant::parse(text).map(Instant::nanos)
}

/// An address or network, as its address and the number of leading bits that count; `None` when the text is none (R84).
pub fn network(text: &str) -> Option<(IpAddr, u32)> {
    Network::parse(text).map(|network| network.parts())
}
