//! The container of the task of `portcullis run`: hands its environment over, and ends as the program does.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::door::Greeting;
use crate::secret_option::SecretOption;

/// Says where the socket is.
pub(super) const SOCKET: &str = "PORTCULLIS_RUN_SOCKET";
/// Says what opens it.
pub(super) const WORD: &str = "PORTCULLIS_RUN_WORD";
/// How this program is told to be a holder.
pub(super) const COMMAND: &str = "task-holder";

/// Options of the holder; all from its task's overrides.
#[derive(Debug, Args)]
pub struct Options {
    #[arg(long, env = SOCKET)]
    socket: PathBuf,
    #[arg(long, env = WORD, hide_env_values = true)]
    word: SecretOption,
}

/// Holds the task until the program at the other end is over.
pub async fn run(options: Options) -> Result<ExitCode> {
    let stream = UnixStream::connect(&options.socket).await;
    let stream = stream.context("whoever started this task is gone")?;
    let (reader, mut writer) = stream.into_split();
    let own = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let greeting = Greeting {
        word: options.word.into_secret().expose().to_owned(),
        environment: std::env::vars_os().filter_map(own).collect(),
    };
    let mut line = serde_json::to_string(&greeting)?;
    line.push('\n');
    writer.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(reader).read_line(&mut answer).await?;
    // Without an answer the other end died, and its program with it.
    let code = answer.trim().parse().unwrap_or(1);
    Ok(ExitCode::from(code))
}
