//! The HTTP server under the task endpoint.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

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

async fn connection(endpoint: Arc<Endpoint>, stream: TcpStream) {
    let Ok(remote) = stream.peer_addr() else { return };
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let endpoint = Arc::clone(&endpoint);
        async move {
            let (parts, _body) = request.into_parts();
            Ok::<_, Infallible>(endpoint.answer(&parts, remote).await)
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
