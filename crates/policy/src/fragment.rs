//! Single pieces of a policy, read as a document reads them: for tools that look at documents IAM would refuse.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::matching::action::ActionForm;
use crate::matching::date::Instant;
use crate::matching::decimal::Decimal;
use crate::matching::network::Network;
use crate::matching::operator::Operator;
use crate::matching::resource::ResourceForm;
use crate::matching::variable::Template;
use crate::{Kind, text};

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

/// Whether IAM reads the text as a date (R23).
pub fn is_date(text: &str) -> bool {
    Instant::parse(text).is_some()
}

/// How two numbers compare; `None` when one of the texts is no number (R80).
pub fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    Some(Decimal::parse(a)?.compare(&Decimal::parse(b)?))
}

/// The address and the number of leading bits of a network; `None` when the text is none (R84).
pub fn network(text: &str) -> Option<(IpAddr, u32)> {
    Network::parse(text).map(|network| network.parts())
}

/// Whether two names, such as condition keys, are the same without case (R75).
pub fn same_name(a: &str, b: &str) -> bool {
    text::same(a, b)
}

/// The names of all operators, without set operators and IfExists (R77).
pub fn operator_names() -> impl Iterator<Item = &'static str> + Clone {
    Operator::base_names()
}
