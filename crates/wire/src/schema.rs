//! The description of services, operations and shapes that the generator prints and every codec reads.
//!
//! Services, operations and structures refer to each other in circles, so their `Debug` prints names only.

use std::fmt;
use std::sync::OnceLock;

use regex::Regex;

/// The wire form a service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json10,
    /// AWS JSON 1.1.
    Json11,
    /// AWS query: form in, XML out.
    Query,
    /// EC2's dialect of query.
    Ec2Query,
    /// REST with JSON bodies.
    RestJson,
    /// REST with XML bodies.
    RestXml,
    /// Smithy RPC v2 over CBOR.
    RpcV2Cbor,
}

impl Protocol {
    /// Whether this is one of the two AWS JSON forms.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Json10 | Self::Json11)
    }

    /// Whether requests are forms and answers XML, in one of the two dialects.
    pub const fn is_query(self) -> bool {
        matches!(self, Self::Query | Self::Ec2Query)
    }

    /// Whether method and path say which operation is meant.
    pub const fn is_rest(self) -> bool {
        matches!(self, Self::RestJson | Self::RestXml)
    }
}

/// A service as its model describes it.
pub struct Service {
    /// Short name: `ecs`.
    pub name: &'static str,
    /// The name requests are signed for, which is also the prefix of its IAM actions; services may share it.
    pub signing_name: &'static str,
    /// The wire form.
    pub protocol: Protocol,
    /// Prefix of `X-Amz-Target` before the dot; empty for query services.
    pub target_prefix: &'static str,
    /// `Version=` of query services.
    pub api_version: &'static str,
    /// Namespace of XML answers; empty for JSON services.
    pub xml_namespace: &'static str,
    /// Error code for a request that violates its schema; services differ (`models/served.json`).
    pub validation_code: &'static str,
    /// Names of ALL operations of the model, sorted.
    pub operations: &'static [&'static str],
    /// How each of them is asked for, of REST services; empty for others.
    pub routes: &'static [HttpRoute],
    /// The operations that have shapes here, sorted by name.
    pub served: &'static [&'static OperationMeta],
}

/// How an operation of a REST service is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpRoute {
    /// The operation.
    pub operation: &'static str,
    /// `GET`.
    pub method: &'static str,
    /// `/authorization-details/{authorizationId}`; a label that ends in `+` takes several segments.
    pub path: &'static str,
    /// HTTP status of its answers.
    pub status: u16,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({})", self.name)
    }
}

impl Service {
    /// The model's spelling of an operation name, if the model has it.
    pub fn operation(&self, name: &str) -> Option<&'static str> {
        let index = self.operations.binary_search(&name).ok()?;
        self.operations.get(index).copied()
    }

    /// How an operation of a REST service is asked for.
    pub fn route_of(&self, operation: &str) -> Option<&'static HttpRoute> {
        self.routes.iter().find(|route| route.operation == operation)
    }
}

/// What the model says about one operation.
pub struct OperationMeta {
    /// `CreateCluster`.
    pub name: &'static str,
    /// The service it belongs to.
    pub service: &'static Service,
    /// Schema of the input.
    pub input: &'static Structure,
    /// Schema of the output.
    pub output: &'static Structure,
    /// Element around the output in query answers; `None` when the operation has no output.
    pub result_wrapper: Option<&'static str>,
    /// Errors the model declares.
    pub errors: &'static [&'static ErrorMeta],
    /// The model's `readonly` trait.
    pub readonly: bool,
    /// The model's `idempotent` trait.
    pub idempotent: bool,
    /// Accepted without a signature (`AssumeRoleWithSAML`).
    pub unsigned: bool,
}

impl fmt::Debug for OperationMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperationMeta({}:{})", self.service.name, self.name)
    }
}

/// An error a model declares.
#[derive(Debug, PartialEq, Eq)]
pub struct ErrorMeta {
    /// The code on the wire; differs from the shape's name for query services.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Whether the caller is at fault.
    pub sender_fault: bool,
}

/// The type of a value, with the rules its shape lays down.
#[derive(Debug)]
pub enum Schema {
    /// `true` or `false`.
    Boolean,
    /// 32 bits.
    Integer(Range),
    /// 64 bits.
    Long(Range),
    /// Floating point, `float` and `double` alike.
    Double(Range),
    /// Text, enumerations included.
    String(Text),
    /// An instant.
    Timestamp,
    /// Bytes, base64 on the wire; bounds of their number.
    Blob(Range),
    /// Any JSON value.
    Document,
    /// A sequence.
    List(List),
    /// Text keys to values.
    Map(Map),
    /// A structure; behind a reference since structures may contain themselves.
    Structure(&'static Structure),
}

impl Schema {
    /// A text without rules.
    pub const STRING: Self = Self::String(Text::ANY);
    /// An integer without bounds.
    pub const INTEGER: Self = Self::Integer(Range::ANY);
    /// A long without bounds.
    pub const LONG: Self = Self::Long(Range::ANY);
    /// Bytes without bounds.
    pub const BLOB: Self = Self::Blob(Range::ANY);
    /// A double without bounds.
    pub const DOUBLE: Self = Self::Double(Range::ANY);
}

/// Bounds of a number or of a length, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Smallest value allowed.
    pub min: Option<i64>,
    /// Largest value allowed.
    pub max: Option<i64>,
}

impl Range {
    /// No bounds.
    pub const ANY: Self = Self { min: None, max: None };
}

/// Rules for a text.
#[derive(Debug)]
pub struct Text {
    /// Bounds of the length in characters.
    pub length: Range,
    /// The pattern the whole text must match.
    pub pattern: Option<&'static Pattern>,
    /// The values an enumeration allows; empty when it is no enumeration.
    pub choices: &'static [&'static str],
    /// Never echoed in error texts.
    pub sensitive: bool,
}

impl Text {
    /// A text without rules.
    pub const ANY: Self = Self {
        length: Range::ANY,
        pattern: None,
        choices: &[],
        sensitive: false,
    };
}

/// Rules for a list and its form in query and XML.
#[derive(Debug)]
pub struct List {
    /// The elements.
    pub member: &'static Schema,
    /// Element name in query and XML, `member` unless the model says otherwise.
    pub member_name: &'static str,
    /// Whether query and XML leave the wrapping level out.
    pub flattened: bool,
    /// Bounds of the number of elements.
    pub length: Range,
}

/// Rules for a map and its form in query and XML.
#[derive(Debug)]
pub struct Map {
    /// The keys.
    pub key: &'static Schema,
    /// The values.
    pub value: &'static Schema,
    /// Element name of keys, `key` unless the model says otherwise.
    pub key_name: &'static str,
    /// Element name of values, `value` unless the model says otherwise.
    pub value_name: &'static str,
    /// Whether query and XML leave the `entry` level out.
    pub flattened: bool,
    /// Bounds of the number of entries.
    pub length: Range,
}

/// A structure and its members in model order.
pub struct Structure {
    /// The shape's name in the model.
    pub name: &'static str,
    /// The members; a member's index is its name in generated code.
    pub members: &'static [Member],
}

impl fmt::Debug for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Structure({})", self.name)
    }
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name in the normal form; but for EC2's query protocol also its name on the wire.
    pub name: &'static str,
    /// Its name in forms.
    pub form_name: &'static str,
    /// Its name in XML.
    pub xml_name: &'static str,
    /// Its type.
    pub schema: &'static Schema,
    /// Whether the model requires it.
    pub required: bool,
    /// Where it stands in requests and answers of REST services.
    pub location: Location,
}

/// Where a member of an input or output stands in the request or answer of a REST service. The names are the ones used
/// there, which may differ from the member's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// In the body, beside others.
    #[default]
    Body,
    /// It is the whole body.
    Payload,
    /// In the path, as this label.
    Label(&'static str),
    /// In the query string; a list as one parameter for each element.
    Query(&'static str),
    /// In this header; lower-case.
    Header(&'static str),
    /// It is the HTTP status.
    Status,
}

impl Member {
    /// A member that may be absent.
    pub const fn optional(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            form_name: name,
            xml_name: name,
            schema,
            required: false,
            location: Location::Body,
        }
    }

    /// The same member, standing elsewhere than in the body.
    #[must_use]
    pub const fn at(self, location: Location) -> Self {
        Self { location, ..self }
    }

    /// The same member with names of its own in forms and in XML, as EC2's query protocol has them.
    #[must_use]
    pub const fn called(self, form_name: &'static str, xml_name: &'static str) -> Self {
        Self {
            form_name,
            xml_name,
            ..self
        }
    }

    /// A member that must be present.
    pub const fn required(name: &'static str, schema: &'static Schema) -> Self {
        Self {
            name,
            form_name: name,
            xml_name: name,
            schema,
            required: true,
            location: Location::Body,
        }
    }
}

/// A pattern of the model, compiled at first use.
pub struct Pattern {
    /// The pattern as the model prints it, for error texts.
    pub text: &'static str,
    /// The same in the syntax of the `regex` crate, anchored at both ends; the generator has proved that it compiles.
    regex: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// A pattern with its text and its anchored linear-time form.
    pub const fn new(text: &'static str, regex: &'static str) -> Self {
        Self {
            text,
            regex,
            compiled: OnceLock::new(),
        }
    }

    /// Whether the whole of `value` matches.
    pub fn matches(&self, value: &str) -> bool {
        self.compiled
            .get_or_init(|| Regex::new(self.regex).ok())
            .as_ref()
            .is_some_and(|r| r.is_match(value))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.text)
    }
}
