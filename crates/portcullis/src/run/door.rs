//! Where the task's container hands over what it got: a socket that only this user can reach, with a word only our task knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use portcullis_core::{Secret, SystemRandom, hex_id};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};

/// Longest environment that is read, in bytes.
const ENVIRONMENT_MAX: u64 = 1024 * 1024;

/// What a holder says first, on one line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// The word of the task.
    pub word: String,
    /// The environment of the container.
    pub environment: BTreeMap<String, String>,
}

/// The socket.
#[derive(Debug)]
pub(super) struct Door {
    listener: UnixListener,
    /// Where it is.
    pub path: PathBuf,
    /// What opens it.
    pub word: Secret,
}

/// The holder that came.
#[derive(Debug)]
pub(super) struct Guest {
    /// The environment of its container.
    pub environment: BTreeMap<String, String>,
    reader: BufReader<tokio::net::unix::OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Door {
    /// A socket in a folder of this user's alone.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("holder.sock");
        let listener = UnixListener::bind(&path).context("the task's socket could not be made")?;
        let word = Secret::new(hex_id(&SystemRandom));
        Ok(Self { listener, path, word })
    }

    /// Waits for the holder of our task; whoever does not know the word is sent away.
    pub async fn admit(&mut self) -> Result<Guest> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            if let Some(guest) = self.greet(stream).await {
                return Ok(guest);
            }
        }
    }

    async fn greet(&self, stream: UnixStream) -> Option<Guest> {
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let mut line = String::new();
        let mut limited = (&mut reader).take(ENVIRONMENT_MAX);
        limited.read_line(&mut line).await.ok()?;
        let greeting: Greeting = serde_json::from_str(&line).ok()?;
        (greeting.word == self.word.expose()).then_some(Guest {
            environment: greeting.environment,
            reader,
            writer,
        })
    }
}

impl Guest {
    /// Waits until it is gone: its task was stopped.
    pub async fn gone(&mut self) {
        let mut byte = [0];
        // It says nothing any more: whatever comes is the end.
        let _ = self.reader.read(&mut byte).await;
    }

    /// Tells it how the program ended, so that its container ends so.
    pub async fn tell_end(mut self, code: u8) {
        // When it is gone, its container has ended already.
        let _ = self.writer.write_all(format!("{code}\n").as_bytes()).await;
        let _ = self.writer.shutdown().await;
        self.gone().await;
    }
}
