//! Which requests pass the door, and how.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER};
use http::header::{TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// Where the registry of the control plane is, and the layers it gives out by ticket.
const REGISTRY: [&str; 2] = ["/v2/", "/v2-layers/"];
/// How long a connection to the control plane is kept for the next request.
const POOL_IDLE: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What belongs to one connection and not to what goes over it.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// An answer: the registry's, as it comes, or the door's own.
pub(super) type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// Lets requests pass to the registry of one control plane.
#[derive(Debug)]
pub(super) struct Pass {
    plane: Uri,
    /// The door's own address, which its clients know it by.
    host: String,
    client: Client<HttpConnector, Incoming>,
}

impl Pass {
    pub fn new(plane: Uri, door: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector);
        Self {
            plane,
            host: door.to_string(),
            client,
        }
    }

    /// The answer to one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (mut parts, body) = request.into_parts();
        if !self.passes(&parts) {
            return own(StatusCode::NOT_FOUND, "only the registry is here");
        }
        let Some(uri) = self.on_the_plane(&parts) else {
            return own(StatusCode::BAD_REQUEST, "the request cannot be read");
        };
        parts.uri = uri;
        parts.extensions.clear();
        strip(&mut parts.headers);
        match self.client.request(Request::from_parts(parts, body)).await {
            Ok(mut response) => {
                strip(response.headers_mut());
                response.map(Either::Left)
            }
            Err(error) => {
                tracing::warn!(%error, "the registry of the control plane cannot be reached");
                own(StatusCode::BAD_GATEWAY, "the registry cannot be reached")
            }
        }
    }

    /// Only what registry clients ask of a registry: at its paths, by the door's name, with a registry's login. The control
    /// plane tells its own doors apart by path, and those of S3 also by host and signature.
    fn passes(&self, parts: &Parts) -> bool {
        let path = parts.uri.path();
        let hosts = || parts.headers.get_all(HOST).iter();
        let mut logins = parts.headers.get_all(AUTHORIZATION).iter();
        let mut names = parts.uri.query().unwrap_or_default().split('&');
        REGISTRY.iter().any(|registry| path.starts_with(registry))
            && hosts().count() == 1
            && hosts().all(|host| host.as_bytes() == self.host.as_bytes())
            && logins.all(|login| is_registry_login(login.as_bytes()))
            && names.all(|pair| !may_be_signature(pair.split('=').next().unwrap_or_default()))
    }

    fn on_the_plane(&self, parts: &Parts) -> Option<Uri> {
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        Uri::builder()
            .scheme("http")
            .authority(self.plane.authority()?.as_str())
            .path_and_query(path)
            .build()
            .ok()
    }
}

fn is_registry_login(login: &[u8]) -> bool {
    let scheme = login.split(|byte| *byte == b' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"basic") || scheme.eq_ignore_ascii_case(b"bearer")
}

/// Of a presigned request; registry clients write the names of their parameters plainly.
fn may_be_signature(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains('%') || name.starts_with("x-amz-") || name == "awsaccesskeyid"
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| *name != HOST && *name != AUTHORIZATION)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn own(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response
}
