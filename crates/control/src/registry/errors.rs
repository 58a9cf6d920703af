//! What the registry refuses, in the words of the OCI distribution specification and of ECR. Every code and status is here.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use portcullis_blobs::BlobError;
use serde_json::json;

use crate::events::Body;
use crate::gate::error::ServiceError;

/// The codes of error bodies, with their statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// Nobody's token.
    Unauthorized,
    /// Somebody's broken token.
    BadToken,
    Denied,
    NameInvalid,
    NameUnknown,
    TagInvalid,
    ManifestInvalid,
    ManifestUnknown,
    ManifestTooLarge,
    ManifestBlobUnknown,
    /// The image is listed by another one.
    ManifestInUse,
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    /// A part that does not go on where the upload ends.
    RangeInvalid,
    DigestInvalid,
    SizeInvalid,
    LayerTooLarge,
    Unsupported,
    NoSuchPage,
    TooManyRequests,
    NoSpace,
    Unavailable,
    Internal,
}

impl Code {
    fn of(self) -> (u16, &'static str) {
        match self {
            Self::Unauthorized => (401, "UNAUTHORIZED"),
            Self::BadToken => (400, "DENIED"),
            Self::Denied | Self::ManifestInUse => (403, "DENIED"),
            Self::NameInvalid => (400, "NAME_INVALID"),
            Self::NameUnknown => (404, "NAME_UNKNOWN"),
            Self::TagInvalid => (400, "TAG_INVALID"),
            Self::ManifestInvalid => (400, "MANIFEST_INVALID"),
            Self::ManifestUnknown => (404, "MANIFEST_UNKNOWN"),
            Self::ManifestTooLarge => (413, "MANIFEST_INVALID"),
            Self::ManifestBlobUnknown => (404, "MANIFEST_BLOB_UNKNOWN"),
            Self::BlobUnknown => (404, "BLOB_UNKNOWN"),
            Self::BlobUploadInvalid => (400, "BLOB_UPLOAD_INVALID"),
            Self::BlobUploadUnknown => (404, "BLOB_UPLOAD_UNKNOWN"),
            Self::RangeInvalid => (416, "BLOB_UPLOAD_INVALID"),
            Self::DigestInvalid => (400, "DIGEST_INVALID"),
            Self::SizeInvalid => (400, "SIZE_INVALID"),
            Self::LayerTooLarge => (413, "SIZE_INVALID"),
            Self::Unsupported => (405, "UNSUPPORTED"),
            Self::NoSuchPage => (404, "UNSUPPORTED"),
            Self::TooManyRequests => (429, "TOOMANYREQUESTS"),
            Self::NoSpace => (507, "UNKNOWN"),
            Self::Unavailable => (503, "UNKNOWN"),
            Self::Internal => (500, "UNKNOWN"),
        }
    }
}

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    message: String,
    headers: Vec<(HeaderName, String)>,
}

impl Refusal {
    /// A refusal with its text.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Whoever asks brings no token, or not in a form the registry knows.
    pub fn unauthorized(realm: &str) -> Self {
        let challenge = format!("Basic realm=\"{realm}\",service=\"ecr.amazonaws.com\"");
        Self::new(Code::Unauthorized, "Not Authorized").with(header::WWW_AUTHENTICATE, challenge)
    }

    /// A digest, or something in its place.
    pub fn digest() -> Self {
        Self::new(
            Code::DigestInvalid,
            "The digest is not `sha256:` and 64 hexadecimal digits.",
        )
    }

    /// A method that nothing is done with here.
    pub fn unsupported() -> Self {
        Self::new(Code::Unsupported, "The operation is unsupported.")
    }

    /// A path that means nothing here.
    pub fn no_such_page() -> Self {
        Self::new(Code::NoSuchPage, "There is nothing under this path.")
    }

    /// No such upload.
    pub fn no_upload() -> Self {
        Self::new(
            Code::BlobUploadUnknown,
            "The upload does not exist: begin another one.",
        )
    }

    /// Whether there is no such upload.
    pub fn is_no_upload(&self) -> bool {
        self.code == Code::BlobUploadUnknown
    }

    /// The disk is full: of bytes, or of rows that say what they are.
    fn no_room() -> Self {
        Self::new(Code::NoSpace, "No room is left for images.")
    }

    /// What ECR answered; `invalid` says what it is about when a parameter is not as it must be.
    pub fn of_ecr(error: &ServiceError, invalid: Code) -> Self {
        if error.is_out_of_room() {
            return Self::no_room();
        }
        let code = match error.code() {
            _ if error.is_access_denied() => Code::Denied,
            "UnableToGetUpstreamImageException" => Code::Denied,
            "RepositoryNotFoundException" => Code::NameUnknown,
            "ImageNotFoundException" => Code::ManifestUnknown,
            "ReferencedImagesNotFoundException" => Code::ManifestBlobUnknown,
            "LayersNotFoundException" if invalid == Code::ManifestInvalid => Code::ManifestBlobUnknown,
            "LayersNotFoundException" | "LayerInaccessibleException" => Code::BlobUnknown,
            "UploadNotFoundException" => Code::BlobUploadUnknown,
            "InvalidLayerPartException" => Code::RangeInvalid,
            "EmptyUploadException" => Code::BlobUploadInvalid,
            "InvalidLayerException" | "ImageDigestDoesNotMatchException" => Code::DigestInvalid,
            "ImageTagAlreadyExistsException" => Code::TagInvalid,
            "ThrottlingException" | "LimitExceededException" => Code::TooManyRequests,
            "ServerException" => Code::Internal,
            _ => invalid,
        };
        Self::new(code, error.message())
    }

    /// What the blob store answered.
    pub fn of_blobs(error: &BlobError) -> Self {
        match error {
            BlobError::NoUpload => Self::no_upload(),
            BlobError::WrongOffset { length } => Self::new(
                Code::RangeInvalid,
                format!("The upload holds {length} bytes: the next part goes on from there."),
            ),
            BlobError::WrongDigest { actual } => Self::new(
                Code::DigestInvalid,
                format!("The bytes that were uploaded have the digest {actual}."),
            ),
            BlobError::NoSpace => Self::no_room(),
            BlobError::TooLarge { .. } | BlobError::Io(_) => {
                tracing::error!(%error, "the blob store failed");
                Self::new(Code::Internal, "The image's bytes cannot be kept or read.")
            }
        }
    }

    /// The answer.
    pub fn respond(self) -> Response<Body> {
        let (status, code) = self.code.of();
        let is_nobody = self.code == Code::Unauthorized;
        let (kind, body) = match is_nobody {
            true => ("text/plain; charset=utf-8", "Not Authorized\n".to_owned()),
            false => {
                let error = json!({ "code": code, "message": self.message });
                ("application/json", json!({ "errors": [error] }).to_string())
            }
        };
        let mut response = Response::new(Body::Whole(Full::new(Bytes::from(body))));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
        response
    }
}
