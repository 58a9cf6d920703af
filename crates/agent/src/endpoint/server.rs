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

use super::Endpoint;

/// Read and write timeout of the genuine agent.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this long, whatever it does; containers open a new one.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
const CONNECTIONS_MAX: usize = 512;
const HEADER_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Between two tries to accept when the system is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until dropped; connections end with it.
pub(crate) async fn serve(endpoint: Arc<Endpoint>, listener: &TcpListener) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let endpoint = Arc::clone(&endpoint);
                connections.spawn(async move {
                    let _slot = slot;
                    let _ = tokio::time::timeout(CONNECTION_TIME_MAX, connection(endpoint, stream)).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "task endpoint cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
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
    let Ok(remote) = stream.peer_addr() else { return };
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            let (parts, body) = request.into_parts();
            let body = match endpoint.takes_body(&parts) {
                true => body_of(body).await,
                false => Bytes::new(),
            };
            Ok::<_, Infallible>(endpoint.answer(&parts, &body, remote).await)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, %remote, "task endpoint connection ended early");
    }
}
