//! Comparing one request value with one policy value (R78-R88).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::document::ConditionValue;
use crate::matching::date::Instant;
use crate::matching::decimal::Decimal;
use crate::matching::glob::{Glob, Token, tokens_match};
use crate::matching::network::{self, Network};
use crate::matching::operator::{Order, Test};
use crate::matching::variable::join;
use crate::{Context, open_points, text};

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// The positive form of the operator holds.
    Holds,
    /// Both values are of the operator's type; the positive form does not hold.
    Differs,
    /// The request's value is not of the operator's type.
    RequestInvalid,
    /// The policy's value is not of the operator's type.
    PolicyInvalid,
    /// A variable of the policy's value has no value (R58).
    Unresolved,
}

impl Comparison {
    pub(crate) fn of(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Differs }
    }
}

/// Compares with the positive form of the operator.
pub(crate) fn compare(test: Test, policy: &ConditionValue, asked: &str, context: &Context) -> Comparison {
    match test {
        Test::StringEquals => with_text(policy, context, |wanted| Comparison::of(wanted == asked)),
        Test::StringEqualsIgnoreCase => with_text(policy, context, |wanted| {
            Comparison::of(text::same(wanted, asked))
        }),
        Test::StringLike => with_glob(policy, context, |glob| Comparison::of(glob.matches(asked))),
        Test::Arn => with_glob(policy, context, |glob| compare_arns(glob.tokens(), asked)),
        Test::Bool if open_points::r52_bool_takes_variables() => {
            with_text(policy, context, |wanted| compare_bools(wanted, asked))
        }
        Test::Bool => compare_bools(&policy.text, asked),
        Test::Numeric(order) => compare_numbers(order, &policy.text, asked),
        Test::Date(order) => compare_dates(order, &policy.text, asked),
        Test::Binary => compare_bytes(&policy.text, asked),
        Test::IpAddress => compare_addresses(&policy.text, asked),
        // Null asks for presence, never for a value (R97).
        Test::Null => Comparison::Differs,
    }
}

fn with_text(value: &ConditionValue, context: &Context, compare: impl Fn(&str) -> Comparison) -> Comparison {
    match (value.template.fixed(), value.template.resolve(context)) {
        (Some(text), _) => compare(text),
        (None, Some(pieces)) => compare(&join(&pieces)),
        (None, None) => Comparison::Unresolved,
    }
}

fn with_glob(value: &ConditionValue, context: &Context, compare: impl Fn(&Glob) -> Comparison) -> Comparison {
    match &value.glob {
        Some(glob) => compare(glob),
        None => match value.template.resolve(context) {
            Some(pieces) => compare(&Glob::new(&pieces)),
            None => Comparison::Unresolved,
        },
    }
}

/// Field by field; a wildcard never leaves its field (R85).
fn compare_arns(pattern: &[Token], asked: &str) -> Comparison {
    if !is_arn(asked) {
        return Comparison::RequestInvalid;
    }
    let is_colon = |token: &Token| *token == Token::Char(':');
    if pattern.iter().filter(|token| is_colon(token)).count() < 5 {
        return Comparison::PolicyInvalid;
    }
    let fields = pattern.splitn(6, is_colon).zip(asked.splitn(6, ':'));
    Comparison::of(
        fields
            .into_iter()
            .all(|(wanted, field)| tokens_match(wanted, field)),
    )
}

/// Whether a request's value can be compared as an ARN.
pub(crate) fn is_arn(text: &str) -> bool {
    text.starts_with("arn:") && is_arn_pattern(text)
}

/// Whether a policy's value without variables has the fields of an ARN.
pub(crate) fn is_arn_pattern(text: &str) -> bool {
    text.splitn(6, ':').count() == 6
}

/// Reads a truth value, in any case (R82).
pub(crate) fn bool_value(text: &str) -> Option<bool> {
    match text {
        t if t.eq_ignore_ascii_case("true") => Some(true),
        t if t.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn compare_bools(wanted: &str, asked: &str) -> Comparison {
    typed(bool_value(wanted), bool_value(asked), |wanted, asked| {
        wanted == asked
    })
}

pub(crate) fn compare_numbers(order: Order, wanted: &str, asked: &str) -> Comparison {
    typed(Decimal::parse(wanted), Decimal::parse(asked), |wanted, asked| {
        order.accepts(asked.compare(&wanted))
    })
}

fn compare_dates(order: Order, wanted: &str, asked: &str) -> Comparison {
    typed(Instant::parse(wanted), Instant::parse(asked), |wanted, asked| {
        order.accepts(asked.cmp(&wanted))
    })
}

/// Binary values stand in the context as they stand in policies: in base64 (R83).
fn compare_bytes(wanted: &str, asked: &str) -> Comparison {
    typed(
        STANDARD.decode(wanted).ok(),
        STANDARD.decode(asked).ok(),
        |wanted, asked| wanted == asked,
    )
}

fn compare_addresses(wanted: &str, asked: &str) -> Comparison {
    typed(
        Network::parse(wanted),
        network::address(asked),
        |wanted, asked| wanted.contains(asked),
    )
}

/// Compares two values once they have been read; what could not be read is invalid.
pub(crate) fn typed<W, A>(wanted: Option<W>, asked: Option<A>, holds: impl Fn(W, A) -> bool) -> Comparison {
    match (wanted, asked) {
        (None, _) => Comparison::PolicyInvalid,
        (Some(_), None) => Comparison::RequestInvalid,
        (Some(wanted), Some(asked)) => Comparison::of(holds(wanted, asked)),
    }
}
