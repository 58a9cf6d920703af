//! REST services: method and path name the operation; labels, query string, headers and body hold its members, each
//! where its schema says ([`Location`](crate::schema::Location)). Bodies are JSON.

mod path;
mod read;
mod write;

use http::request::Parts;

use crate::schema::{HttpRoute, Schema, Service};

pub(crate) use read::{read_input, read_output};
pub(crate) use write::{place_input, place_output};

/// The operation of this service that method and path ask for. If several paths fit, the one with the most literal
/// segments.
pub(crate) fn find_route(service: &'static Service, parts: &Parts) -> Option<&'static HttpRoute> {
    let fits = |route: &&HttpRoute| {
        parts.method.as_str() == route.method && path::labels(route.path, parts.uri.path()).is_some()
    };
    service
        .routes
        .iter()
        .filter(fits)
        .max_by_key(|route| path::literals(route.path))
}

/// The schema of the elements of a list; other values are one element.
fn element_of(schema: &'static Schema) -> &'static Schema {
    match schema {
        Schema::List(list) => list.member,
        other => other,
    }
}
