//! The listener: connections, limits, TLS, and the way out of each request.

mod bodies;
mod stalls;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_core::uuid;
use portcullis_wire::Reply;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
pub use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) use self::bodies::Bodies;
use self::bodies::{NotTaken, TIMEOUT as BODY_TIMEOUT, Whole};
use crate::accounts::Accounts;
use crate::agents::{download, hosts};
use crate::events::{self, Body};
use crate::exec;
use crate::gate::{Peer, Tls};
use crate::registry;
use crate::s3;
use crate::scim;
use crate::services::logs::live_tail;
use crate::telemetry;

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to send its head, and how long a connection may idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long requests may finish after the server was told to end.
const DRAIN: Duration = Duration::from_millis(800);

/// What a listener needs to know.
#[derive(Clone)]
pub struct Options {
    /// TLS, if the listener speaks it.
    pub tls: Option<TlsAcceptor>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Whether identity providers may keep users and groups by SCIM.
    pub scim: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("tls", &self.tls.is_some())
            .field("trusted_proxies", &self.trusted_proxies)
            .field("scim", &self.scim)
            .finish()
    }
}

/// Serves until `stop` turns true, then lets running requests finish for less than a second.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    accounts: Arc<Accounts>,
    mut stop: watch::Receiver<bool>,
) {
    let front = Arc::new(Front {
        options,
        accounts,
        stop: stop.clone(),
    });
    if let Err(error) = stalls::limit(&listener) {
        tracing::warn!(%error, "connections whose peers do not read are not broken off");
    }
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(Arc::clone(&front).connect(stream, peer, stop.clone()));
                }
                // Out of descriptors: let others finish before the next try.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = ordered(&mut stop) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::info!("some connections were still busy at the end");
    }
}

/// Waits until the end is ordered, or nobody is left to order it.
pub(crate) async fn ordered(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Front {
    options: Options,
    accounts: Arc<Accounts>,
    /// Turns true at the end: what goes on must end then.
    stop: watch::Receiver<bool>,
}

impl Front {
    async fn connect(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, stop: watch::Receiver<bool>) {
        // Small replies must not wait for the peer's acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        match self.options.tls.clone() {
            None => self.converse(stream, peer, None, stop).await,
            Some(tls) => match tokio::time::timeout(BODY_TIMEOUT, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let agreed = agreed(stream.get_ref().1);
                    self.converse(stream, peer, agreed, stop).await;
                }
                Ok(Err(error)) => tracing::debug!(%error, %peer, "TLS handshake failed"),
                Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
            },
        }
    }

    async fn converse<S>(
        self: Arc<Self>,
        stream: S,
        peer: SocketAddr,
        tls: Option<Tls>,
        mut stop: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let (front, tls) = (Arc::clone(&self), tls.clone());
            async move { Ok::<_, Infallible>(front.answer(request, peer, tls).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = ordered(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "connection ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr, tls: Option<Tls>) -> Response<Body> {
        let peer = Peer {
            address: self.source(&request, peer.ip()),
            tls,
        };
        if s3::is_for(&self.accounts, &request) {
            let (parts, body) = request.into_parts();
            let body = s3::RawBody::new(body.map_err(Into::into));
            return s3::serve(&self.accounts, parts, body, peer).await;
        }
        if registry::is_for(request.uri().path()) {
            return registry::serve(&self.accounts, request, peer).await;
        }
        let is_live_tail = live_tail::is_for(request.headers());
        if request.uri().path() != events::PATH && !is_live_tail {
            return self.reply(request, peer).await.map(Body::from);
        }
        let doors = self.accounts.called(request.headers(), request.uri());
        let (parts, body) = request.into_parts();
        match self.accounts.bodies().read(&doors.gate, &parts, body).await {
            Ok(Whole { bytes, .. }) if is_live_tail => {
                live_tail::serve(&doors.gate, &parts, &bytes, peer, self.stop.clone()).await
            }
            Ok(Whole { bytes, .. }) => {
                events::serve(&doors.gate, &parts, &bytes, peer, self.stop.clone()).await
            }
            Err(why) => self.not_taken(&parts, &why).map(Body::from),
        }
    }

    /// The answer to everything that has one whole answer.
    async fn reply(&self, request: Request<Incoming>, peer: Peer) -> Response<Full<Bytes>> {
        if exec::is_for(request.uri().path()) {
            return exec::serve(&self.accounts, request, peer).await;
        }
        let upgrade = request.headers().get(http::header::UPGRADE);
        if upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
            let doors = self.accounts.called(request.headers(), request.uri());
            return doors.agents.upgrade(request, peer).await;
        }
        if request.method() == http::Method::GET
            && let Some(document) = self.accounts.federation_document(request.uri().path())
        {
            return json(document);
        }
        let (parts, body) = request.into_parts();
        let called = self.accounts.called(&parts.headers, &parts.uri);
        let whole = match self.accounts.bodies().read(&called.gate, &parts, body).await {
            Ok(whole) => whole,
            Err(why) => return self.not_taken(&parts, &why),
        };
        let body = &whole.bytes;
        if parts.uri.path() == hosts::PATH {
            let doors = self.accounts.called(&parts.headers, &parts.uri);
            return hosts::serve(&doors.gate, &parts, body, peer).await;
        }
        if download::is_for(parts.uri.path()) {
            let doors = self.accounts.called(&parts.headers, &parts.uri);
            return download::serve(&doors.gate, &parts, body, peer).await;
        }
        if telemetry::is_for(parts.uri.path()) {
            let doors = self.accounts.called(&parts.headers, &parts.uri);
            return telemetry::serve(&doors.gate, &parts, body, peer).await;
        }
        if self.options.scim && scim::is_for(parts.uri.path()) {
            return scim::serve(&self.accounts, &parts, body, peer).await;
        }
        respond(self.accounts.serve(&parts, body, peer).await)
    }

    /// The answer to a request whose body is not read, in its protocol if its head tells which.
    fn not_taken(&self, parts: &Parts, why: &NotTaken) -> Response<Full<Bytes>> {
        let doors = self.accounts.called(&parts.headers, &parts.uri);
        let request_id = uuid(doors.gate.world().random().as_ref());
        let reply = match why {
            NotTaken::Refused(service, error) => Some(portcullis_wire::encode_error(
                service,
                &error.reply(),
                &request_id,
            )),
            NotTaken::TooLarge => portcullis_wire::refuse_body(portcullis_api::SERVICES, parts, &request_id),
            NotTaken::Broken | NotTaken::Late => None,
        };
        let (status, text) = why.plain();
        reply.map_or_else(|| plain(status, text), respond)
    }

    /// The caller's address: the peer's, or what a trusted proxy says it is.
    fn source(&self, request: &Request<Incoming>, peer: IpAddr) -> String {
        let peer = peer.to_canonical();
        if self.options.trusted_proxies.contains(&peer) {
            let forwarded = request.headers().get_all("x-forwarded-for").iter().next_back();
            let last = forwarded
                .and_then(|value| value.to_str().ok())
                .and_then(|list| list.rsplit(',').next());
            if let Some(address) = last.and_then(|text| text.trim().parse::<IpAddr>().ok()) {
                return address.to_canonical().to_string();
            }
        }
        peer.to_string()
    }
}

/// What the handshake agreed on; `None` only before it is over.
fn agreed(connection: &rustls::ServerConnection) -> Option<Tls> {
    let version = match connection.protocol_version()? {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "TLSv1.3",
    };
    // rustls calls TLS 1.3 suites TLS13_AES_...; everybody else calls them TLS_AES_...
    let cipher = format!("{:?}", connection.negotiated_cipher_suite()?.suite()).replace("TLS13_", "TLS_");
    Some(Tls { version, cipher })
}

/// An answer outside any AWS protocol.
pub(crate) fn plain(status: u16, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_REQUEST);
    response
}

/// A public document in JSON.
fn json(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

fn respond(reply: Reply) -> Response<Full<Bytes>> {
    Response::<Vec<u8>>::from(reply).map(|body| Full::new(Bytes::from(body)))
}

/// A TLS acceptor from a certificate chain and a private key, both in PEM.
pub fn tls(certificates: &[u8], key: &[u8]) -> Result<TlsAcceptor, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificates)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsError::Certificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::Key)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Pair(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Pair(error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Why TLS cannot be spoken with the files that were given.
#[derive(Debug, Error)]
pub enum TlsError {
    /// No certificate could be read.
    #[error("the certificate file holds no certificate in PEM form")]
    Certificate,
    /// No key could be read.
    #[error("the key file holds no private key in PEM form")]
    Key,
    /// Certificate and key do not work together.
    #[error("the certificate and the key do not go together: {0}")]
    Pair(String),
}
