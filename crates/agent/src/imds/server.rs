//! The listeners, on `lo` alone.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::address::{INTERFACE, V4, V6};
use super::answer::Service;

const PORT: u16 = 80;
const READ_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(60);
const CONNECTIONS_MAX: usize = 128;
const HEADER_BYTES_MAX: usize = 16 * 1024;
const BACKLOG: u32 = 128;
/// Between two tries to accept when the system is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener for each address.
#[derive(Debug)]
pub(super) struct Listeners {
    v4: TcpListener,
    v6: Option<TcpListener>,
}

impl Listeners {
    /// Listens; and what is left out, for the operator.
    pub(super) fn open(hop_limit: u8) -> io::Result<(Self, Option<String>)> {
        let v4 = listen(SocketAddr::from((V4, PORT)), hop_limit)?;
        let (v6, left_out) = match listen(SocketAddr::from((V6, PORT)), hop_limit) {
            Ok(listener) => (Some(listener), None),
            Err(error) => (None, Some(format!("no instance metadata at {V6}: {error}"))),
        };
        Ok((Self { v4, v6 }, left_out))
    }

    /// Serves until dropped; connections end with it.
    pub(super) async fn serve(&self, service: Arc<Service>) -> Infallible {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return std::future::pending().await;
            };
            let accepted = tokio::select! {
                accepted = self.v4.accept() => accepted,
                accepted = accept(self.v6.as_ref()) => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let service = Arc::clone(&service);
                    connections.spawn(async move {
                        let _slot = slot;
                        let served = connection(service, stream);
                        let _ = tokio::time::timeout(CONNECTION_TIME_MAX, served).await;
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "instance metadata cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Bound to `lo`: Linux takes packets for any of its addresses on any interface, this socket does not.
pub(super) fn listen(address: SocketAddr, hop_limit: u8) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind_device(Some(INTERFACE.as_bytes()))?;
    match address {
        SocketAddr::V4(_) => rustix::net::sockopt::set_ip_ttl(&socket, u32::from(hop_limit))?,
        SocketAddr::V6(_) => rustix::net::sockopt::set_ipv6_unicast_hops(&socket, Some(hop_limit))?,
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn connection(service: Arc<Service>, stream: TcpStream) {
    let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&request.into_parts().0)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an instance metadata connection ended early");
    }
}
