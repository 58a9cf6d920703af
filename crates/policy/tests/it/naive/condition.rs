//! Condition blocks (R73-R104).

use std::borrow::Cow;

use portcullis_policy::Value;
use serde_json::Value as Json;

use super::glob::{self, Token};
use super::statement::list;
use super::{Question, values, variable};

/// Every operator and every key must hold (R73); no condition, or an empty block, imposes nothing (R30).
pub fn holds(statement: &Json, has_variables: bool, question: &Question) -> bool {
    let Some(Json::Object(operators)) = statement.get("Condition") else {
        return true;
    };
    operators.iter().all(|(operator, keys)| {
        let operator = Operator::read(operator);
        let mut keys = keys.as_object().into_iter().flatten();
        keys.all(|(key, wanted)| operator.holds(key, &list(wanted), has_variables, question))
    })
}

/// `[ForAllValues:|ForAnyValue:]BASE[IfExists]` (R22), with `Not` taken out of the base.
struct Operator {
    for_all: bool,
    for_any: bool,
    base: String,
    negated: bool,
    if_exists: bool,
}

impl Operator {
    fn read(name: &str) -> Self {
        let (for_all, for_any) = (
            name.starts_with("ForAllValues:"),
            name.starts_with("ForAnyValue:"),
        );
        let name = name.split_once(':').map_or(name, |(_, name)| name);
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        Self {
            for_all,
            for_any,
            base: name.replace("Not", ""),
            negated: name.contains("Not"),
            if_exists,
        }
    }

    fn holds(&self, key: &str, wanted: &[Cow<'_, str>], has_variables: bool, question: &Question) -> bool {
        let asked = question.key(key);
        // R29.
        if wanted.is_empty() {
            return self.for_all && asked.is_none() && self.base != "Null";
        }
        // R97.
        if self.base == "Null" {
            return wanted.iter().any(|value| match value.to_lowercase().as_str() {
                "true" => asked.is_none(),
                "false" => asked.is_some(),
                _ => false,
            });
        }
        let one = |asked: &String| self.one_holds(asked, wanted, has_variables, question);
        match asked {
            // R76, R92, R94.
            None => self.if_exists || self.for_all || (self.negated && !self.for_any),
            Some(value) if self.for_all => value.values().iter().all(one),
            Some(value) if self.for_any => value.values().iter().any(one),
            Some(Value::One(value)) => one(value),
            // R89.
            Some(Value::Many(_)) => false,
        }
    }

    /// One value of the request: it must be one of the wanted ones (R73), or none of them (R74).
    fn one_holds(
        &self,
        asked: &str,
        wanted: &[Cow<'_, str>],
        has_variables: bool,
        question: &Question,
    ) -> bool {
        let mut results = wanted
            .iter()
            .map(|wanted| self.compare(wanted, asked, has_variables, question));
        if self.negated {
            results.all(|result| result == Compared::Differs)
        } else {
            results.any(|result| result == Compared::Matches)
        }
    }

    fn compare(&self, wanted: &str, asked: &str, has_variables: bool, question: &Question) -> Compared {
        let takes_variables =
            self.base.starts_with("String") || self.base.starts_with("Arn") || self.base == "Bool";
        let wanted = if takes_variables && has_variables {
            match variable::substitute(wanted, question) {
                Some(pattern) => pattern,
                // R58.
                None => return Compared::Differs,
            }
        } else {
            glob::tokens(wanted)
        };
        match self.base.as_str() {
            "StringEquals" => Compared::from(plain(&wanted) == asked),
            "StringEqualsIgnoreCase" => Compared::from(super::text::same(&plain(&wanted), asked)),
            "StringLike" => Compared::from(glob::matches(&wanted, asked)),
            "ArnEquals" | "ArnLike" => arn(&wanted, asked),
            "Bool" => {
                let (wanted, asked) = (plain(&wanted).to_lowercase(), asked.to_lowercase());
                Compared::from(wanted == asked && (wanted == "true" || wanted == "false"))
            }
            "BinaryEquals" => Compared::of_equality(values::base64(&plain(&wanted)), values::base64(asked)),
            "IpAddress" => match (values::network(&plain(&wanted)), values::address(asked)) {
                (Some(network), Some(address)) => Compared::from(network.contains(&address)),
                _ => Compared::Invalid,
            },
            ordered => {
                let (wanted, asked) = match ordered.strip_prefix("Numeric") {
                    Some(_) => (values::number(&plain(&wanted)), values::number(asked)),
                    None => (values::date(&plain(&wanted)), values::date(asked)),
                };
                let (Some(wanted), Some(asked)) = (wanted, asked) else {
                    // R80, R81, R87.
                    return Compared::Invalid;
                };
                let order = asked.compare(&wanted);
                Compared::from(
                    match ordered.trim_start_matches("Numeric").trim_start_matches("Date") {
                        "Equals" => order.is_eq(),
                        "LessThan" => order.is_lt(),
                        "LessThanEquals" => order.is_le(),
                        "GreaterThan" => order.is_gt(),
                        "GreaterThanEquals" => order.is_ge(),
                        unknown => panic!("no operator {unknown}"),
                    },
                )
            }
        }
    }
}

/// What comparing one wanted value with one of the request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compared {
    Matches,
    Differs,
    /// One of them is not of the operator's type: neither the operator nor its negation holds (R87).
    Invalid,
}

impl From<bool> for Compared {
    fn from(matches: bool) -> Self {
        if matches { Self::Matches } else { Self::Differs }
    }
}

impl Compared {
    fn of_equality<T: PartialEq>(a: Option<T>, b: Option<T>) -> Self {
        match (a, b) {
            (Some(a), Some(b)) => Self::from(a == b),
            _ => Self::Invalid,
        }
    }
}

/// A pattern as text, for operators without wildcards.
fn plain(tokens: &[Token]) -> String {
    let c = |token: &Token| match token {
        Token::Char(c) | Token::Letter(c) | Token::ArnLetter(c) => *c,
        Token::One | Token::OneInField => '?',
        Token::Run | Token::RunInField => '*',
    };
    tokens.iter().map(c).collect()
}

/// R85, R86: six fields on both sides, each matched by itself, with case.
fn arn(pattern: &[Token], asked: &str) -> Compared {
    let asked: Vec<&str> = asked.splitn(6, ':').collect();
    // A value of the request that is no ARN differs from every ARN.
    if asked.len() < 6 || asked[0] != "arn" {
        return Compared::Differs;
    }
    let wanted: Vec<&[Token]> = pattern.splitn(6, |token| *token == Token::Char(':')).collect();
    if wanted.len() < 6 {
        return Compared::Invalid;
    }
    let mut fields = wanted.iter().zip(&asked);
    Compared::from(fields.all(|(pattern, field)| glob::matches(pattern, field)))
}
