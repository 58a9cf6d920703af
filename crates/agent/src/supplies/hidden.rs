//! Secret values as JSON has them.

use std::fmt;

use portcullis_core::Secret;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value of any kind, as text: what a JSON key of a secret comes to.
#[derive(Debug, Clone)]
pub(super) struct Hidden(Secret);

impl Hidden {
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<Hidden> for Secret {
    fn from(hidden: Hidden) -> Self {
        hidden.0
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text).map(Self)
    }
}

/// Texts as they are; other kinds as the genuine agent prints them, objects and lists with a blank between their parts.
struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Secret, E> {
        Ok(Secret::new(text))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Secret, E> {
        Ok(Secret::new(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Secret, E> {
        Ok(Secret::new(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Secret, E> {
        Ok(Secret::new(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Secret, E> {
        Ok(Secret::new(value.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Secret, E> {
        Ok(Secret::new("<nil>"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Secret, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element::<Hidden>()? {
            parts.push(part);
        }
        let parts: Vec<_> = parts.iter().map(Hidden::expose).collect();
        Ok(Secret::new(format!("[{}]", parts.join(" "))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Secret, A::Error> {
        let mut parts = std::collections::BTreeMap::new();
        while let Some((name, part)) = object.next_entry::<String, Hidden>()? {
            parts.insert(name, part);
        }
        let parts: Vec<_> = parts
            .iter()
            .map(|(name, part)| format!("{name}:{}", part.expose()))
            .collect();
        Ok(Secret::new(format!("map[{}]", parts.join(" "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_as_text_and_show_nothing() {
        for (json, text) in [
            (r#""a\nb""#, "a\nb"),
            ("12", "12"),
            ("-1.5", "-1.5"),
            ("true", "true"),
            ("null", "<nil>"),
            (r#"{"b":1,"a":["x",2]}"#, "map[a:[x 2] b:1]"),
        ] {
            let value: Hidden = serde_json::from_str(json).unwrap();
            assert_eq!(value.expose(), text);
            assert_eq!(format!("{value:?}"), "Hidden(Secret(..))");
        }
    }
}
