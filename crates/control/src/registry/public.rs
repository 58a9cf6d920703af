//! Images of ECR Public, `public.ecr.aws/ALIAS/NAME`: passed on as they come from the registry that an operator named for
//! them, and kept nowhere. On AWS anybody reads them; here everybody does who has a token of this server, and needs no
//! permission, so that strangers have nothing sent for.

use http::request::Parts;
use http::{Method, Response, StatusCode, header};
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use portcullis_blobs::Digest;
use portcullis_core::AccountId;

use super::answer::{self, CONTENT_DIGEST};
use super::desk::Bearer;
use super::errors::{Code, Refusal};
use super::manifests::{DEFAULT_TYPE, Reference};
use super::path::{self, Registry, Target};
use super::{layers, ping};
use crate::accounts::Accounts;
use crate::events::Body;
use crate::gate::Peer;
use crate::upstream::{ECR_PUBLIC, Failed, LAYER_BYTES_MAX, Place, Session, Upstream, Upstreams, passed_on};

/// Whether a request is for ECR Public: by its path, on a server that was told where that is. Repositories of the same name
/// are found under their registry's own.
pub(super) fn is_for(accounts: &Accounts, parts: &Parts) -> bool {
    let named = parts
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    path::of_ecr_public(parts.uri.path()).is_some()
        && named.and_then(Registry::named).is_none()
        && accounts.first().gate.upstreams().get(ECR_PUBLIC).is_some()
}

/// Whether a request asks a server where ECR Public is that was not told so. Agents ask that without a token, to know who
/// pulls.
pub(super) fn is_asked_in_vain(accounts: &Accounts, parts: &Parts) -> bool {
    path::of_ecr_public(parts.uri.path()) == Some("/")
        && accounts.first().gate.upstreams().get(ECR_PUBLIC).is_none()
}

/// Serves one request.
pub(super) async fn answer(
    accounts: &Accounts,
    parts: &Parts,
    peer: &Peer,
) -> Result<Response<Body>, Refusal> {
    let bearer = Bearer::of(accounts, parts, peer)?;
    let upstreams = accounts.first().gate.upstreams();
    let upstream = upstreams.get(ECR_PUBLIC).ok_or_else(Refusal::unsupported)?;
    let below = path::of_ecr_public(parts.uri.path()).unwrap_or_default();
    let is_head = parts.method == Method::HEAD;
    if !is_head && parts.method != Method::GET {
        return Err(Refusal::unsupported());
    }
    let below = percent_decode_str(below).decode_utf8_lossy();
    let target = Target::read(below.strip_prefix('/').unwrap_or_default())?;
    if target == Target::Ping {
        return Ok(ping());
    }
    let place = place(upstreams, bearer.account())?;
    match target {
        Target::Manifest { name, reference } => {
            let reference = Reference::read(&reference)?;
            manifest(upstream, &name, &reference, is_head).await
        }
        Target::Blob { name, digest } => {
            let digest = digest.parse().map_err(|_| Refusal::digest())?;
            layer(upstream, place, &name, &digest, is_head).await
        }
        _ => Err(Refusal::unsupported()),
    }
}

async fn manifest(
    upstream: &Upstream,
    name: &str,
    reference: &Reference,
    is_head: bool,
) -> Result<Response<Body>, Refusal> {
    let mut session = Session::new(upstream, name, None);
    let found = session.manifest(&reference.text()).await;
    let found = found.map_err(|failed| refused(failed, name, Code::ManifestUnknown))?;
    let digest = found.digest.to_string();
    let headers = [
        (
            header::CONTENT_TYPE,
            found.media_type.as_deref().unwrap_or(DEFAULT_TYPE),
        ),
        (CONTENT_DIGEST, digest.as_str()),
    ];
    Ok(match is_head {
        true => answer::head(found.manifest.len() as u64, &headers),
        false => answer::with(StatusCode::OK, Bytes::from(found.manifest), &headers),
    })
}

/// Bytes of a layer as they come; whoever asked for them knows their digest.
async fn layer(
    upstream: &Upstream,
    place: Place,
    name: &str,
    digest: &Digest,
    is_head: bool,
) -> Result<Response<Body>, Refusal> {
    let answer = Session::new(upstream, name, None).blob(digest).await;
    let answer = answer.map_err(|failed| match failed {
        Failed::Missing => layers::unknown(digest),
        failed => refused(failed, name, Code::BlobUnknown),
    })?;
    let length = answer.length().filter(|length| *length <= LAYER_BYTES_MAX);
    let length = length.ok_or_else(|| refused(Failed::Unavailable, name, Code::BlobUnknown))?;
    let digest = digest.to_string();
    // Ranges are not passed on, and so not offered.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (CONTENT_DIGEST, digest.as_str()),
    ];
    Ok(match is_head {
        true => answer::head(length, &headers),
        false => {
            answer::bare(StatusCode::OK, &headers).map(|_| Body::Sized(passed_on(answer.body, place), length))
        }
    })
}

fn place(upstreams: &Upstreams, account: &AccountId) -> Result<Place, Refusal> {
    let text = "Too many images of ECR Public are on their way. Try again later.";
    upstreams
        .pass(account)
        .ok_or_else(|| Refusal::new(Code::TooManyRequests, text))
}

fn refused(failed: Failed, name: &str, missing: Code) -> Refusal {
    let code = match failed {
        Failed::Missing => missing,
        Failed::Denied => Code::Denied,
        Failed::TooOften => Code::TooManyRequests,
        Failed::Unavailable => Code::Unavailable,
    };
    Refusal::new(code, failed.said_of(ECR_PUBLIC, name))
}
