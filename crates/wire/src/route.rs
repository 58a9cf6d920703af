//! Which operation of which service a request asks for.

use std::borrow::Cow;

use http::request::Parts;

use crate::limits::Excess;
use crate::query::form;
use crate::reply::{ErrorReply, Reply, encode_error};
use crate::request::{Payload, RequestError};
use crate::rest;
use crate::schema::{Protocol, Service};
use crate::sigv4;

/// A request's destination.
#[derive(Clone, Copy, Debug)]
pub struct Route<'r> {
    /// The service.
    pub service: &'static Service,
    /// The operation, one of the service's names; it need not be served.
    pub operation: &'static str,
    /// Where the input stands.
    pub payload: Payload<'r>,
}

/// A request that names no operation we know.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteError {
    protocol: Protocol,
    error: ErrorReply,
}

impl RouteError {
    /// The error.
    pub fn error(&self) -> &ErrorReply {
        &self.error
    }

    /// The answer, in the protocol the request seems to speak.
    pub fn reply(&self, request_id: &str) -> Reply {
        encode_error(&nameless(self.protocol), &self.error, request_id)
    }

    fn unknown_target(text: String) -> Self {
        let error = ErrorReply::sender("UnknownOperationException", 400, text);
        Self {
            protocol: Protocol::Json11,
            error,
        }
    }

    fn query(protocol: Protocol, code: &str, message: impl Into<String>) -> Self {
        Self {
            protocol,
            error: ErrorReply::sender(code, 400, message),
        }
    }
}

/// A service to answer for when it is not known which one was meant.
const fn nameless(protocol: Protocol) -> Service {
    Service {
        name: "",
        signing_name: "",
        protocol,
        target_prefix: "",
        api_version: "",
        xml_namespace: "",
        validation_code: "",
        operations: &[],
        routes: &[],
        served: &[],
    }
}

/// Finds the operation: by `X-Amz-Target`; by method and path of a REST service that the request is signed for;
/// otherwise by `Action` and `Version` of the form.
pub fn route<'r>(
    services: &[&'static Service],
    parts: &'r Parts,
    body: &'r [u8],
) -> Result<Route<'r>, RouteError> {
    match parts.headers.get("x-amz-target") {
        Some(target) => by_target(services, target.to_str().unwrap_or_default(), parts, body),
        None => match by_path(services, parts, body) {
            Some(route) => Ok(route),
            None => by_action(services, parts, body),
        },
    }
}

/// A request without a signature may mean any service: it will be told to sign.
fn by_path<'r>(services: &[&'static Service], parts: &'r Parts, body: &'r [u8]) -> Option<Route<'r>> {
    let signed_for = sigv4::claimed_service(&parts.headers, &parts.uri);
    let rest = services.iter().filter(|service| service.protocol.is_rest());
    let meant = rest.filter(|service| {
        signed_for
            .as_ref()
            .is_none_or(|name| name == service.signing_name)
    });
    let (service, route) = meant
        .filter_map(|service| Some((service, rest::find_route(service, parts)?)))
        .next()?;
    Some(Route {
        service,
        operation: route.operation,
        payload: Payload {
            body,
            parts: Some(parts),
        },
    })
}

fn by_target<'r>(
    services: &[&'static Service],
    target: &str,
    parts: &Parts,
    body: &'r [u8],
) -> Result<Route<'r>, RouteError> {
    let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
    let is_meant = |service: &&&Service| service.protocol.is_json() && service.target_prefix == prefix;
    let service = services.iter().find(is_meant).ok_or_else(|| {
        let named = sigv4::claimed_service(&parts.headers, &parts.uri);
        let named = named.map_or_else(|| prefix.to_owned(), |name| name.to_string());
        RouteError::unknown_target(format!(
            "The service '{named}' is not here (X-Amz-Target '{target}')."
        ))
    })?;
    let unknown = || {
        RouteError::unknown_target(format!(
            "The service '{}' has no operation '{name}'.",
            service.name
        ))
    };
    let operation = service.operation(name).ok_or_else(unknown)?;
    Ok(Route {
        service,
        operation,
        payload: body.into(),
    })
}

fn by_action<'r>(
    services: &[&'static Service],
    parts: &'r Parts,
    body: &'r [u8],
) -> Result<Route<'r>, RouteError> {
    let payload = if body.is_empty() {
        parts.uri.query().unwrap_or_default().as_bytes()
    } else {
        body
    };
    let version = form::find(payload, "Version");
    let protocol = protocol_of_form(services, parts, version.as_deref());
    let missing = || {
        let text = "The request must contain the parameter Action.";
        RouteError::query(protocol, "MissingAction", text)
    };
    let action = form::find(payload, "Action")
        .filter(|action| !action.is_empty())
        .ok_or_else(missing)?;
    let found = services
        .iter()
        .filter(|service| service.protocol.is_query())
        .filter(|service| {
            version
                .as_ref()
                .is_none_or(|version| service.api_version == version)
        })
        .find_map(|service| Some((service, service.operation(&action)?)));
    match found {
        Some((service, operation)) => Ok(Route {
            service,
            operation,
            payload: payload.into(),
        }),
        None => {
            let version = version.unwrap_or(Cow::Borrowed("NO_VERSION_SPECIFIED"));
            let text = format!("Could not find operation {action} for version {version}");
            Err(RouteError::query(protocol, "InvalidAction", text))
        }
    }
}

/// The protocol that a form without an operation seems to speak: that of the service it is signed for, or else of the
/// version it names.
fn protocol_of_form(services: &[&'static Service], parts: &Parts, version: Option<&str>) -> Protocol {
    let forms = || services.iter().filter(|service| service.protocol.is_query());
    let signed_for = sigv4::claimed_service(&parts.headers, &parts.uri);
    let signed = forms().find(|service| {
        signed_for
            .as_ref()
            .is_some_and(|name| name == service.signing_name)
    });
    let versioned = || forms().find(|service| version == Some(service.api_version));
    signed
        .or_else(versioned)
        .map_or(Protocol::Query, |service| service.protocol)
}

/// Refuses a body that is too large to be read, in the protocol that the request's head tells; `None` where it tells none.
pub fn refuse_body(services: &[&'static Service], parts: &Parts, request_id: &str) -> Option<Reply> {
    let target = parts.headers.get("x-amz-target");
    let prefix = target.map(|target| target.to_str().unwrap_or_default().rsplit_once('.'));
    let signed_for = sigv4::claimed_service(&parts.headers, &parts.uri);
    let is_meant = |service: &&&Service| match prefix {
        Some(prefix) => {
            service.protocol.is_json() && prefix.is_some_and(|(prefix, _)| prefix == service.target_prefix)
        }
        None => signed_for
            .as_ref()
            .is_some_and(|name| name == service.signing_name),
    };
    let service = services.iter().find(is_meant)?;
    let error = RequestError::from(Excess::Body).reply(service);
    Some(encode_error(service, &error, request_id))
}
