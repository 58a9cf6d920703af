//! Condition operators: `[ForAllValues:|ForAnyValue:]Base[IfExists]` (R22, R77).

use std::cmp::Ordering;
use std::fmt;

/// How a set operator treats the request's values (R90, R91).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetOperator {
    /// Every request value must satisfy the operator.
    ForAllValues,
    /// At least one request value must satisfy it.
    ForAnyValue,
}

/// What two values are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Test {
    /// Text, exactly (R78).
    StringEquals,
    /// Text without case (R78).
    StringEqualsIgnoreCase,
    /// Text with wildcards (R79).
    StringLike,
    /// Decimal numbers (R80).
    Numeric(Order),
    /// Instants (R81).
    Date(Order),
    /// Truth values (R82).
    Bool,
    /// Bytes in base64 (R83).
    Binary,
    /// Addresses and networks (R84).
    IpAddress,
    /// ARNs, field by field (R85).
    Arn,
    /// Presence of the key (R97).
    Null,
}

/// Which order of request value to policy value satisfies a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// The same.
    Equal,
    /// The request's value is smaller.
    Less,
    /// The request's value is not greater.
    LessOrEqual,
    /// The request's value is greater.
    Greater,
    /// The request's value is not smaller.
    GreaterOrEqual,
}

impl Order {
    /// Whether a comparison of the request's value with the policy's satisfies it.
    pub fn accepts(self, request_to_policy: Ordering) -> bool {
        match self {
            Self::Equal => request_to_policy.is_eq(),
            Self::Less => request_to_policy.is_lt(),
            Self::LessOrEqual => request_to_policy.is_le(),
            Self::Greater => request_to_policy.is_gt(),
            Self::GreaterOrEqual => request_to_policy.is_ge(),
        }
    }
}

/// A condition operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operator {
    base: Base,
    set: Option<SetOperator>,
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Base {
    name: &'static str,
    test: Test,
    negated: bool,
}

const fn base(name: &'static str, test: Test) -> Base {
    Base {
        name,
        test,
        negated: false,
    }
}

const fn negated(name: &'static str, test: Test) -> Base {
    Base {
        name,
        test,
        negated: true,
    }
}

/// Every base operator (R77).
const BASES: [Base; 27] = [
    base("StringEquals", Test::StringEquals),
    negated("StringNotEquals", Test::StringEquals),
    base("StringEqualsIgnoreCase", Test::StringEqualsIgnoreCase),
    negated("StringNotEqualsIgnoreCase", Test::StringEqualsIgnoreCase),
    base("StringLike", Test::StringLike),
    negated("StringNotLike", Test::StringLike),
    base("NumericEquals", Test::Numeric(Order::Equal)),
    negated("NumericNotEquals", Test::Numeric(Order::Equal)),
    base("NumericLessThan", Test::Numeric(Order::Less)),
    base("NumericLessThanEquals", Test::Numeric(Order::LessOrEqual)),
    base("NumericGreaterThan", Test::Numeric(Order::Greater)),
    base("NumericGreaterThanEquals", Test::Numeric(Order::GreaterOrEqual)),
    base("DateEquals", Test::Date(Order::Equal)),
    negated("DateNotEquals", Test::Date(Order::Equal)),
    base("DateLessThan", Test::Date(Order::Less)),
    base("DateLessThanEquals", Test::Date(Order::LessOrEqual)),
    base("DateGreaterThan", Test::Date(Order::Greater)),
    base("DateGreaterThanEquals", Test::Date(Order::GreaterOrEqual)),
    base("Bool", Test::Bool),
    base("BinaryEquals", Test::Binary),
    base("IpAddress", Test::IpAddress),
    negated("NotIpAddress", Test::IpAddress),
    base("ArnEquals", Test::Arn),
    base("ArnLike", Test::Arn),
    negated("ArnNotEquals", Test::Arn),
    negated("ArnNotLike", Test::Arn),
    base("Null", Test::Null),
];

impl Operator {
    /// Reads an operator's name, with case (R22). `NullIfExists` is none.
    pub fn parse(name: &str) -> Option<Self> {
        Self::parse_without_case(name).filter(|operator| operator.to_string() == name)
    }

    /// Reads an operator's name in whatever case.
    pub fn parse_without_case(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (set, name) = if let Some(rest) = name.strip_prefix("forallvalues:") {
            (Some(SetOperator::ForAllValues), rest)
        } else if let Some(rest) = name.strip_prefix("foranyvalue:") {
            (Some(SetOperator::ForAnyValue), rest)
        } else {
            (None, name.as_str())
        };
        let (name, if_exists) = name
            .strip_suffix("ifexists")
            .map_or((name, false), |base| (base, true));
        let base = *BASES.iter().find(|base| base.name.eq_ignore_ascii_case(name))?;
        if base.test == Test::Null && if_exists {
            return None;
        }
        Some(Self { base, set, if_exists })
    }

    /// The names without set operators and IfExists (R77).
    pub(crate) fn base_names() -> impl Iterator<Item = &'static str> + Clone {
        BASES.iter().map(|base| base.name)
    }

    /// The set operator before it, if any.
    pub fn set(self) -> Option<SetOperator> {
        self.set
    }

    /// Whether it ends in `IfExists` (R94).
    pub fn if_exists(self) -> bool {
        self.if_exists
    }

    /// Whether it is a negated one such as `StringNotEquals`: its values are a NOR (R74).
    pub fn negated(self) -> bool {
        self.base.negated
    }

    /// What it compares values as.
    pub fn test(self) -> Test {
        self.base.test
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.set {
            Some(SetOperator::ForAllValues) => f.write_str("ForAllValues:")?,
            Some(SetOperator::ForAnyValue) => f.write_str("ForAnyValue:")?,
            None => {}
        }
        f.write_str(self.base.name)?;
        if self.if_exists {
            f.write_str("IfExists")
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r77_every_name_is_read_and_printed_again() {
        for base in BASES {
            for prefix in ["", "ForAllValues:", "ForAnyValue:"] {
                let name = format!("{prefix}{}", base.name);
                assert_eq!(
                    Operator::parse(&name).map(|op| op.to_string()),
                    Some(name.clone())
                );
                let with_suffix = format!("{name}IfExists");
                let expected = (base.test != Test::Null).then(|| with_suffix.clone());
                assert_eq!(Operator::parse(&with_suffix).map(|op| op.to_string()), expected);
            }
        }
    }

    #[test]
    fn r22_names_are_read_with_case() {
        for name in [
            "stringequals",
            "StringEqual",
            "forAllValues:StringEquals",
            "ForAnyValue::Bool",
            "IfExists",
            "",
        ] {
            assert_eq!(Operator::parse(name), None, "{name}");
        }
    }
}
