//! `portcullis iam export`: an account's identities as one file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::identities::read;
use crate::connection::Connection;

/// Where to write.
#[derive(Debug, Args)]
pub struct Options {
    /// The file; standard output if there is none
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// Writes the file.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let client = options.connection.client()?;
    let caller = read::caller(&client).await?;
    let text = read::identities(&client, &caller.account).await?.to_text()?;
    match &options.file {
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
        }
        None => crate::say(text.trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
