//! One GET, with limits: a provider's document is small and comes soon or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::endpoint::Endpoint;

/// How long one document may take, from the look-up of the name to the last byte.
const TIME: Duration = Duration::from_secs(5);
/// Largest document.
const BYTES: usize = 256 * 1024;

/// Largest head of an answer.
const HEAD_BYTES: usize = 64 * 1024;

/// Why a document did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// No connection, or too slow.
    Unreachable,
    /// An answer that is none: another status than 200, too long, not HTTP.
    Refused,
}

/// Gets a document.
pub(super) async fn get(endpoint: &Endpoint, tls: &Arc<ClientConfig>) -> Result<Bytes, Failed> {
    let document = tokio::time::timeout(TIME, load(endpoint, tls));
    document.await.map_err(|_| Failed::Unreachable)?
}

async fn load(endpoint: &Endpoint, tls: &Arc<ClientConfig>) -> Result<Bytes, Failed> {
    let stream = connect(endpoint).await?;
    if !endpoint.secure {
        return ask(endpoint, stream).await;
    }
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| Failed::Unreachable)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    let stream = stream.map_err(|error| {
        tracing::info!(host = endpoint.host, %error, "no TLS with an identity provider");
        Failed::Unreachable
    })?;
    ask(endpoint, stream).await
}

/// The name is looked up once, and the connection goes to what was checked.
pub(crate) async fn connect(endpoint: &Endpoint) -> Result<TcpStream, Failed> {
    let found = lookup_host((endpoint.host.as_str(), endpoint.port)).await;
    let found = found.map_err(|_| Failed::Unreachable)?;
    for address in found.filter(|address: &SocketAddr| endpoint.may_be_at(address.ip())) {
        if let Ok(stream) = TcpStream::connect(address).await {
            return Ok(stream);
        }
    }
    Err(Failed::Unreachable)
}

async fn ask<S>(endpoint: &Endpoint, stream: S) -> Result<Bytes, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::get(&endpoint.target)
        .header(header::HOST, &endpoint.authority)
        .header(header::ACCEPT, "application/json")
        .header(
            header::USER_AGENT,
            concat!("portcullis/", env!("CARGO_PKG_VERSION")),
        )
        .body(Empty::<Bytes>::new())
        .map_err(|_| Failed::Refused)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Failed::Unreachable)?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|_| Failed::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(Failed::Refused);
        }
        let body = Limited::new(response.into_body(), BYTES).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|_| Failed::Refused)
    };
    // The connection lives as long as its one question: nothing stays behind when the time is over.
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}
