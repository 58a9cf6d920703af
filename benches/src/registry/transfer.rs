//! A blob over one connection, in the requests that container engines send.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Noise;
use super::sides::{REPOSITORY, Side};

const BUFFER_BYTES: usize = 256 * 1024;

/// A connection, and what came after the last head.
struct Line<'a> {
    side: &'a Side,
    stream: TcpStream,
    rest: Vec<u8>,
}

/// The head of an answer.
struct Head {
    status: u16,
    location: Option<String>,
    length: u64,
}

/// In: POST, PATCH with all of it, PUT.
pub async fn push(side: &Side, noise: &Noise) -> Result<()> {
    let mut line = Line::open(side).await?;
    line.ask("POST", &format!("/v2/{REPOSITORY}/blobs/uploads/"), 0)
        .await?;
    let upload = line
        .answered(202)
        .await?
        .location
        .context("an upload without a place")?;
    line.ask("PATCH", &upload, noise.size).await?;
    let mut file = File::open(&noise.path).await?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer).await?;
        let part = buffer.get(..read).filter(|part| !part.is_empty());
        let Some(part) = part else { break };
        line.stream.write_all(part).await?;
    }
    let upload = line
        .answered(202)
        .await?
        .location
        .context("an upload without a place")?;
    let joint = if upload.contains('?') { '&' } else { '?' };
    line.ask("PUT", &format!("{upload}{joint}digest={}", noise.digest), 0)
        .await?;
    line.answered(201).await?;
    Ok(())
}

/// Out: GET.
pub async fn pull(side: &Side, noise: &Noise) -> Result<()> {
    let mut line = Line::open(side).await?;
    line.ask("GET", &format!("/v2/{REPOSITORY}/blobs/{}", noise.digest), 0)
        .await?;
    let head = line.answered(200).await?;
    ensure!(head.length == noise.size, "the blob has another size");
    let mut left = head.length.saturating_sub(line.rest.len() as u64);
    let mut buffer = vec![0; BUFFER_BYTES];
    while left > 0 {
        let read = line.stream.read(&mut buffer).await?;
        ensure!(read > 0, "the blob broke off");
        left = left.saturating_sub(read as u64);
    }
    Ok(())
}

impl<'a> Line<'a> {
    async fn open(side: &'a Side) -> Result<Self> {
        let stream = TcpStream::connect(side.address).await?;
        stream.set_nodelay(true)?;
        let rest = Vec::new();
        Ok(Self { side, stream, rest })
    }

    async fn ask(&mut self, method: &str, path: &str, length: u64) -> Result<()> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {length}\r\n",
            self.side.address
        );
        if let Some(token) = &self.side.token {
            write!(head, "Authorization: Basic {token}\r\n")?;
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        Ok(())
    }

    /// Reads a head of this status; a body stays, but for its first bytes.
    async fn answered(&mut self, status: u16) -> Result<Head> {
        let mut bytes = Vec::new();
        let end = loop {
            let read = self.stream.read_buf(&mut bytes).await?;
            ensure!(read > 0, "the connection ended");
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
        };
        self.rest = bytes.split_off(end + 4);
        let text = String::from_utf8(bytes)?;
        let head = Head::read(&text).context("an answer that cannot be read")?;
        ensure!(
            head.status == status,
            "{text}{}",
            String::from_utf8_lossy(&self.rest)
        );
        Ok(head)
    }
}

impl Head {
    fn read(text: &str) -> Option<Self> {
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let header = |name: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim().to_owned())
        };
        // Absolute ones begin with the scheme and the host.
        let location = header("location").map(|location| match location.split_once("/v2/") {
            Some((_, below)) => format!("/v2/{below}"),
            None => location,
        });
        let length = header("content-length").and_then(|length| length.parse().ok());
        Some(Self {
            status,
            location,
            length: length.unwrap_or_default(),
        })
    }
}
