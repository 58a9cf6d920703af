//! JSON texts with the escapes of Go's encoder, which the genuine agent answers with.

use std::fmt::Write as _;

/// The text in double quotes. Go also escapes what would be markup in a page.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}

/// An object of texts, keys in the order given, without spaces.
pub(crate) fn object(fields: &[(&str, &str)]) -> String {
    let members: Vec<_> = fields
        .iter()
        .map(|(key, value)| format!("{}:{}", quoted(key), quoted(value)))
        .collect();
    format!("{{{}}}", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_escapes_markup_and_control_letters() {
        assert_eq!(
            quoted("a<b>&\"\\\n\u{1}\u{2028}é"),
            r#""a\u003cb\u003e\u0026\"\\\n\u0001\u2028é""#
        );
        assert_eq!(object(&[("b", "1"), ("a", "2")]), r#"{"b":"1","a":"2"}"#);
    }
}
