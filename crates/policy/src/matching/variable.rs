//! Policy variables: `${key}`, `${key, 'default'}` and the escapes `${*}` `${?}` `${$}` (R51-R60).

use crate::matching::glob::Piece;
use crate::{Context, Value, open_points};

/// A text with its variables found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text as written; wildcards in it count where the place allows them.
    Text(String),
    /// An escaped character, always literal (R55).
    Escaped(&'static str),
    /// A variable.
    Variable {
        /// The condition key.
        key: String,
        /// What to use when the key is absent (R56).
        default: Option<String>,
    },
}

impl Template {
    /// Finds the variables of a text, where the policy's version has them (R51).
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, from_name)) = rest.split_once("${") {
            // R60: without its closing brace it is literal text.
            let Some((name, after)) = from_name.split_once('}') else {
                break;
            };
            push_text(&mut parts, before);
            parts.push(Part::parse(name));
            rest = after;
        }
        push_text(&mut parts, rest);
        Self { parts }
    }

    /// A text without variables: every text of version 2008-10-17 (R6).
    pub(crate) fn literal(text: &str) -> Self {
        let mut parts = Vec::new();
        push_text(&mut parts, text);
        Self { parts }
    }

    /// Its parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The text, when nothing in it needs replacing.
    pub fn fixed(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The keys its variables name.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable { key, .. } => Some(key.as_str()),
            Part::Text(_) | Part::Escaped(_) => None,
        })
    }

    /// Replaces the variables; `None` when one has neither value nor default (R57, R58).
    pub(crate) fn resolve<'a>(&'a self, context: &'a Context) -> Option<Vec<Piece<'a>>> {
        self.parts.iter().map(|part| part.resolve(context)).collect()
    }

    /// The text with its variables replaced; what has no value stays as written.
    pub(crate) fn display(&self, context: &Context) -> String {
        let shown = self.parts.iter().map(|part| match (part.resolve(context), part) {
            (Some(piece), _) => piece.text.to_owned(),
            (None, Part::Variable { key, .. }) => format!("${{{key}}}"),
            (None, _) => String::new(),
        });
        shown.collect()
    }
}

impl Part {
    fn parse(name: &str) -> Self {
        match name {
            "*" => Self::Escaped("*"),
            "?" => Self::Escaped("?"),
            "$" => Self::Escaped("$"),
            name => match name
                .split_once(", '")
                .and_then(|(key, rest)| Some((key, rest.strip_suffix('\'')?)))
            {
                Some((key, default)) => Self::Variable {
                    key: key.to_owned(),
                    default: Some(default.to_owned()),
                },
                None => Self::Variable {
                    key: name.to_owned(),
                    default: None,
                },
            },
        }
    }

    fn resolve<'a>(&'a self, context: &'a Context) -> Option<Piece<'a>> {
        match self {
            Self::Text(text) => Some(Piece::pattern(text)),
            Self::Escaped(text) => Some(Piece::literal(text)),
            Self::Variable { key, default } => replacement(context.present(key), default.as_deref()),
        }
    }
}

/// What stands in for a variable with this value, if it is present, and this default.
pub(crate) fn replacement<'a>(value: Option<&'a Value>, default: Option<&'a str>) -> Option<Piece<'a>> {
    match value {
        Some(Value::One(value)) if value.is_empty() && open_points::r56_default_replaces_empty_value() => {
            default.map(Piece::literal)
        }
        Some(Value::One(value)) => Some(Piece::literal(value)),
        // R59: a multi-valued key is no value, and the default is for absent keys only.
        Some(Value::Many(_)) => None,
        None => default.map(Piece::literal),
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

/// The text of resolved pieces.
pub(crate) fn join(pieces: &[Piece<'_>]) -> String {
    pieces.iter().map(|piece| piece.text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let mut context = Context::new();
        context.insert("aws:username", "richard");
        context.insert("aws:PrincipalTag/team", "");
        context.insert("aws:TagKeys", ["a"]);
        context
    }

    fn resolved(text: &str) -> Option<String> {
        Template::parse(text)
            .resolve(&context())
            .map(|pieces| join(&pieces))
    }

    #[test]
    fn r51_keys_are_replaced_without_case() {
        assert_eq!(
            resolved("home/${AWS:UserName}/x").as_deref(),
            Some("home/richard/x")
        );
    }

    #[test]
    fn r55_escapes_are_literal_characters() {
        assert_eq!(resolved("${*}${?}${$}{a}").as_deref(), Some("*?${a}"));
        let pieces_are_literal = Template::parse("${*}")
            .resolve(&context())
            .is_some_and(|p| p.iter().all(|x| x.literal));
        assert!(pieces_are_literal);
    }

    #[test]
    fn r56_the_default_is_for_absent_keys() {
        assert_eq!(
            resolved("${aws:Absent, 'all staff'}").as_deref(),
            Some("all staff")
        );
        assert_eq!(resolved("${aws:username, 'all'}").as_deref(), Some("richard"));
        assert_eq!(resolved("${aws:PrincipalTag/team, 'all'}").as_deref(), Some(""));
        assert_eq!(resolved("${aws:Absent,'no space'}"), None);
    }

    #[test]
    fn r57_r59_without_a_value_nothing_is_resolved() {
        assert_eq!(resolved("a${aws:Absent}"), None);
        assert_eq!(resolved("${aws:TagKeys}"), None);
        assert_eq!(resolved("${aws:TagKeys, 'x'}"), None);
    }

    #[test]
    fn r60_an_unclosed_variable_is_text() {
        assert_eq!(resolved("a${aws:username").as_deref(), Some("a${aws:username"));
        assert_eq!(resolved("${aws:username}${").as_deref(), Some("richard${"));
    }
}
