//! What the ways in below `/portcullis/` have in common: signed and answered like AWS's, ours and no part of an AWS protocol.

use http::{HeaderValue, Response, header};
use http_body_util::Full;
use hyper::body::Bytes;
use portcullis_wire::{Protocol, Service, encode_error};
use serde_json::Value;

use super::error::ServiceError;

/// What requests for these operations are signed for: a name that no service of AWS has.
pub(crate) const fn service(operations: &'static [&'static str]) -> Service {
    Service {
        name: "portcullis",
        signing_name: "portcullis",
        protocol: Protocol::RestJson,
        target_prefix: "",
        api_version: "2026-11-22",
        xml_namespace: "",
        validation_code: "ValidationException",
        operations,
        routes: &[],
        served: &[],
    }
}

/// An answer, or why there is none.
pub(crate) fn answered(
    answer: Result<Value, ServiceError>,
    service: &Service,
    request_id: &str,
) -> Response<Full<Bytes>> {
    let value = match answer {
        Ok(value) => value,
        Err(error) => return refused(&error, service, request_id),
    };
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Why there is no answer.
pub(crate) fn refused(error: &ServiceError, service: &Service, request_id: &str) -> Response<Full<Bytes>> {
    let reply = encode_error(service, &error.reply(), request_id);
    Response::<Vec<u8>>::from(reply).map(|body| Full::new(Bytes::from(body)))
}

/// What is wrong with a request.
pub(crate) fn invalid(text: &str) -> ServiceError {
    ServiceError::new("ValidationException", 400, text)
}

/// A cluster's name, or an ARN's name; the ARN's account and region are those of the caller's signature in any case.
pub(crate) fn cluster_name(text: &str) -> Result<String, ServiceError> {
    let name = text.rsplit('/').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=255).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(name.to_owned());
    }
    Err(invalid("cluster must be the name or the ARN of a cluster"))
}
