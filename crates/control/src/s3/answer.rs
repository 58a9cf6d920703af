//! S3's answers.

use futures_util::stream::BoxStream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::xml::Element;
use crate::events::Body;
use crate::gate::error::ServiceError;

/// Ours: what is refused to HEAD has no body that could say it.
const AUTHORIZATION_ID: &str = "x-portcullis-authorization-id";

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// An answer.
pub(super) struct Answer {
    pub status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
}

enum Content {
    Nothing,
    Whole(Bytes),
    Stream(u64, BoxStream<'static, Bytes>),
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({})", self.status)
    }
}

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Nothing,
        }
    }

    /// 204
    pub(super) fn no_content() -> Self {
        Self::empty(StatusCode::NO_CONTENT)
    }

    /// An XML document.
    pub(super) fn xml(document: &Element) -> Self {
        let text = format!("{DECLARATION}{document}");
        let mut answer = Self::whole(text);
        answer.add("content-type", "application/xml");
        answer
    }

    /// A body that is there.
    pub(super) fn whole(text: impl Into<Bytes>) -> Self {
        Self {
            content: Content::Whole(text.into()),
            ..Self::empty(StatusCode::OK)
        }
    }

    /// A body that is read as it is sent.
    pub(super) fn stream(length: u64, parts: BoxStream<'static, Bytes>) -> Self {
        Self {
            content: Content::Stream(length, parts),
            ..Self::empty(StatusCode::OK)
        }
    }

    /// Adds a header; one that HTTP cannot carry is left out.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value.as_bytes())) {
            self.headers.retain(|(known, _)| *known != name);
            self.headers.push((name, value));
        }
    }

    /// The same with a header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.add(name, value);
        self
    }

    /// The answer to an error.
    pub(super) fn error(error: &ServiceError, resource: &str, request_id: &str) -> Self {
        if error.code() == "NotModified" {
            return Self::empty(StatusCode::NOT_MODIFIED);
        }
        let mut document = Element::new("Error")
            .text("Code", error.code())
            .text("Message", error.message());
        for (name, value) in &error.reply().fields {
            document = document.text(name, value.as_str().unwrap_or_default());
        }
        let document = document
            .text("Resource", resource)
            .text("RequestId", request_id)
            .text("HostId", request_id);
        let mut answer = Self::xml(&document);
        answer.status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(id) = error.authorization_id() {
            answer.add(AUTHORIZATION_ID, id);
        }
        answer
    }

    /// The response; one to HEAD has the headers of its body and no body.
    pub(super) fn response(self, method: &Method, request_id: &str) -> Response<Body> {
        let is_head = method == Method::HEAD;
        let length = match &self.content {
            Content::Nothing => 0,
            Content::Whole(bytes) => bytes.len() as u64,
            Content::Stream(length, _) => *length,
        };
        let has_body = !matches!(self.content, Content::Nothing);
        let body = match self.content {
            Content::Whole(bytes) if !is_head => Body::from(Full::new(bytes)),
            Content::Stream(_, parts) if !is_head => Body::Parts(parts),
            _ => Body::from(Full::default()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(
            self.headers
                .into_iter()
                .map(|(name, value)| (Some(name), value))
                .filter_map(|(name, value)| Some((name?, value))),
        );
        // What is refused to HEAD has no length: its body is not there at all.
        let is_refusal = is_head && self.status.is_client_error();
        if has_body && !is_refusal {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        if is_refusal {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert("x-amz-request-id", id.clone());
            headers.insert("x-amz-id-2", id);
        }
        headers.insert(http::header::SERVER, HeaderValue::from_static("AmazonS3"));
        response
    }
}
