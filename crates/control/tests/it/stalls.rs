//! Peers that do not read what they asked for.

use std::time::Duration;

use portcullis_control::acs::Timing;
use rustix::net::sockopt::tcp_user_timeout;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::agent::Front;
use crate::harness::Server;

#[tokio::test]
async fn the_kernel_gives_up_peers_that_take_nothing_for_two_minutes() {
    let server = Server::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let same = listener.try_clone().unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let front = Front::listen(&server, listener, Timing::default());
    // Whoever is answered was accepted: what accepted sockets inherit is set.
    let mut peer = TcpStream::connect(front.address).await.unwrap();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    peer.read_u8().await.unwrap();
    let limit = Duration::from_millis(tcp_user_timeout(&same).unwrap().into());
    assert_eq!(limit, Duration::from_secs(120));
}
