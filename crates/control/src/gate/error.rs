//! What a refused or failed call answers.

use std::borrow::Cow;
use std::fmt;

use portcullis_store::StoreError;
use portcullis_wire::{ErrorReply, Protocol, Service};

/// What services say of a failure of their own.
const FAILED: &str = "An error occurred on the server side.";

/// An error of a service: AWS's code, status and text. Services keep theirs in one enum each that turns into this.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceError {
    code: Cow<'static, str>,
    status: u16,
    message: String,
    fields: Vec<(&'static str, serde_json::Value)>,
    authorization_id: Option<Box<str>>,
    trespass: Option<Box<str>>,
    is_out_of_room: bool,
}

impl ServiceError {
    /// An error with AWS's code, HTTP status (400 to 599) and text.
    pub fn new(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            status: status.clamp(400, 599),
            message: message.into(),
            fields: Vec::new(),
            authorization_id: None,
            trespass: None,
            is_out_of_room: false,
        }
    }

    /// An error the protocol layer worded.
    pub fn from_reply(reply: ErrorReply) -> Self {
        Self {
            code: Cow::Owned(reply.code),
            status: reply.status,
            message: reply.message,
            fields: reply.fields,
            authorization_id: None,
            trespass: None,
            is_out_of_room: false,
        }
    }

    /// Adds a member beside the message, such as `resourceIds`.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: serde_json::Value) -> Self {
        self.fields.push((name, value));
        self
    }

    /// A call its caller may not make, with the code and status of the service's protocol (R176).
    pub fn access_denied(service: &Service, message: String) -> Self {
        match service.protocol {
            Protocol::Query | Protocol::RestXml => Self::new("AccessDenied", 403, message),
            Protocol::RestJson => Self::new("AccessDeniedException", 403, message),
            Protocol::Ec2Query => Self::new("UnauthorizedOperation", 403, message),
            _ => Self::new("AccessDeniedException", 400, message),
        }
    }

    /// The same refusal of a caller who acted for something that belongs to somebody else.
    #[must_use]
    pub(super) fn trespassing(mut self, resource: &str) -> Self {
        self.trespass = Some(resource.into());
        self
    }

    /// The ARN of what a refused caller acted for although it belongs to somebody else.
    pub(crate) fn trespass(&self) -> Option<&str> {
        self.trespass.as_deref()
    }

    /// The same refusal, telling where its caller finds the whole explanation (R174).
    #[must_use]
    pub(super) fn with_authorization_id(mut self, region: &str, id: &str) -> Self {
        let message = self.message.strip_suffix('.').unwrap_or(&self.message);
        self.message = portcullis_policy::with_authorization_id(message, region, id);
        self.authorization_id = Some(id.into());
        self
    }

    /// Under which id its caller can find the whole explanation.
    pub(crate) fn authorization_id(&self) -> Option<&str> {
        self.authorization_id.as_deref()
    }

    /// A refusal of EC2 in EC2's words, with what sts:DecodeAuthorizationMessage decodes (R177). AWS says nothing of the
    /// resource and encodes nothing where the action has none.
    #[must_use]
    pub(super) fn in_ec2s_words(mut self, encoded: Option<&str>) -> Self {
        self.message = match encoded {
            Some(encoded) => portcullis_policy::with_encoded_message(&self.message, encoded),
            None => {
                let text = self.message.replacen(" on resource: *", "", 1);
                format!("You are not authorized to perform this operation. {text}")
            }
        };
        self
    }

    /// The call is well-formed but this server does not have the operation.
    pub fn unsupported(service: &Service, operation: &str) -> Self {
        let text = format!("The operation {operation} is not supported by this server.");
        match (service.name, service.protocol) {
            ("ecs", _) => Self::new("UnsupportedFeatureException", 400, text),
            ("cloudtrail" | "kms", _) => Self::new("UnsupportedOperationException", 400, text),
            ("organizations", _) => Self::new("UnsupportedAPIEndpointException", 400, text),
            // As AWS answers where nobody has enabled root sessions in an organization.
            ("sts", _) if operation == "AssumeRoot" => {
                let text = "Centralized root access is not enabled: AssumeRoot cannot be called.";
                Self::new("AccessDenied", 403, text)
            }
            (_, Protocol::Ec2Query) => Self::new("UnsupportedOperation", 400, text),
            (_, Protocol::Query) => Self::new("InvalidAction", 400, text),
            _ => Self::new("UnknownOperationException", 400, text),
        }
    }

    /// The server failed; the cause is in its log, not in the answer.
    pub fn internal(service: &Service) -> Self {
        match (service.name, service.protocol) {
            ("ecs", _) => Self::new(
                "ServerException",
                500,
                "Service Unavailable. Please try again later.",
            ),
            ("organizations", _) => Self::new(
                "ServiceException",
                500,
                "AWS Organizations can't complete your request because of an internal service error. Try again later.",
            ),
            ("kms", _) => Self::new(
                "KMSInternalException",
                500,
                "An internal error occurred; try again.",
            ),
            ("ecr", _) => Self::new("ServerException", 500, FAILED),
            ("secretsmanager", _) => Self::new("InternalServiceError", 500, FAILED),
            ("ssm", _) => Self::new("InternalServerError", 500, FAILED),
            ("logs", _) => Self::new(
                "ServiceUnavailableException",
                503,
                "The service cannot complete the request.",
            ),
            ("iam", _) => Self::new(
                "ServiceFailure",
                500,
                "The request processing has failed because of an internal error.",
            ),
            (_, Protocol::Ec2Query) => Self::new("InternalError", 500, "An internal error has occurred"),
            (_, Protocol::RestXml) => Self::new(
                "InternalError",
                500,
                "We encountered an internal error. Please try again.",
            ),
            (_, Protocol::Query) => Self::new(
                "InternalFailure",
                500,
                "The request processing has failed because of an internal error.",
            ),
            _ => Self::new(
                "InternalServerException",
                500,
                "The request processing has failed because of an internal error.",
            ),
        }
    }

    /// A change that the store did not keep.
    pub(crate) fn not_kept(service: &Service, cause: &StoreError) -> Self {
        let error = Self::internal(service);
        match cause {
            StoreError::DiskFull => error.out_of_room(),
            _ => error,
        }
    }

    /// The same failure, for want of room on the server's disk.
    #[must_use]
    pub(crate) fn out_of_room(mut self) -> Self {
        self.is_out_of_room = true;
        self
    }

    /// Whether the server's disk is full. AWS's protocols have no word for it; that of registries has a status.
    pub(crate) fn is_out_of_room(&self) -> bool {
        self.is_out_of_room
    }

    /// AWS's error code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The text the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The code CloudTrail shows of other services than EC2: `AccessDenied` for all (cloudtrail-and-access-advisor 5.5).
    pub fn recorded_code(&self) -> &str {
        if self.is_access_denied() {
            "AccessDenied"
        } else {
            &self.code
        }
    }

    /// Whether this is a refusal of the gate.
    pub fn is_access_denied(&self) -> bool {
        matches!(
            self.code.as_ref(),
            "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation"
        )
    }

    pub(crate) fn reply(&self) -> ErrorReply {
        ErrorReply {
            code: self.code.to_string(),
            status: self.status,
            message: self.message.clone(),
            sender_fault: self.status < 500,
            fields: self.fields.clone(),
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ServiceError {}
