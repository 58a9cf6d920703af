//! Why a request is not authenticated, in AWS's codes and words.

use thiserror::Error;

use crate::reply::ErrorReply;
use crate::schema::Protocol;

/// An authentication failure. The text is AWS's; code and status depend on the protocol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AuthError {
    /// There is no signature.
    #[error("Request is missing Authentication Token")]
    MissingToken,
    /// There is half a signature, or two.
    #[error("{0}")]
    Incomplete(String),
    /// The signature is for another scope or time, or leaves out a header that it must cover.
    #[error("{0}")]
    Invalid(String),
    /// The signature is not that of this request with this key.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
         Access Key and signing method. Consult the service documentation for details."
    )]
    Mismatch,
    /// The access key or its session token is not known, or not active.
    #[error("The security token included in the request is invalid.")]
    UnknownKey,
    /// The session is over.
    #[error("The security token included in the request is expired")]
    ExpiredToken,
}

impl AuthError {
    /// The error code in this protocol.
    pub fn code(&self, protocol: Protocol) -> &'static str {
        let (json, query) = match self {
            Self::MissingToken => (
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
            ),
            Self::Incomplete(_) => ("IncompleteSignatureException", "IncompleteSignature"),
            Self::Invalid(_) | Self::Mismatch => ("InvalidSignatureException", "SignatureDoesNotMatch"),
            Self::UnknownKey => ("UnrecognizedClientException", "InvalidClientTokenId"),
            Self::ExpiredToken => ("ExpiredTokenException", "ExpiredToken"),
        };
        if protocol.is_json() || protocol == Protocol::RestJson {
            json
        } else {
            query
        }
    }

    /// The HTTP status in this protocol: services of the two JSON forms answer 400 throughout.
    pub fn status(&self, protocol: Protocol) -> u16 {
        match self {
            _ if protocol.is_json() => 400,
            Self::Incomplete(_) => 400,
            _ => 403,
        }
    }

    /// The error to answer. EC2 has one answer for all keys and signatures that are not good.
    pub fn reply(&self, protocol: Protocol) -> ErrorReply {
        if protocol == Protocol::Ec2Query && matches!(self, Self::UnknownKey | Self::Mismatch) {
            let text = "AWS was not able to validate the provided access credentials";
            return ErrorReply::sender("AuthFailure", 401, text);
        }
        if protocol == Protocol::Ec2Query && *self == Self::ExpiredToken {
            return ErrorReply::sender("RequestExpired", 400, "Request has expired.");
        }
        ErrorReply::sender(self.code(protocol), self.status(protocol), self.to_string())
    }
}
