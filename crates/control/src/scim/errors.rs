//! SCIM's errors (RFC 7644, 3.12).

use serde_json::{Value, json};

use crate::gate::error::ServiceError;

const SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// A refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScimError {
    status: u16,
    kind: Option<&'static str>,
    detail: String,
}

impl ScimError {
    fn bad(kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: Some(kind),
            detail: detail.into(),
        }
    }

    fn plain(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            detail: detail.into(),
        }
    }

    /// The body is no JSON, or not of the form the request needs.
    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::bad("invalidSyntax", detail)
    }

    /// A value that the attribute cannot have.
    pub fn value(detail: impl Into<String>) -> Self {
        Self::bad("invalidValue", detail)
    }

    /// A filter that is none, or that is not supported.
    pub fn filter() -> Self {
        Self::bad(
            "invalidFilter",
            "the filter must be `userName eq \"NAME\"` for users, `displayName eq \"NAME\"` for groups",
        )
    }

    /// A path of a change that is none of the attributes that are kept.
    pub fn path(path: &str) -> Self {
        Self::bad(
            "invalidPath",
            format!("`{path}` is no attribute that can be changed here"),
        )
    }

    /// A change that says nothing of what to change.
    pub fn target() -> Self {
        Self::bad("noTarget", "a remove operation needs a path")
    }

    /// An attribute that stays as it is.
    pub fn mutability(attribute: &str) -> Self {
        Self::bad("mutability", format!("`{attribute}` is required or read-only"))
    }

    /// There is no such resource.
    pub fn missing(id: &str) -> Self {
        Self::plain(404, format!("resource {id} was not found"))
    }

    /// No token, or not a valid one: which of both is not told.
    pub fn unauthorized() -> Self {
        Self::plain(
            401,
            "the request needs a valid bearer token, made with `portcullis iam scim-token`",
        )
    }

    /// The endpoint does not have the method.
    pub fn method() -> Self {
        Self::plain(405, "the endpoint does not support this method")
    }

    /// `/Me`: tokens belong to provisioning users, not to people.
    pub fn no_me() -> Self {
        Self::plain(501, "/Me is not supported")
    }

    /// A provisioning user that would shut itself out.
    pub fn own_user() -> Self {
        Self::plain(
            403,
            "the user whose token is used cannot deactivate or delete itself",
        )
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether it says that something with such a name is not there and cannot be.
    pub fn is_nothing(&self) -> bool {
        self.status == 404 || self.kind == Some("invalidValue")
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        let mut body =
            json!({ "schemas": [SCHEMA], "status": self.status.to_string(), "detail": self.detail });
        if let (Some(kind), Some(members)) = (self.kind, body.as_object_mut()) {
            members.insert("scimType".to_owned(), kind.into());
        }
        body
    }
}

/// IAM's answer in SCIM's words; its text says what to do.
impl From<ServiceError> for ScimError {
    fn from(error: ServiceError) -> Self {
        let (status, kind) = match error.code() {
            "EntityAlreadyExists" => (409, Some("uniqueness")),
            "NoSuchEntity" => (404, None),
            "ValidationError" | "InvalidInput" => (400, Some("invalidValue")),
            _ => (error.status(), None),
        };
        Self {
            status,
            kind,
            detail: error.message().to_owned(),
        }
    }
}
