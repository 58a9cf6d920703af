//! The door of container engines: the OCI distribution API under `/v2/`, as ECR speaks it. Every request becomes operations
//! of ECR, made as the identity of its token: the gate decides them and CloudTrail records them. Bytes are streamed both ways.

mod answer;
mod collect;
mod desk;
mod errors;
mod layers;
mod lists;
mod manifests;
mod path;
mod public;
mod receive;
mod uploads;

pub(crate) use collect::run;
pub use collect::sweep;

use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::{Body as HttpBody, Bytes};

use crate::accounts::Accounts;
use crate::events::Body;
use crate::gate::Peer;
use crate::services::ecr::for_registry::tickets;
use desk::{Bearer, Desk};
use errors::Refusal;
use path::{BASE, Target, Wanted};
use receive::Incoming;

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Whether a request is one of a container engine, or for a layer's bytes.
pub fn is_for(path: &str) -> bool {
    let below = path.strip_prefix(BASE);
    below.is_some_and(|below| below.is_empty() || below.starts_with('/')) || path.starts_with(tickets::PATH)
}

/// Serves one request.
pub async fn serve<B>(accounts: &Accounts, request: Request<B>, peer: Peer) -> Response<Body>
where
    B: HttpBody<Data = Bytes, Error: std::fmt::Display> + Send + Unpin,
{
    let served = answer(accounts, request, peer).await;
    let mut response = served.unwrap_or_else(Refusal::respond);
    let version = HeaderValue::from_static("registry/2.0");
    response.headers_mut().insert(API_VERSION, version);
    response
}

async fn answer(
    accounts: &Accounts,
    request: Request<impl Incoming>,
    peer: Peer,
) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with(tickets::PATH) {
        return layers::ticketed(accounts, &parts).await;
    }
    if public::is_asked_in_vain(accounts, &parts) {
        return Err(Refusal::no_such_page());
    }
    if public::is_for(accounts, &parts) {
        return public::answer(accounts, &parts, &peer).await;
    }
    let bearer = Bearer::of(accounts, &parts, &peer)?;
    let wanted = Wanted::read(parts.uri.path())?;
    if wanted.target == Target::Ping {
        return Ok(ping());
    }
    let desk = Desk::new(accounts, bearer, &wanted, &parts, peer)?;
    route(&desk, wanted.target, body).await
}

/// There is a registry.
fn ping() -> Response<Body> {
    let kind = (header::CONTENT_TYPE, "application/json");
    answer::with(StatusCode::OK, Bytes::from_static(b"{}"), &[kind])
}

async fn route(desk: &Desk<'_>, target: Target, body: impl Incoming) -> Result<Response<Body>, Refusal> {
    let method = &desk.parts.method;
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match target {
        Target::Catalog if reads => lists::catalog(desk).await,
        Target::Tags { name } if reads => lists::tags(desk, &name).await,
        Target::Referrers { name, digest } if reads => lists::referrers(desk, &name, &digest).await,
        Target::Blob { name, digest } if reads => layers::get(desk, &name, &digest).await,
        Target::Manifest { name, reference } => match *method {
            Method::GET | Method::HEAD => manifests::get(desk, &name, &reference).await,
            Method::PUT => manifests::put(desk, &name, &reference, body).await,
            Method::DELETE => manifests::delete(desk, &name, &reference).await,
            _ => Err(Refusal::unsupported()),
        },
        Target::Uploads { name } if *method == Method::POST => uploads::begin(desk, &name, body).await,
        Target::Upload { name, id } => match *method {
            Method::GET | Method::HEAD => uploads::status(desk, &name, &id).await,
            Method::PATCH => uploads::patch(desk, &name, &id, body).await,
            Method::PUT => uploads::put(desk, &name, &id, body).await,
            Method::DELETE => uploads::cancel(desk, &name, &id).await,
            _ => Err(Refusal::unsupported()),
        },
        // ECR removes layers by itself when no image needs them any more.
        _ => Err(Refusal::unsupported()),
    }
}
