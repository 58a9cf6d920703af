//! Patterns of the models (Java's syntax) in the syntax of the `regex` crate.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use regex::Regex;

/// The whole-text, linear-time form of a model's pattern. Patterns that need what linear time cannot give
/// (look-ahead, surrogates) are rewritten by hand in `models/overlays/patterns.json`.
pub fn linear(pattern: &str, rewritten: &BTreeMap<String, String>) -> Result<String> {
    let source = rewritten.get(pattern).map_or(pattern, String::as_str);
    let anchored = format!("^(?:{})$", ascii_classes(source));
    Regex::new(&anchored).with_context(|| {
        format!("pattern {pattern} needs a linear-time form in models/overlays/patterns.json")
    })?;
    Ok(anchored)
}

/// `\w`, `\d` and `\s` know ASCII only in Java, and a nested class works inside and outside of brackets.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('d') => out.push_str("[0-9]"),
            Some('s') => out.push_str(r"[ \t\n\x0B\f\r]"),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ascii_and_the_whole_text_must_match() {
        let name = Regex::new(&linear(r"[\w+=,.@-]+", &BTreeMap::new()).unwrap()).unwrap();
        assert!(name.is_match("richard-roe"));
        assert!(!name.is_match("rich\u{e9}"));
        assert!(!name.is_match("two words"));
    }

    #[test]
    fn what_is_not_linear_needs_a_rewritten_form() {
        let alias = r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$";
        assert!(linear(alias, &BTreeMap::new()).is_err());
        let rewritten = BTreeMap::from([(alias.to_owned(), "[a-z0-9]+(-[a-z0-9]+)*".to_owned())]);
        assert!(linear(alias, &rewritten).is_ok());
    }
}
