//! What this endpoint can: `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`.

use serde_json::{Value, json};

use super::desk::Desk;
use super::errors::ScimError;
use super::reading::{PAGE, Query};
use super::{person, team};

const CONFIG: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// The document at a path.
pub(super) fn document(desk: &Desk<'_>, path: &[&str]) -> Result<Value, ScimError> {
    let types = || {
        vec![
            resource_type(desk, "User", person::SCHEMA),
            resource_type(desk, "Group", team::SCHEMA),
        ]
    };
    match path {
        ["ServiceProviderConfig"] => Ok(config(desk)),
        ["ResourceTypes"] => Ok(list(types())),
        ["ResourceTypes", id] => one(types(), id),
        ["Schemas"] => Ok(list(schemas(desk))),
        ["Schemas", id] => one(schemas(desk), id),
        ["Me"] => Err(ScimError::no_me()),
        other => Err(ScimError::missing(&other.join("/"))),
    }
}

fn list(all: Vec<Value>) -> Value {
    Query::read("")
        .map(|query| query.list(all.len(), all))
        .unwrap_or_default()
}

fn one(all: Vec<Value>, id: &str) -> Result<Value, ScimError> {
    let mut all = all.into_iter();
    let found = all.find(|one| one.get("id").and_then(Value::as_str) == Some(id));
    found.ok_or_else(|| ScimError::missing(id))
}

fn config(desk: &Desk<'_>) -> Value {
    let no = json!({ "supported": false });
    json!({
        "schemas": [CONFIG],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": PAGE },
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A service-specific credential of an IAM user, whose policies decide.",
            "primary": true,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": desk.location("ServiceProviderConfig", "").trim_end_matches('/'),
        },
    })
}

fn resource_type(desk: &Desk<'_>, name: &str, schema: &str) -> Value {
    json!({
        "schemas": [RESOURCE_TYPE], "id": name, "name": name, "endpoint": format!("/{name}s"), "schema": schema,
        "meta": { "resourceType": "ResourceType", "location": desk.location("ResourceTypes", name) },
    })
}

fn schemas(desk: &Desk<'_>) -> Vec<Value> {
    let name = [
        text("givenName", false, "none"),
        text("familyName", false, "none"),
    ];
    let mut name_attribute = complex("name", false, "readWrite");
    set(&mut name_attribute, "subAttributes", name.into());
    let user = [
        text("userName", true, "server"),
        text("displayName", false, "none"),
        name_attribute,
        attribute("active", "boolean", false, "none"),
        references("groups", "Group", "readOnly"),
    ];
    let group = [
        text("displayName", true, "server"),
        references("members", "User", "readWrite"),
    ];
    vec![
        schema(desk, person::SCHEMA, "User", user.into()),
        schema(desk, team::SCHEMA, "Group", group.into()),
    ]
}

fn schema(desk: &Desk<'_>, id: &str, name: &str, attributes: Value) -> Value {
    json!({
        "schemas": [SCHEMA], "id": id, "name": name, "description": format!("An IAM {}", name.to_lowercase()),
        "attributes": attributes,
        "meta": { "resourceType": "Schema", "location": desk.location("Schemas", id) },
    })
}

fn attribute(name: &str, kind: &str, required: bool, uniqueness: &str) -> Value {
    json!({
        "name": name, "type": kind, "multiValued": false, "description": "", "required": required,
        "mutability": "readWrite", "returned": "default", "uniqueness": uniqueness,
    })
}

fn text(name: &str, required: bool, uniqueness: &str) -> Value {
    let mut text = attribute(name, "string", required, uniqueness);
    set(&mut text, "caseExact", false.into());
    text
}

fn complex(name: &str, many: bool, mutability: &str) -> Value {
    json!({
        "name": name, "type": "complex", "multiValued": many, "description": "", "required": false,
        "mutability": mutability, "returned": "default", "uniqueness": "none",
    })
}

/// A list of other resources.
fn references(name: &str, to: &str, mutability: &str) -> Value {
    let mut reference = text("$ref", false, "none");
    set(&mut reference, "type", "reference".into());
    set(&mut reference, "referenceTypes", json!([to]));
    let parts = [
        text("value", false, "none"),
        reference,
        text("display", false, "none"),
        text("type", false, "none"),
    ];
    let mut references = complex(name, true, mutability);
    set(&mut references, "subAttributes", parts.into());
    references
}

fn set(attribute: &mut Value, name: &str, value: Value) {
    if let Some(members) = attribute.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
