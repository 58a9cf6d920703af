//! A SCIM group and the IAM group it is. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::errors::ScimError;
use super::patch::{Kind, Operation, Path};
use super::person::ids;
use super::reading::expect_schema;

pub(super) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What can be changed of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Team {
    /// The IAM group's name.
    pub display_name: String,
    /// Ids of its users.
    pub members: BTreeSet<String>,
}

/// A group as it is shown.
#[derive(Debug)]
pub(super) struct Found {
    pub id: String,
    pub name: String,
    pub created: String,
    pub location: String,
    /// Id, name and address of each member.
    pub members: Vec<(String, String, String)>,
}

impl Team {
    /// Reads the body of a group. Attributes that are not kept are ignored.
    pub fn read(body: &Map<String, Value>) -> Result<Self, ScimError> {
        expect_schema(body, SCHEMA)?;
        let mut team = Self::default();
        team.set_all(Kind::Replace, body)?;
        if team.display_name.is_empty() {
            return Err(ScimError::value("`displayName` is required"));
        }
        Ok(team)
    }

    /// The group after the operations.
    pub fn patched(mut self, operations: &[Operation]) -> Result<Self, ScimError> {
        for operation in operations {
            match (&operation.path, &operation.value) {
                (None, Some(Value::Object(members))) => self.set_all(operation.kind, members)?,
                (None, _) => return Err(ScimError::value("without a path the value must be an object")),
                (Some(path), value) => self.change(operation.kind, path, value.as_ref())?,
            }
        }
        Ok(self)
    }

    fn set_all(&mut self, kind: Kind, members: &Map<String, Value>) -> Result<(), ScimError> {
        for (name, value) in members {
            match name.to_ascii_lowercase().as_str() {
                "displayname" => self.rename(value)?,
                "members" => self.set_members(kind, value)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn change(&mut self, kind: Kind, path: &Path, value: Option<&Value>) -> Result<(), ScimError> {
        match (path.attribute.as_str(), kind, &path.filter, value) {
            ("displayname", Kind::Remove, None, _) => Err(ScimError::mutability("displayName")),
            ("displayname", _, None, Some(value)) => self.rename(value),
            ("members", Kind::Remove, Some(filter), _) if filter.attribute == "value" => {
                self.members.remove(&filter.value);
                Ok(())
            }
            // Some clients name whom they take out in the value.
            ("members", Kind::Remove, None, Some(value)) => {
                for id in ids(value)? {
                    self.members.remove(&id);
                }
                Ok(())
            }
            ("members", Kind::Remove, None, None) => {
                self.members.clear();
                Ok(())
            }
            ("members", _, None, Some(value)) => self.set_members(kind, value),
            ("id" | "meta" | "schemas", ..) => Err(ScimError::mutability(&path.text)),
            _ => Err(ScimError::path(&path.text)),
        }
    }

    fn set_members(&mut self, kind: Kind, value: &Value) -> Result<(), ScimError> {
        let ids = ids(value)?;
        if kind == Kind::Replace {
            self.members.clear();
        }
        self.members.extend(ids);
        Ok(())
    }

    fn rename(&mut self, value: &Value) -> Result<(), ScimError> {
        let name = value.as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ScimError::value("`displayName` must be a text"))?;
        name.clone_into(&mut self.display_name);
        Ok(())
    }
}

impl Found {
    /// What can be changed of it.
    pub fn team(&self) -> Team {
        let members = self.members.iter().map(|(id, ..)| id.clone());
        Team {
            display_name: self.name.clone(),
            members: members.collect(),
        }
    }

    /// The resource.
    pub fn resource(&self) -> Value {
        let members = self.members.iter().map(
            |(id, name, location)| json!({ "value": id, "display": name, "$ref": location, "type": "User" }),
        );
        json!({
            "schemas": [SCHEMA],
            "id": self.id,
            "displayName": self.name,
            "members": members.collect::<Vec<_>>(),
            "meta": { "resourceType": "Group", "created": self.created, "location": self.location },
        })
    }
}
