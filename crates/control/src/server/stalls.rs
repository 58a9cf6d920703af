//! Peers that ask and do not read: what is on its way to them waits, and all that made it. The kernel breaks a connection off when
//! the peer's machine takes nothing of what waits for it for a while. It alone can tell: a socket whose buffer is full takes
//! nothing more of ours until a third of it is free, however steadily the peer reads.

use std::io;
use std::time::Duration;

use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpListener;

/// How long a peer's machine may take nothing. One whose program reads slowly says that it has room again only when a sixteenth
/// of its buffer is free, which is 400 KiB where the buffer is as large as Linux makes one.
const STALL_MAX: Duration = Duration::from_secs(120);

/// Lets no connection that a listener accepts from now on stall for long: sockets inherit the limit from their listener.
pub(super) fn limit(listener: &TcpListener) -> io::Result<()> {
    limit_to(listener, STALL_MAX)
}

fn limit_to(listener: &TcpListener, longest: Duration) -> io::Result<()> {
    let millis = u32::try_from(longest.as_millis()).unwrap_or(u32::MAX);
    Ok(set_tcp_user_timeout(listener, millis)?)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        limit_to(&listener, Duration::from_millis(300)).unwrap();
        let address = listener.local_addr().unwrap();
        let (theirs, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (theirs, mut ours) = (theirs.unwrap(), ours.unwrap().0);
        let error = loop {
            if let Err(error) = ours.write_all(&[0; 65_536]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }
}
