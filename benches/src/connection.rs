//! One kept-alive HTTP/1.1 connection that sends bytes prepared beforehand and reads no more of an answer than it must,
//! so that a load client costs little and the same whichever server it talks to.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BUFFER_BYTES: usize = 64 * 1024;

/// A connection to one server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("nobody listens on {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(BUFFER_BYTES),
        })
    }

    /// Sends a request and waits for its answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Reply<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read_more().await?;
            if let Some(head) = Head::find(&self.buffer)? {
                break head;
            }
        };
        while self.buffer.len() < head.bytes + head.body_bytes {
            self.read_more().await?;
        }
        let body = self.buffer.get(head.bytes..).unwrap_or_default();
        Ok(Reply {
            status: head.status,
            body,
        })
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

struct Head {
    status: u16,
    bytes: usize,
    body_bytes: usize,
}

impl Head {
    /// The head of an answer, once all of it is there.
    fn find(received: &[u8]) -> Result<Option<Self>> {
        let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = received
            .get(..end)
            .and_then(|head| std::str::from_utf8(head).ok())
            .unwrap_or_default();
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body_bytes = text.lines().find_map(content_length);
        match (status, body_bytes) {
            (Some(status), Some(body_bytes)) => Ok(Some(Self {
                status,
                bytes: end + 4,
                body_bytes,
            })),
            _ => bail!("an answer without status or length: {text}"),
        }
    }
}

fn content_length(line: &str) -> Option<usize> {
    let (name, value) = line.split_once(':')?;
    if name.eq_ignore_ascii_case("content-length") {
        value.trim().parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_once_it_is_whole() {
        let whole = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nhello";
        assert!(Head::find(&whole[..30]).unwrap().is_none());
        let head = Head::find(whole).unwrap().unwrap();
        assert_eq!(
            (head.status, head.bytes, head.body_bytes),
            (403, whole.len() - 5, 5)
        );
        assert!(Head::find(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
