//! A SCIM user and the IAM user it is: what is kept where. Pure.

use std::collections::BTreeMap;

use portcullis_api::iam as api;
use serde_json::{Map, Value, json};

use super::errors::ScimError;
use super::patch::{Kind, Operation};
use super::reading::{expect_schema, member};

pub(super) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// A text attribute of a SCIM user that IAM users do not have: it is kept as a tag.
struct Kept {
    /// In lower case, for paths.
    path: &'static str,
    tag: &'static str,
}

const KEPT: [Kept; 4] = [
    Kept {
        path: "externalid",
        tag: "scim:externalId",
    },
    Kept {
        path: "displayname",
        tag: "scim:displayName",
    },
    Kept {
        path: "name.givenname",
        tag: "scim:givenName",
    },
    Kept {
        path: "name.familyname",
        tag: "scim:familyName",
    },
];

/// Letters of a tag's value beside letters and digits (IAM's pattern); `=` starts an escape here.
const TAG_LETTERS: &str = " _.:/+-@";

/// What can be changed of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub user_name: String,
    /// By tag key.
    pub kept: BTreeMap<&'static str, String>,
    pub active: bool,
}

/// A user as it is shown.
#[derive(Debug)]
pub(super) struct Found {
    pub user: api::User,
    pub active: bool,
    /// Id, name and address of each group.
    pub groups: Vec<(String, String, String)>,
    pub location: String,
}

impl Person {
    /// Reads the body of a new user, or of one that replaces `before`. Attributes that are not kept are ignored.
    pub fn read(body: &Map<String, Value>, before: Option<&Self>) -> Result<Self, ScimError> {
        expect_schema(body, SCHEMA)?;
        let mut person = Self {
            user_name: String::new(),
            kept: BTreeMap::new(),
            active: before.is_none_or(|before| before.active),
        };
        person.set_all(body)?;
        if person.user_name.is_empty() {
            return Err(ScimError::value("`userName` is required"));
        }
        Ok(person)
    }

    /// The person after the operations.
    pub fn patched(mut self, operations: &[Operation]) -> Result<Self, ScimError> {
        for operation in operations {
            match (&operation.path, &operation.value) {
                (None, Some(Value::Object(members))) => self.set_all(members)?,
                (None, _) => return Err(ScimError::value("without a path the value must be an object")),
                (Some(path), _) if path.filter.is_some() => return Err(ScimError::path(&path.text)),
                (Some(path), value) => {
                    let value = value.as_ref().filter(|_| operation.kind != Kind::Remove);
                    if !self.set(&path.attribute, value.unwrap_or(&Value::Null))? {
                        return Err(ScimError::path(&path.text));
                    }
                }
            }
        }
        Ok(self)
    }

    fn set_all(&mut self, members: &Map<String, Value>) -> Result<(), ScimError> {
        for (name, value) in members {
            match name.to_ascii_lowercase().as_str() {
                "id" | "meta" | "groups" | "schemas" => {}
                attribute => {
                    self.set(attribute, value)?;
                }
            }
        }
        Ok(())
    }

    /// Sets an attribute, or takes it away with `null`; `false` if there is no such attribute.
    fn set(&mut self, attribute: &str, value: &Value) -> Result<bool, ScimError> {
        match (attribute, value) {
            ("username" | "active", Value::Null) => return Err(ScimError::mutability(attribute)),
            ("id" | "meta" | "groups" | "schemas", _) => return Err(ScimError::mutability(attribute)),
            ("username", value) => self.user_name = text("userName", value)?.to_owned(),
            ("active", value) => self.active = truth(value)?,
            ("name", Value::Null) => {
                self.set("name.givenname", value)?;
                self.set("name.familyname", value)?;
            }
            ("name", Value::Object(parts)) => {
                for (part, value) in parts {
                    self.set(&format!("name.{}", part.to_ascii_lowercase()), value)?;
                }
            }
            ("name", _) => return Err(ScimError::value("`name` must be an object")),
            (attribute, value) => {
                let Some(kept) = KEPT.iter().find(|kept| kept.path == attribute) else {
                    return Ok(false);
                };
                match value {
                    Value::Null => drop(self.kept.remove(kept.tag)),
                    value => drop(self.kept.insert(kept.tag, text(attribute, value)?.to_owned())),
                }
            }
        }
        Ok(true)
    }

    /// The tags of the attributes.
    pub fn tags(&self) -> Vec<api::Tag> {
        let tags = self.kept.iter().map(|(key, value)| api::Tag {
            key: (*key).to_owned(),
            value: escaped(value),
        });
        tags.collect()
    }
}

fn text<'v>(attribute: &str, value: &'v Value) -> Result<&'v str, ScimError> {
    let text = value.as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| ScimError::value(format!("`{attribute}` must be a text")))
}

/// Some clients write truth as text.
fn truth(value: &Value) -> Result<bool, ScimError> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(ScimError::value("`active` must be true or false")),
    }
}

impl Found {
    /// What can be changed of it.
    pub fn person(&self) -> Person {
        let tags = self.user.tags.iter().flatten();
        let kept = tags.filter_map(|tag| {
            let kept = KEPT.iter().find(|kept| kept.tag == tag.key)?;
            Some((kept.tag, unescaped(&tag.value)))
        });
        Person {
            user_name: self.user.user_name.clone(),
            kept: kept.collect(),
            active: self.active,
        }
    }

    /// The resource.
    pub fn resource(&self) -> Value {
        let person = self.person();
        let groups = self.groups.iter().map(|(id, name, location)| {
            json!({ "value": id, "display": name, "$ref": location, "type": "direct" })
        });
        let mut resource = json!({
            "schemas": [SCHEMA],
            "id": self.user.user_id,
            "userName": self.user.user_name,
            "active": self.active,
            "groups": groups.collect::<Vec<_>>(),
            "meta": {
                "resourceType": "User", "created": self.user.create_date.to_iso(), "location": self.location,
            },
        });
        let names = [
            ("externalId", "scim:externalId"),
            ("displayName", "scim:displayName"),
        ];
        let name = [("givenName", "scim:givenName"), ("familyName", "scim:familyName")];
        let members = |names: [(&str, &str); 2]| -> Map<String, Value> {
            let present = names
                .into_iter()
                .filter_map(|(name, tag)| Some((name, person.kept.get(tag)?)));
            present
                .map(|(name, value)| (name.to_owned(), Value::from(value.as_str())))
                .collect()
        };
        if let Some(shown) = resource.as_object_mut() {
            shown.extend(members(names));
            let name = members(name);
            if !name.is_empty() {
                shown.insert("name".to_owned(), name.into());
            }
        }
        resource
    }
}

/// The ids of members in a list.
pub(super) fn ids(value: &Value) -> Result<Vec<String>, ScimError> {
    let bad = || ScimError::value("`members` must be a list of objects with the `value` of a user");
    let one = |member_: &Value| {
        let members = member_.as_object()?;
        let is_user = member(members, "type").is_none_or(|kind| {
            kind.as_str()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("user"))
        });
        member(members, "value")?
            .as_str()
            .filter(|_| is_user)
            .map(str::to_owned)
    };
    let list = value.as_array().ok_or_else(bad)?;
    list.iter().map(|member| one(member).ok_or_else(bad)).collect()
}

/// A text in letters that a tag may have: others as `=HH` for each byte.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_alphanumeric() || TAG_LETTERS.contains(letter) {
            escaped.push(letter);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in letter.encode_utf8(&mut bytes).bytes() {
            escaped.push_str(&format!("={byte:02X}"));
        }
    }
    escaped
}

/// Reads what [`escaped`] wrote; a value somebody else tagged with is itself.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        let byte = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (Some(byte), Some(after)) = (byte, after.get(2..)) else {
            return text.to_owned();
        };
        bytes.extend(before.bytes());
        bytes.push(byte);
        rest = after;
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_as_tags() {
        for name in ["Mia Müller", "O'Brien (ops), 50 % = half", "小林", "", "=", "a=4"] {
            assert_eq!(unescaped(&escaped(name)), name);
            assert!(
                escaped(name)
                    .chars()
                    .all(|letter| letter.is_alphanumeric() || letter == '=' || TAG_LETTERS.contains(letter))
            );
        }
        assert_eq!(unescaped("a=b"), "a=b");
    }
}
