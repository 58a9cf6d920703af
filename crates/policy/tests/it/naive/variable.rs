//! Policy variables (R51-R60).

use portcullis_policy::Value;

use super::Question;
use super::glob::{Token, tokens};

/// A text with its variables replaced: a pattern in which what came out of a variable is literal (R54), or `None` when
/// one has no value (R57, R58).
pub fn substitute(text: &str, question: &Question) -> Option<Vec<Token>> {
    let Some(start) = text.find("${") else {
        return Some(tokens(text));
    };
    let (before, rest) = (&text[..start], &text[start + 2..]);
    // Without its end it is no variable (R60).
    let Some(end) = rest.find('}') else {
        return Some(tokens(text));
    };
    let (name, after) = (&rest[..end], &rest[end + 1..]);
    let mut pattern = tokens(before);
    pattern.extend(value(name, question)?.chars().map(Token::Char));
    pattern.extend(substitute(after, question)?);
    Some(pattern)
}

fn value(name: &str, question: &Question) -> Option<String> {
    // R55.
    if let "*" | "?" | "$" = name {
        return Some(name.to_owned());
    }
    // R56: a comma, one space, single quotes.
    let (key, default) = match name.split_once(", '") {
        Some((key, quoted)) if quoted.ends_with('\'') => (key, Some(&quoted[..quoted.len() - 1])),
        _ => (name, None),
    };
    match question.key(key) {
        Some(Value::One(value)) => Some(value.clone()),
        // R59.
        Some(Value::Many(_)) => None,
        None => default.map(str::to_owned),
    }
}
