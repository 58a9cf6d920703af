//! A policy document in the file.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A policy document: an object that people can read, or the text itself where an object would lose something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a policy document is an object, or its text")]
pub enum Text {
    /// The members in their order.
    Object(Map<String, Value>),
    /// The text as it is: it has a member twice, or spells a number or letter in a way of its own.
    Verbatim(String),
}

impl Text {
    /// A document as a server gives it.
    pub fn of(text: String) -> Self {
        match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(members) if compact(&members) == without_whitespace(&text) => Self::Object(members),
            _ => Self::Verbatim(text),
        }
    }

    /// The text to send.
    pub fn to_text(&self) -> String {
        match self {
            Self::Object(members) => compact(members),
            Self::Verbatim(text) => text.clone(),
        }
    }

    /// Whether one of its texts names the ARN.
    pub fn mentions(&self, arn: &str) -> bool {
        match self {
            Self::Object(members) => members.values().any(|value| value_mentions(value, arn)),
            Self::Verbatim(text) => text.contains(arn),
        }
    }
}

/// Cannot fail: every key is a text.
fn compact(members: &Map<String, Value>) -> String {
    serde_json::to_string(members).unwrap_or_default()
}

fn value_mentions(value: &Value, arn: &str) -> bool {
    match value {
        Value::String(text) => text == arn,
        Value::Array(items) => items.iter().any(|item| value_mentions(item, arn)),
        Value::Object(members) => members.values().any(|member| value_mentions(member, arn)),
        _ => false,
    }
}

/// JSON without the white space between its tokens.
fn without_whitespace(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let kept = text.chars().filter(|letter| {
        let inside = quoted;
        match letter {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = inside && *letter == '\\' && !escaped;
        inside || !matches!(letter, ' ' | '\t' | '\n' | '\r')
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_an_object_with_its_members_in_order() {
        let text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{\"Sid\": \"a \\\" b\", \"Effect\": \"Allow\"}]\n}";
        let document = Text::of(text.to_owned());
        assert!(matches!(document, Text::Object(_)));
        assert_eq!(
            document.to_text(),
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"a \" b","Effect":"Allow"}]}"#
        );
        assert_eq!(Text::of(document.to_text()), document);
    }

    #[test]
    fn what_an_object_would_lose_stays_a_text() {
        for text in [
            r#"{"Statement": [], "Statement": []}"#,
            r#"{"Id": "\u0061"}"#,
            r#"{"Version": 1.0e1}"#,
            "no json",
        ] {
            assert_eq!(Text::of(text.to_owned()), Text::Verbatim(text.to_owned()));
        }
    }
}
