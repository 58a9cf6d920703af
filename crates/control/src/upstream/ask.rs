//! One request to an upstream registry, its answer streamed.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::response::Parts;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Failed, Upstream};
use crate::federation::{Endpoint, connect};

/// How long the head of an answer may take, from the look-up of the name on.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// How long a small body may take.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long a body may send nothing.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Largest head of an answer.
const HEAD_BYTES: usize = 64 * 1024;

/// An answer whose body is still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub head: Parts,
    pub body: Body,
}

/// A body; the connection it comes by ends with it.
#[derive(Debug)]
pub(crate) struct Body {
    incoming: Incoming,
    _connection: JoinSet<()>,
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Body {
    /// The next bytes; `None` at the end.
    pub async fn part(&mut self) -> Result<Option<Bytes>, Failed> {
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, self.frame()).await;
            match frame.map_err(|_| Failed::Unavailable)? {
                None => return Ok(None),
                Some(Err(_)) => return Err(Failed::Unavailable),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

impl Answer {
    /// How many bytes the body has, if the answer says so.
    pub fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// A header's text.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A whole body of at most `max` bytes.
    pub async fn small(self, max: usize) -> Result<Bytes, Failed> {
        let whole = tokio::time::timeout(BODY_TIME, Limited::new(self.body, max).collect()).await;
        let whole = whole.map_err(|_| Failed::Unavailable)?;
        whole
            .map(|whole| whole.to_bytes())
            .map_err(|_| Failed::Unavailable)
    }
}

/// Asks for what is at an address.
pub(super) async fn get(
    upstream: &Upstream,
    endpoint: &Endpoint,
    accept: &str,
    authorization: Option<&HeaderValue>,
) -> Result<Answer, Failed> {
    let mut request = Request::get(&endpoint.target)
        .header(header::HOST, &endpoint.authority)
        .header(header::ACCEPT, accept)
        .header(
            header::USER_AGENT,
            concat!("portcullis/", env!("CARGO_PKG_VERSION")),
        );
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let request = request.body(Empty::new()).map_err(|_| Failed::Unavailable)?;
    let answer = tokio::time::timeout(HEAD_TIME, send(upstream, endpoint, request)).await;
    let answer = answer.map_err(|_| Failed::Unavailable)?;
    if answer.is_err() {
        tracing::info!(
            host = endpoint.authority,
            "an upstream registry cannot be reached"
        );
    }
    answer
}

async fn send(
    upstream: &Upstream,
    endpoint: &Endpoint,
    request: Request<Empty<Bytes>>,
) -> Result<Answer, Failed> {
    let stream = connect(endpoint).await.map_err(|_| Failed::Unavailable)?;
    if !endpoint.secure {
        return over(stream, request).await;
    }
    let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| Failed::Unavailable)?;
    let stream = TlsConnector::from(upstream.tls.clone())
        .connect(name, stream)
        .await;
    over(stream.map_err(|_| Failed::Unavailable)?, request).await
}

async fn over<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, Failed>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Failed::Unavailable)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // How it ends shows in the body.
        let _ = connection.await;
    });
    let answer = sender.send_request(request).await;
    let (head, incoming) = answer.map_err(|_| Failed::Unavailable)?.into_parts();
    let body = Body {
        incoming,
        _connection: driver,
    };
    Ok(Answer { head, body })
}
