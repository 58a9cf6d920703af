//! The HTTP server under the task endpoint.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::shares::{CONNECTIONS_MAX, Shares};
use super::{Endpoint, Introspection, Remote};

/// Read and write timeout of the genuine agent.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this long, with the answer to the request it is at; containers open a new one.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
/// How long that last answer may take to be written.
const LAST_ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
const HEADER_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Between two tries to accept when the system is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until dropped; connections end with it.
pub(crate) async fn serve(endpoint: Arc<Endpoint>, listener: &TcpListener) {
    accept(listener, Arc::default(), |stream| {
        connection(Arc::clone(&endpoint), stream)
    })
    .await;
}

/// Serves introspection until dropped.
pub(super) async fn serve_introspection(introspection: Arc<Introspection>, listener: &TcpListener) {
    accept(listener, Arc::default(), |stream| {
        let introspection = Arc::clone(&introspection);
        let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let response = introspection.answer(&request.into_parts().0);
            std::future::ready(Ok::<_, Infallible>(response))
        });
        async move {
            let served = http().serve_connection(TokioIo::new(stream), service);
            let _ = tokio::time::timeout(CONNECTION_TIME_MAX, served).await;
        }
    })
    .await;
}

async fn accept<F>(listener: &TcpListener, shares: Arc<Shares>, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, caller)) => {
                let local = stream.local_addr();
                let Some(place) = local.ok().and_then(|local| shares.take(caller, local)) else {
                    tracing::debug!(%caller, "a connection is closed at once: its caller has too many");
                    continue;
                };
                let served = serve(stream);
                connections.spawn(async move {
                    let _kept = (slot, place);
                    served.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn http() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
}

/// What cannot be read is answered as what it is: nothing.
async fn body_of(body: hyper::body::Incoming) -> Bytes {
    let body = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(READ_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    }
}

async fn connection(endpoint: Arc<Endpoint>, stream: TcpStream) {
    let (Ok(address), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
        return;
    };
    // Small answers must not wait for the caller's acknowledgement.
    let _ = stream.set_nodelay(true);
    let remote = Arc::new(Remote::new(address, local));
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let (endpoint, remote) = (Arc::clone(&endpoint), Arc::clone(&remote));
        async move {
            let (parts, body) = request.into_parts();
            let body = match endpoint.takes_body(&parts) {
                true => body_of(body).await,
                false => Bytes::new(),
            };
            Ok::<_, Infallible>(endpoint.answer(&parts, &body, &remote).await)
        }
    });
    let served = http().serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let ended = match tokio::time::timeout(CONNECTION_TIME_MAX, served.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            served.as_mut().graceful_shutdown();
            let last = tokio::time::timeout(LAST_ANSWER_TIME_MAX, served.as_mut()).await;
            last.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %address, "task endpoint connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_caller_with_too_many_connections_is_cut_off_and_those_it_has_are_served() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let shares = Arc::new(Shares::new(2, 1));
            accept(&listener, shares, |mut stream| async move {
                while let Ok(byte) = stream.read_u8().await {
                    let _ = stream.write_u8(byte).await;
                }
            })
            .await;
        });
        let mut held = Vec::new();
        for number in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let asked = stream.write_u8(number).await;
            let answer = stream.read_u8().await;
            assert_eq!(answer.ok(), (asked.is_ok() && number < 2).then_some(number));
            held.push(stream);
        }
        held[0].write_u8(9).await.unwrap();
        assert_eq!(held[0].read_u8().await.unwrap(), 9);
        server.abort();
    }
}
