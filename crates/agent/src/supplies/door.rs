//! The way of Docker to the registry of the server this agent is connected to: a port of this host alone, whose requests go
//! to the control plane's registry and nowhere else there. Docker takes a registry on loopback without TLS, wherever the
//! server is, and no daemon needs a setting for it. Nothing is added on the way: what may be pulled says the login.
//!
//! Any process of the host reaches this port, so each request's head is read: the rest of the control plane is not to be
//! had here. Bodies pass as they come, in both directions.

mod idle;
mod pass;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::idle::Watched;
use self::pass::Pass;

/// Connections at a time; others wait in the system's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may be without a byte in either direction; a server may take its time for an upstream registry.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// How long a connection may be without a request, and a head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// After which a connection cannot be taken, at least this long.
const PAUSE: Duration = Duration::from_millis(100);

/// What a door lets through at a time.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections: usize,
    idle: Duration,
}

/// An open door; closed when dropped.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Door {
    /// Opens one to that address.
    pub(crate) async fn open(plane: Uri) -> io::Result<Self> {
        let limits = Limits {
            connections: CONNECTIONS_MAX,
            idle: IDLE_MAX,
        };
        Self::open_with(plane, limits).await
    }

    async fn open_with(plane: Uri, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::new(Pass::new(plane, address)), limits));
        Ok(Self {
            address,
            _serving: serving,
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, pass: Arc<Pass>, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pass = Arc::clone(&pass);
                connections.spawn(async move {
                    let _kept = place;
                    converse(stream, pass, limits.idle).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no connection of Docker to the registry can be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, pass: Arc<Pass>, idle_max: Duration) {
    let (stream, moved) = Watched::new(stream);
    let service = service_fn(move |request| {
        let pass = Arc::clone(&pass);
        async move { Ok::<_, Infallible>(pass.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // How a connection ends is between Docker and the registry.
        ended = connection => drop(ended),
        () = moved.idle_for(idle_max) => tracing::debug!("a connection to the registry is closed: nothing moves on it"),
    }
}

#[cfg(test)]
mod tests;
