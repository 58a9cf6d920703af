//! The way of Docker to the registry of the server this agent is connected to: a port of this host alone, each connection of
//! which leads to the control plane. Docker takes a registry on loopback without TLS, wherever the server is, and no
//! daemon needs a setting for it. Nothing is added on the way: what may be pulled says the login.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::Uri;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::plane::connect;

/// After which a connection cannot be taken, at least this long.
const PAUSE: Duration = Duration::from_millis(100);

/// An open door; closed when dropped.
#[derive(Debug)]
pub(crate) struct Door {
    address: SocketAddr,
    _serving: JoinSet<()>,
}

impl Door {
    /// Opens one to that address.
    pub(crate) async fn open(plane: Uri) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, plane));
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

async fn serve(listener: TcpListener, plane: Uri) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((mut docker, _)) => {
                    let plane = plane.clone();
                    connections.spawn(async move {
                        match connect(&plane).await {
                            // How a connection ends is between Docker and the registry.
                            Ok(mut server) => drop(copy_bidirectional(&mut docker, &mut server).await),
                            Err(error) => tracing::warn!(%error, "the registry of the control plane cannot be reached"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection of Docker to the registry can be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_connection_leads_to_the_control_plane_and_ends_with_the_door() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let plane = format!("http://{}", server.local_addr().unwrap());
        let door = Door::open(plane.parse().unwrap()).await.unwrap();
        let mut docker = TcpStream::connect(door.address()).await.unwrap();
        docker.write_all(b"ping").await.unwrap();
        let (mut answering, _) = server.accept().await.unwrap();
        let mut heard = [0; 4];
        answering.read_exact(&mut heard).await.unwrap();
        answering.write_all(&heard).await.unwrap();
        docker.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
        drop(door);
        assert_eq!(docker.read(&mut heard).await.unwrap_or_default(), 0);
    }
}
