//! S3's errors: code, status, text. The one table.

use portcullis_blobs::BlobError;
use portcullis_wire::sigv4::{AuthError, ChunkError, UntimelyForS3};
use serde_json::Value;
use thiserror::Error;

use crate::gate::error::ServiceError;

/// An error of S3. The text is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum S3Error {
    #[error("Access Denied")]
    AccessDenied,
    #[error(
        "User: {caller} is not authorized to perform: s3:PutBucketPolicy on resource: \"{bucket}\" because public policies \
         are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
    )]
    PublicPolicyBlocked { caller: String, bucket: String },
    #[error("There were headers present in the request which were not signed")]
    HeadersNotSigned,
    #[error("The specified bucket does not exist")]
    NoSuchBucket(String),
    #[error("The specified key does not exist.")]
    NoSuchKey(String),
    #[error("The specified version does not exist.")]
    NoSuchVersion(String),
    #[error(
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed."
    )]
    NoSuchUpload(String),
    #[error("The bucket policy does not exist")]
    NoSuchBucketPolicy(String),
    #[error("The TagSet does not exist")]
    NoSuchTagSet(String),
    #[error("The public access block configuration was not found")]
    NoSuchPublicAccessBlockConfiguration(String),
    #[error("The bucket ownership controls were not found")]
    OwnershipControlsNotFound(String),
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketAlreadyOwnedByYou(String),
    #[error(
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please \
         select a different name and try again."
    )]
    BucketAlreadyExists(String),
    #[error("The bucket you tried to delete is not empty")]
    BucketNotEmpty(String),
    #[error("The specified bucket is not valid.")]
    InvalidBucketName(String),
    #[error(
        "The {0} location constraint is incompatible for the region specific endpoint this request was sent to."
    )]
    IllegalLocationConstraint(String),
    #[error("The specified location-constraint is not valid")]
    InvalidLocationConstraint(String),
    #[error("Your proposed upload exceeds the maximum allowed size")]
    EntityTooLarge { proposed: u64, max: u64 },
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    EntityTooSmall { proposed: u64, min: u64, part: u32 },
    #[error(
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified \
         entity tag may not match the part's entity tag."
    )]
    InvalidPart { upload_id: String, part: u32 },
    #[error("The list of parts was not in ascending order. Parts must be ordered by part number.")]
    InvalidPartOrder(String),
    #[error("The requested partnumber is not satisfiable")]
    InvalidPartNumber,
    #[error("The requested range is not satisfiable")]
    InvalidRange { requested: String, size: u64 },
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed(&'static str),
    #[error("Not Modified")]
    NotModified,
    #[error("The Content-MD5 you specified did not match what we received.")]
    BadDigest,
    #[error("The {0} you specified did not match the calculated checksum.")]
    BadChecksum(&'static str),
    #[error("The Content-MD5 you specified was invalid.")]
    InvalidDigest,
    #[error("Value for x-amz-checksum-{0} header is invalid.")]
    InvalidChecksum(&'static str),
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch { claimed: String, computed: String },
    #[error("You did not provide the number of bytes specified by the Content-Length HTTP header")]
    IncompleteBody,
    #[error(
        "Your socket connection to the server was not read from or written to within the timeout period. Idle \
         connections will be closed."
    )]
    RequestTimeout,
    #[error("You must provide the Content-Length HTTP header.")]
    MissingContentLength,
    #[error("The XML you provided was not well-formed or did not validate against our published schema")]
    MalformedXml,
    #[error("Your request was too big.")]
    MaxMessageLengthExceeded,
    #[error("{0}")]
    MalformedPolicy(String),
    #[error("Invalid principal in policy")]
    UnknownPrincipal(String),
    #[error("{message}")]
    InvalidArgument {
        message: &'static str,
        name: &'static str,
        value: String,
    },
    #[error("{0}")]
    InvalidRequest(String),
    #[error("{0}")]
    InvalidTag(&'static str),
    #[error("Your key is too long")]
    KeyTooLong(usize),
    #[error("Your metadata headers exceed the maximum allowed metadata size")]
    MetadataTooLarge,
    #[error("The specified method is not allowed against this resource.")]
    MethodNotAllowed,
    #[error("A header you provided implies functionality that is not implemented")]
    NotImplementedHeader(&'static str),
    #[error("The operation {0} is not implemented by this server.")]
    NotImplemented(String),
    #[error(
        "Object ownership other than BucketOwnerEnforced is not implemented by this server: buckets have no ACLs."
    )]
    OwnershipNotImplemented,
    #[error("The bucket does not allow ACLs")]
    AccessControlListNotSupported,
    #[error("The storage class you specified is not valid")]
    InvalidStorageClass,
    #[error("Couldn't parse the specified URI.")]
    InvalidUri,
    #[error("The authorization header is malformed; the region '{given}' is wrong; expecting '{expected}'")]
    WrongRegion { given: String, expected: String },
    #[error("{0}")]
    AuthorizationHeaderMalformed(String),
    #[error("{0}")]
    AuthorizationQueryParameters(String),
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and signing \
         method."
    )]
    SignatureDoesNotMatch,
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    InvalidAccessKeyId(String),
    #[error("The provided token is malformed or otherwise invalid.")]
    InvalidToken,
    #[error("The provided token has expired.")]
    ExpiredToken,
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed,
    #[error("Request has expired")]
    PresignedExpired { expires_seconds: i64 },
    #[error("{message}")]
    Kms { code: &'static str, message: String },
    #[error("The encryption of the bucket changed meanwhile. Please try again.")]
    OperationAborted,
    #[error("No room is left for objects. Make some and try again.")]
    NoRoom,
    #[error("We encountered an internal error. Please try again.")]
    Internal,
}

impl S3Error {
    /// Code and status.
    fn code(&self) -> (&'static str, u16) {
        match self {
            Self::AccessDenied
            | Self::PublicPolicyBlocked { .. }
            | Self::HeadersNotSigned
            | Self::PresignedExpired { .. } => ("AccessDenied", 403),
            Self::NoSuchBucket(_) => ("NoSuchBucket", 404),
            Self::NoSuchKey(_) => ("NoSuchKey", 404),
            Self::NoSuchVersion(_) => ("NoSuchVersion", 404),
            Self::NoSuchUpload(_) => ("NoSuchUpload", 404),
            Self::NoSuchBucketPolicy(_) => ("NoSuchBucketPolicy", 404),
            Self::NoSuchTagSet(_) => ("NoSuchTagSet", 404),
            Self::NoSuchPublicAccessBlockConfiguration(_) => ("NoSuchPublicAccessBlockConfiguration", 404),
            Self::OwnershipControlsNotFound(_) => ("OwnershipControlsNotFoundError", 404),
            Self::BucketAlreadyOwnedByYou(_) => ("BucketAlreadyOwnedByYou", 409),
            Self::BucketAlreadyExists(_) => ("BucketAlreadyExists", 409),
            Self::BucketNotEmpty(_) => ("BucketNotEmpty", 409),
            Self::InvalidBucketName(_) => ("InvalidBucketName", 400),
            Self::IllegalLocationConstraint(_) => ("IllegalLocationConstraintException", 400),
            Self::InvalidLocationConstraint(_) => ("InvalidLocationConstraint", 400),
            Self::EntityTooLarge { .. } => ("EntityTooLarge", 400),
            Self::EntityTooSmall { .. } => ("EntityTooSmall", 400),
            Self::InvalidPart { .. } => ("InvalidPart", 400),
            Self::InvalidPartOrder(_) => ("InvalidPartOrder", 400),
            Self::InvalidPartNumber => ("InvalidPartNumber", 416),
            Self::InvalidRange { .. } => ("InvalidRange", 416),
            Self::PreconditionFailed(_) => ("PreconditionFailed", 412),
            // No error of a client's: the gate's errors begin at 400, and the door turns this one into 304.
            Self::NotModified => ("NotModified", 412),
            Self::BadDigest | Self::BadChecksum(_) => ("BadDigest", 400),
            Self::InvalidDigest => ("InvalidDigest", 400),
            Self::ContentSha256Mismatch { .. } => ("XAmzContentSHA256Mismatch", 400),
            Self::IncompleteBody => ("IncompleteBody", 400),
            Self::RequestTimeout => ("RequestTimeout", 400),
            Self::MissingContentLength => ("MissingContentLength", 411),
            Self::MalformedXml => ("MalformedXML", 400),
            Self::MaxMessageLengthExceeded => ("MaxMessageLengthExceeded", 400),
            Self::MalformedPolicy(_) | Self::UnknownPrincipal(_) => ("MalformedPolicy", 400),
            Self::InvalidArgument { .. } => ("InvalidArgument", 400),
            Self::InvalidRequest(_) | Self::InvalidChecksum(_) => ("InvalidRequest", 400),
            Self::InvalidTag(_) => ("InvalidTag", 400),
            Self::KeyTooLong(_) => ("KeyTooLongError", 400),
            Self::MetadataTooLarge => ("MetadataTooLarge", 400),
            Self::MethodNotAllowed => ("MethodNotAllowed", 405),
            Self::NotImplementedHeader(_) | Self::NotImplemented(_) | Self::OwnershipNotImplemented => {
                ("NotImplemented", 501)
            }
            Self::AccessControlListNotSupported => ("AccessControlListNotSupported", 400),
            Self::InvalidStorageClass => ("InvalidStorageClass", 400),
            Self::InvalidUri => ("InvalidURI", 400),
            Self::WrongRegion { .. } | Self::AuthorizationHeaderMalformed(_) => {
                ("AuthorizationHeaderMalformed", 400)
            }
            Self::AuthorizationQueryParameters(_) => ("AuthorizationQueryParametersError", 400),
            Self::SignatureDoesNotMatch => ("SignatureDoesNotMatch", 403),
            Self::InvalidAccessKeyId(_) => ("InvalidAccessKeyId", 403),
            Self::InvalidToken => ("InvalidToken", 400),
            Self::ExpiredToken => ("ExpiredToken", 400),
            Self::RequestTimeTooSkewed => ("RequestTimeTooSkewed", 403),
            Self::Kms { code, .. } => (code, 400),
            Self::OperationAborted => ("OperationAborted", 409),
            Self::NoRoom => ("ServiceUnavailable", 503),
            Self::Internal => ("InternalError", 500),
        }
    }

    /// What the answer says beside code and text.
    fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NoSuchBucket(name)
            | Self::NoSuchBucketPolicy(name)
            | Self::NoSuchTagSet(name)
            | Self::NoSuchPublicAccessBlockConfiguration(name)
            | Self::OwnershipControlsNotFound(name)
            | Self::BucketAlreadyOwnedByYou(name)
            | Self::BucketAlreadyExists(name)
            | Self::BucketNotEmpty(name)
            | Self::InvalidBucketName(name) => vec![("BucketName", name.clone())],
            Self::NoSuchKey(key) => vec![("Key", key.clone())],
            Self::NoSuchVersion(id) => vec![("VersionId", id.clone())],
            Self::NoSuchUpload(id) | Self::InvalidPartOrder(id) => vec![("UploadId", id.clone())],
            Self::InvalidLocationConstraint(name) => vec![("LocationConstraint", name.clone())],
            Self::EntityTooLarge { proposed, max } => vec![
                ("ProposedSize", proposed.to_string()),
                ("MaxSizeAllowed", max.to_string()),
            ],
            Self::EntityTooSmall { proposed, min, part } => vec![
                ("ProposedSize", proposed.to_string()),
                ("MinSizeAllowed", min.to_string()),
                ("PartNumber", part.to_string()),
            ],
            Self::InvalidPart { upload_id, part } => {
                vec![("UploadId", upload_id.clone()), ("PartNumber", part.to_string())]
            }
            Self::InvalidRange { requested, size } => vec![
                ("RangeRequested", requested.clone()),
                ("ActualObjectSize", size.to_string()),
            ],
            Self::PreconditionFailed(condition) => vec![("Condition", (*condition).to_owned())],
            Self::ContentSha256Mismatch { claimed, computed } => vec![
                ("ClientComputedContentSHA256", claimed.clone()),
                ("S3ComputedContentSHA256", computed.clone()),
            ],
            Self::InvalidArgument { name, value, .. } => {
                vec![
                    ("ArgumentName", (*name).to_owned()),
                    ("ArgumentValue", value.clone()),
                ]
            }
            Self::KeyTooLong(size) => vec![("Size", size.to_string()), ("MaxSizeAllowed", "1024".to_owned())],
            Self::UnknownPrincipal(principal) => vec![("Detail", format!("\"AWS\" : \"{principal}\""))],
            Self::NotImplementedHeader(name) => vec![("Header", (*name).to_owned())],
            Self::WrongRegion { expected, .. } => vec![("Region", expected.clone())],
            Self::InvalidAccessKeyId(id) => vec![("AWSAccessKeyId", id.clone())],
            Self::PresignedExpired { expires_seconds } => {
                vec![("X-Amz-Expires", expires_seconds.to_string())]
            }
            _ => Vec::new(),
        }
    }

    /// Why a signature is not taken.
    pub(super) fn of_auth(error: &AuthError, presigned: bool, access_key_id: &str) -> Self {
        match error {
            AuthError::MissingToken => Self::AccessDenied,
            AuthError::Incomplete(text) if presigned => Self::AuthorizationQueryParameters(text.clone()),
            AuthError::Incomplete(text) => Self::AuthorizationHeaderMalformed(text.clone()),
            AuthError::Invalid(text) if text.contains("must be a 'SignedHeader'") => Self::HeadersNotSigned,
            AuthError::Invalid(text) if presigned => Self::AuthorizationQueryParameters(text.clone()),
            AuthError::Invalid(text) => Self::AuthorizationHeaderMalformed(text.clone()),
            AuthError::Mismatch => Self::SignatureDoesNotMatch,
            AuthError::UnknownKey => Self::InvalidAccessKeyId(access_key_id.to_owned()),
            AuthError::ExpiredToken => Self::ExpiredToken,
        }
    }
}

impl From<S3Error> for ServiceError {
    fn from(error: S3Error) -> Self {
        let (code, status) = error.code();
        let made = Self::new(code, status, error.to_string());
        let with = |made: Self, (name, value)| made.with_field(name, Value::String(value));
        error.fields().into_iter().fold(made, with)
    }
}

impl From<UntimelyForS3> for S3Error {
    fn from(error: UntimelyForS3) -> Self {
        match error {
            UntimelyForS3::TooSkewed => Self::RequestTimeTooSkewed,
            UntimelyForS3::Expired { expires_seconds } => Self::PresignedExpired { expires_seconds },
        }
    }
}

impl From<ChunkError> for S3Error {
    fn from(error: ChunkError) -> Self {
        match error {
            ChunkError::Mismatch => Self::SignatureDoesNotMatch,
            ChunkError::Malformed | ChunkError::Incomplete => Self::IncompleteBody,
        }
    }
}

impl From<BlobError> for S3Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::NoSpace => Self::NoRoom,
            error => {
                tracing::error!(%error, "the bytes of an object could not be kept or read");
                Self::Internal
            }
        }
    }
}
