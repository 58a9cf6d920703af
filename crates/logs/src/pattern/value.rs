//! Values that a property or a field is compared with.

use regex::Regex;

use super::PatternError;
use super::cursor::Cursor;
use super::regexes::Regexes;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a value is compared with.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Number { value: f64, text: String },
    Text(Wild),
    Regex(Regex),
}

/// A text with `*` before and behind it, or not. Inside it is a star like others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wild {
    is_open_before: bool,
    is_open_behind: bool,
    text: String,
}

impl Wild {
    pub(super) fn new(text: &str) -> Self {
        let after = text.strip_prefix('*');
        let rest = after.unwrap_or(text);
        let before = rest.strip_suffix('*');
        Self {
            is_open_before: after.is_some(),
            // The only star of `*` is before and behind.
            is_open_behind: before.is_some() || (rest.is_empty() && after.is_some()),
            text: before.unwrap_or(rest).to_owned(),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match (self.is_open_before, self.is_open_behind) {
            (false, false) => text == self.text,
            (false, true) => text.starts_with(&self.text),
            (true, false) => text.ends_with(&self.text),
            (true, true) => text.contains(&self.text),
        }
    }
}

/// A condition: an operator and what stands behind it.
#[derive(Debug, Clone)]
pub(super) struct Comparison {
    operator: Operator,
    operand: Operand,
}

impl Comparison {
    pub(super) fn read(cursor: &mut Cursor<'_>, regexes: &mut Regexes) -> Result<Self, PatternError> {
        let operator = operator(cursor).ok_or(PatternError::Invalid)?;
        let operand = operand(cursor, regexes)?;
        let is_of_order = !matches!(operator, Operator::Equal | Operator::NotEqual);
        if is_of_order && !matches!(operand, Operand::Number { .. }) {
            return Err(PatternError::Invalid);
        }
        Ok(Self { operator, operand })
    }

    /// Of a text.
    pub(super) fn holds_for_text(&self, text: &str) -> bool {
        let is_equal = match &self.operand {
            Operand::Regex(regex) => regex.is_match(text),
            Operand::Text(wild) => wild.matches(text),
            Operand::Number { text: wanted, .. } => wanted == text,
        };
        match self.operator {
            Operator::Equal => is_equal,
            Operator::NotEqual => !is_equal,
            _ => false,
        }
    }

    /// Of a number and how it is written.
    pub(super) fn holds_for_number(&self, number: f64, text: &str) -> bool {
        let Operand::Number { value, .. } = &self.operand else {
            return self.holds_for_text(text);
        };
        match self.operator {
            Operator::Equal => number == *value,
            Operator::NotEqual => number != *value,
            Operator::Less => number < *value,
            Operator::LessOrEqual => number <= *value,
            Operator::Greater => number > *value,
            Operator::GreaterOrEqual => number >= *value,
        }
    }
}

fn operator(cursor: &mut Cursor<'_>) -> Option<Operator> {
    cursor.skip_space();
    // `=!` is how AWS's own documentation wrote `!=` in fields.
    let operators = [
        ("!=", Operator::NotEqual),
        ("=!", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    operators
        .into_iter()
        .find(|(sign, _)| cursor.eat_here(sign))
        .map(|(_, operator)| operator)
}

fn operand(cursor: &mut Cursor<'_>, regexes: &mut Regexes) -> Result<Operand, PatternError> {
    if cursor.eat("\"") {
        return Ok(Operand::Text(Wild::new(&cursor.quoted('"')?)));
    }
    if cursor.eat("%") {
        return regexes.compile(cursor.regex()?).map(Operand::Regex);
    }
    let word = cursor.take_while(is_of_word);
    if word.is_empty() {
        return Err(PatternError::Invalid);
    }
    Ok(match number(word) {
        Some(value) => Operand::Number {
            value,
            text: word.to_owned(),
        },
        None => Operand::Text(Wild::new(word)),
    })
}

/// What may stand in a value without quotation marks.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-.*:/+".contains(c)
}

/// Digits with a sign, a fraction and an exponent, each if need be. Nothing else is a number: not `inf`, not `1e`.
pub(super) fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        None => is_number(mantissa),
        Some((whole, fraction)) => is_number(fraction) && (whole.is_empty() || is_number(whole)),
    };
    let is_exponent =
        exponent.is_none_or(|digits| is_number(digits.strip_prefix(['+', '-']).unwrap_or(digits)));
    if !is_mantissa || !is_exponent {
        return None;
    }
    text.parse().ok()
}
