//! SCIM 2.0 (RFC 7643, RFC 7644): an identity provider keeps the account's users and groups. Every request becomes the
//! IAM calls it stands for, made as the user its token belongs to: the gate decides them and CloudTrail records them.

mod about;
mod away;
mod desk;
mod directory;
mod errors;
mod groups;
mod leaving;
mod patch;
mod person;
mod reading;
mod team;
pub(crate) mod token;
mod users;

use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::Value;

use crate::accounts::Accounts;
use crate::gate::Peer;
use desk::Desk;
use errors::ScimError;
use reading::Query;

/// Where it is served.
const BASE: &str = "/scim/v2";

/// Whether a request is one of SCIM's.
pub(crate) fn is_for(path: &str) -> bool {
    path.strip_prefix(BASE)
        .is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// What a request comes to.
enum Answer {
    /// The resource or list.
    Found(Value),
    /// A new resource.
    Created(Value),
    /// Nothing is left to show.
    Gone,
}

/// Serves one request.
pub(crate) async fn serve(
    accounts: &Accounts,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
) -> Response<Full<Bytes>> {
    match answer(accounts, parts, body, peer).await {
        Ok(answer) => respond(answer),
        Err(error) => refuse(&error),
    }
}

async fn answer(accounts: &Accounts, parts: &Parts, body: &[u8], peer: Peer) -> Result<Answer, ScimError> {
    let (doors, caller) = token::authenticate(accounts, parts)?;
    let desk = Desk::new(&doors.gate, caller, parts, peer);
    let query = Query::read(parts.uri.query().unwrap_or_default())?;
    let below = parts.uri.path().strip_prefix(BASE).unwrap_or_default();
    let path: Vec<&str> = below.split('/').filter(|part| !part.is_empty()).collect();
    let answer = route(&desk, &parts.method, &path, &query, body).await?;
    Ok(match answer {
        Answer::Found(value) => Answer::Found(query.shown(value)),
        Answer::Created(value) => Answer::Created(query.shown(value)),
        Answer::Gone => Answer::Gone,
    })
}

async fn route(
    desk: &Desk<'_>,
    method: &Method,
    path: &[&str],
    query: &Query,
    body: &[u8],
) -> Result<Answer, ScimError> {
    let body = || reading::object(body);
    let answer = match (method.as_str(), path) {
        ("GET", ["Users"]) => Answer::Found(directory::list::<person::Found>(desk, query).await?),
        ("POST", ["Users"]) => Answer::Created(directory::create::<person::Found>(desk, &body()?).await?),
        ("GET", ["Users", id]) => Answer::Found(directory::get::<person::Found>(desk, id).await?),
        ("PUT", ["Users", id]) => {
            Answer::Found(directory::replace::<person::Found>(desk, id, &body()?).await?)
        }
        ("PATCH", ["Users", id]) => {
            Answer::Found(directory::patch::<person::Found>(desk, id, &body()?).await?)
        }
        ("DELETE", ["Users", id]) => {
            users::delete(desk, id).await?;
            Answer::Gone
        }
        ("GET", ["Groups"]) => Answer::Found(directory::list::<team::Found>(desk, query).await?),
        ("POST", ["Groups"]) => Answer::Created(directory::create::<team::Found>(desk, &body()?).await?),
        ("GET", ["Groups", id]) => Answer::Found(directory::get::<team::Found>(desk, id).await?),
        ("PUT", ["Groups", id]) => {
            Answer::Found(directory::replace::<team::Found>(desk, id, &body()?).await?)
        }
        ("PATCH", ["Groups", id]) => {
            Answer::Found(directory::patch::<team::Found>(desk, id, &body()?).await?)
        }
        ("DELETE", ["Groups", id]) => {
            groups::delete(desk, id).await?;
            Answer::Gone
        }
        ("GET", path) => Answer::Found(about::document(desk, path)?),
        (_, ["Users" | "Groups"] | ["Users" | "Groups", _]) => return Err(ScimError::method()),
        (_, path) => match about::document(desk, path) {
            Ok(_) => return Err(ScimError::method()),
            Err(error) => return Err(error),
        },
    };
    Ok(answer)
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let (status, value) = match answer {
        Answer::Found(value) => (StatusCode::OK, value),
        Answer::Created(value) => (StatusCode::CREATED, value),
        Answer::Gone => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        }
    };
    let location = value.pointer("/meta/location").and_then(Value::as_str);
    let location = location.and_then(|location| HeaderValue::from_str(location).ok());
    let mut response = json(status, &value);
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn refuse(error: &ScimError) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = json(status, &error.body());
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer realm=\"scim\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

fn json(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/scim+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
