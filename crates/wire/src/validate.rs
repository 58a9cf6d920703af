//! The rules of a schema checked against a request, in AWS's words.

use serde_json::Value;

use crate::json;
use crate::schema::{List, Range, Schema, Structure, Text};

/// Violations collected before the rest of a request is left unread.
const MAX_VIOLATIONS: usize = 100;

/// Checks a request in the normal form; the error is the text AWS answers.
pub(crate) fn validate(schema: &'static Structure, value: &Value) -> Result<(), String> {
    let mut check = Check {
        path: Vec::new(),
        violations: Vec::new(),
    };
    check.structure(schema, value);
    let count = check.violations.len();
    if count == 0 {
        return Ok(());
    }
    let plural = if count == 1 { "" } else { "s" };
    Err(format!(
        "{count} validation error{plural} detected: {}",
        check.violations.join("; ")
    ))
}

/// A walk over a request.
struct Check {
    /// Steps from the root: member names, list positions, map keys.
    path: Vec<String>,
    violations: Vec<String>,
}

impl Check {
    fn structure(&mut self, schema: &'static Structure, value: &Value) {
        for member in schema.members {
            let found = value.get(member.name).filter(|value| !value.is_null());
            if found.is_none() && !member.required {
                continue;
            }
            self.path.push(lower_first(member.name));
            match found {
                Some(value) => self.value(member.schema, value),
                None => self.violation("Value null", "Member must not be null"),
            }
            self.path.pop();
        }
    }

    fn value(&mut self, schema: &'static Schema, value: &Value) {
        if self.violations.len() >= MAX_VIOLATIONS {
            return;
        }
        match schema {
            Schema::Structure(structure) => self.structure(structure, value),
            Schema::String(text) => self.text(text, value),
            Schema::Integer(range) | Schema::Long(range) | Schema::Double(range) => {
                self.number(*range, value)
            }
            Schema::List(list) => self.list(list, value),
            Schema::Map(map) => {
                let entries = value.as_object();
                self.length(map.length, entries.map_or(0, serde_json::Map::len), "Value");
                for (key, value) in entries.into_iter().flatten() {
                    self.path.extend([key.clone(), "member".to_owned()]);
                    self.value(map.value, value);
                    self.path.truncate(self.path.len().saturating_sub(2));
                }
            }
            Schema::Blob(range) => self.bytes(*range, value),
            Schema::Boolean | Schema::Timestamp | Schema::Document => {}
        }
    }

    fn text(&mut self, rules: &'static Text, value: &Value) {
        let Some(text) = value.as_str() else { return };
        let shown = if rules.sensitive {
            "Value".to_owned()
        } else {
            format!("Value '{text}'")
        };
        if !rules.choices.is_empty() && !rules.choices.contains(&text) {
            self.violation(&shown, &enum_rule(rules));
        }
        if let Some(pattern) = rules.pattern.filter(|pattern| !pattern.matches(text)) {
            self.violation(&shown, &pattern_rule(pattern.text));
        }
        self.length(rules.length, text.chars().count(), &shown);
    }

    /// Bytes are never shown: they may be secret, and say nothing to people.
    fn bytes(&mut self, range: Range, value: &Value) {
        if let Some(bytes) = json::blob_bytes(value) {
            self.length(range, bytes.len(), "Value");
        }
    }

    fn number(&mut self, range: Range, value: &Value) {
        let Some(number) = value.as_f64() else { return };
        let shown = format!("Value '{value}'");
        if let Some(min) = range.min.filter(|min| number < to_double(*min)) {
            self.violation(
                &shown,
                &format!("Member must have value greater than or equal to {min}"),
            );
        }
        if let Some(max) = range.max.filter(|max| number > to_double(*max)) {
            self.violation(
                &shown,
                &format!("Member must have value less than or equal to {max}"),
            );
        }
    }

    fn list(&mut self, list: &'static List, value: &Value) {
        let Some(elements) = value.as_array() else { return };
        let shown = show_list(list, elements);
        self.length(list.length, elements.len(), &shown);
        if let Schema::String(rules) = list.member {
            let is_bad = |element: &Value| element.as_str().is_some_and(|text| breaks_a_rule(rules, text));
            if elements.iter().any(is_bad) {
                self.violation(
                    &shown,
                    &format!("Member must satisfy constraint: [{}]", all_rules(rules)),
                );
            }
            return;
        }
        for (index, element) in elements.iter().enumerate() {
            self.path.extend([(index + 1).to_string(), "member".to_owned()]);
            self.value(list.member, element);
            self.path.truncate(self.path.len().saturating_sub(2));
        }
    }

    fn length(&mut self, range: Range, length: usize, shown: &str) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if let Some(min) = range.min.filter(|min| length < *min) {
            self.violation(shown, &min_length_rule(min));
        }
        if let Some(max) = range.max.filter(|max| length > *max) {
            self.violation(shown, &max_length_rule(max));
        }
    }

    fn violation(&mut self, shown: &str, rule: &str) {
        let path = self.path.join(".");
        self.violations.push(format!(
            "{shown} at '{path}' failed to satisfy constraint: {rule}"
        ));
    }
}

fn breaks_a_rule(rules: &Text, text: &str) -> bool {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    rules.length.min.is_some_and(|min| length < min)
        || rules.length.max.is_some_and(|max| length > max)
        || rules.pattern.is_some_and(|pattern| !pattern.matches(text))
        || (!rules.choices.is_empty() && !rules.choices.contains(&text))
}

/// All rules for the elements of a list, in the order AWS prints them.
fn all_rules(rules: &Text) -> String {
    let mut all = Vec::new();
    all.extend(rules.length.max.map(max_length_rule));
    all.extend(rules.length.min.map(min_length_rule));
    all.extend(rules.pattern.map(|pattern| pattern_rule(pattern.text)));
    if !rules.choices.is_empty() {
        all.push(enum_rule(rules));
    }
    all.join(", ")
}

fn enum_rule(rules: &Text) -> String {
    format!(
        "Member must satisfy enum value set: [{}]",
        rules.choices.join(", ")
    )
}

fn pattern_rule(text: &str) -> String {
    format!("Member must satisfy regular expression pattern: {text}")
}

fn min_length_rule(min: i64) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn max_length_rule(max: i64) -> String {
    format!("Member must have length less than or equal to {max}")
}

/// A list as AWS shows it; of lists of structures only the emptiness is worth showing.
fn show_list(list: &List, elements: &[Value]) -> String {
    match list.member {
        Schema::String(rules) if !rules.sensitive => {
            let texts: Vec<&str> = elements.iter().filter_map(Value::as_str).collect();
            format!("Value '[{}]'", texts.join(", "))
        }
        _ if elements.is_empty() => "Value '[]'".to_owned(),
        _ => "Value".to_owned(),
    }
}

/// Names on query services start upper-case; AWS's texts start them lower-case.
fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_lowercase().chain(chars).collect())
        .unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "bounds of models are small")]
fn to_double(bound: i64) -> f64 {
    bound as f64
}
