//! API models in botocore's format, with our overlays merged in.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value};

/// One service's model. Shapes stay raw until somebody asks for them, so that traits the generator does not
/// know stop it only where it would need them.
#[derive(Deserialize)]
pub struct Model {
    pub metadata: Metadata,
    #[serde(default)]
    pub operations: Map<String, Value>,
    shapes: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub api_version: String,
    pub protocol: String,
    #[serde(default)]
    pub json_version: String,
    pub endpoint_prefix: String,
    #[serde(default)]
    pub signing_name: Option<String>,
    #[serde(default)]
    pub target_prefix: String,
    #[serde(default)]
    pub xml_namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    pub http: Http,
    #[serde(default)]
    pub input: Option<Reference>,
    #[serde(default)]
    pub output: Option<Output>,
    #[serde(default)]
    pub errors: Vec<Reference>,
    #[serde(default)]
    pub readonly: bool,
    #[serde(default)]
    pub idempotent: bool,
    #[serde(default)]
    pub authtype: Option<String>,
}

/// How the operation is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    pub method: String,
    pub request_uri: String,
    #[serde(default = "ok")]
    pub response_code: u16,
}

fn ok() -> u16 {
    200
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    pub shape: String,
    #[serde(default)]
    pub result_wrapper: Option<String>,
}

/// A use of a shape. Traits that change nothing for us are named so that unknown ones stop the generator.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reference {
    pub shape: String,
    #[serde(default)]
    pub location: Option<String>,
    #[serde(default)]
    pub location_name: Option<String>,
    /// Its name in requests of EC2's query protocol, where the rule does not give it.
    #[serde(default)]
    pub query_name: Option<String>,
    #[serde(default, rename = "box")]
    _boxed: bool,
    #[serde(default, rename = "deprecated")]
    _deprecated: bool,
    #[serde(default, rename = "deprecatedSince")]
    _deprecated_since: Option<String>,
    #[serde(default, rename = "idempotencyToken")]
    _idempotency_token: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Boolean,
    Integer,
    Long,
    Float,
    Double,
    String,
    Timestamp,
    Blob,
    List,
    Map,
    Structure,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: Kind,
    #[serde(default, deserialize_with = "members_in_order")]
    pub members: Vec<(String, Reference)>,
    #[serde(default)]
    pub required: Vec<String>,
    pub member: Option<Reference>,
    pub key: Option<Reference>,
    pub value: Option<Reference>,
    /// The member that is the whole body.
    #[serde(default)]
    pub payload: Option<String>,
    #[serde(default)]
    pub flattened: bool,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<String>,
    #[serde(default, rename = "enum")]
    pub choices: Vec<String>,
    #[serde(default)]
    pub sensitive: bool,
    #[serde(default)]
    pub document: bool,
    #[serde(default)]
    pub fault: bool,
    pub error: Option<ErrorTrait>,
    /// Its members come one after the other, each in a frame of its own: a door of its own sends them.
    #[serde(default, rename = "eventstream")]
    _eventstream: bool,
    #[serde(default, rename = "event")]
    _event: bool,
    #[serde(default, rename = "exception")]
    _exception: bool,
    #[serde(default, rename = "union")]
    _union: bool,
    #[serde(default, rename = "box")]
    _boxed: bool,
    #[serde(default, rename = "deprecated")]
    _deprecated: bool,
    #[serde(default, rename = "deprecatedSince")]
    _deprecated_since: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorTrait {
    #[serde(default)]
    pub code: Option<String>,
    pub http_status_code: u16,
    #[serde(default)]
    pub sender_fault: bool,
}

fn members_in_order<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<(String, Reference)>, D::Error> {
    Map::<String, Value>::deserialize(from)?
        .into_iter()
        .map(|(name, value)| match serde_json::from_value(value) {
            Ok(reference) => Ok((name, reference)),
            Err(error) => Err(D::Error::custom(format!("member {name}: {error}"))),
        })
        .collect()
}

impl Model {
    /// The service's model with its overlay merged in (RFC 7396); either may be missing, not both.
    pub fn load(models: &Path, service: &str) -> Result<Self> {
        let base = models.join(format!("{service}.json"));
        let overlay = models.join("overlays").join(format!("{service}.json"));
        let mut value = Value::Null;
        if base.exists() {
            value = super::read_json(&base)?;
        }
        if overlay.exists() {
            merge(&mut value, super::read_json(&overlay)?);
        }
        if value.is_null() {
            bail!("there is neither {} nor {}", base.display(), overlay.display());
        }
        serde_json::from_value(value).with_context(|| format!("the model of {service}"))
    }

    /// A shape by name.
    pub fn shape(&self, name: &str) -> Result<Shape> {
        let value = self
            .shapes
            .get(name)
            .with_context(|| format!("there is no shape {name}"))?;
        Shape::deserialize(value).with_context(|| format!("shape {name}"))
    }

    /// An operation by name.
    pub fn operation(&self, name: &str) -> Result<Operation> {
        let value = self
            .operations
            .get(name)
            .with_context(|| format!("there is no operation {name}"))?;
        Operation::deserialize(value).with_context(|| format!("operation {name}"))
    }

    /// Whether this is EC2's dialect of the query protocol.
    pub fn is_ec2(&self) -> bool {
        self.metadata.protocol == "ec2"
    }

    /// Whether method and path say which operation is meant.
    pub fn is_rest(&self) -> bool {
        self.metadata.protocol.starts_with("rest-")
    }

    /// The name requests are signed for.
    pub fn signing_name(&self) -> &str {
        self.metadata
            .signing_name
            .as_deref()
            .unwrap_or(&self.metadata.endpoint_prefix)
    }
}

/// JSON merge patch: objects are merged, null removes, everything else replaces.
pub fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *into = patch;
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    if let Value::Object(into) = into {
        for (key, value) in patch {
            if value.is_null() {
                into.shift_remove(&key);
            } else {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}
