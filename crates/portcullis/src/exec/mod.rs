//! `portcullis exec`: what `aws ecs execute-command --interactive` does, without the session-manager plugin.

mod conversation;
mod data_key;
mod terminal;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use portcullis_api::ecs;

use self::conversation::{Ended, converse};
use self::data_key::Caller;
use self::terminal::Terminal;
use crate::connection::Connection;
use crate::printable::printable;

/// Options of `portcullis exec`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    connection: Connection,
    /// Cluster of the task
    #[arg(long, default_value = "default")]
    cluster: String,
    /// Id or ARN of the task
    #[arg(long)]
    task: String,
    /// Container; needed when the task has more than one
    #[arg(long)]
    container: Option<String>,
    /// The command and its arguments, behind `--`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command; the exit code is the command's, or 1 when the server refuses or the session ends without one.
pub async fn run(options: Options) -> Result<ExitCode> {
    let client = options.connection.client()?;
    let request = ecs::ExecuteCommandRequest {
        cluster: Some(options.cluster),
        container: options.container,
        command: line(&options.command),
        interactive: true,
        task: options.task,
    };
    let answer = client.call::<ecs::op::ExecuteCommand>(&request).await?;
    let made = match answer.result {
        Ok(reply) => reply,
        Err(refusal) => {
            crate::complain(&format!("portcullis: {}", told(&refusal.to_string())));
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut terminal = Terminal::open()?;
    let caller = Caller {
        client: &client,
        made: &made,
    };
    let ended = converse(&caller, &mut terminal).await;
    drop(terminal);
    let Ended { exit_code, words } = ended?;
    if !words.is_empty() {
        crate::complain(&format!("portcullis exec: {}", printable(&words)));
    }
    Ok(match exit_code {
        Some(code) => ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)),
        None => ExitCode::FAILURE,
    })
}

/// AWS's text does not say what is missing; mostly it is a permission of the task's role.
fn told(refusal: &str) -> String {
    match refusal.contains("internal error") {
        true => format!("{refusal} (the task's role may lack its ssmmessages permissions: docs/exec.md)"),
        false => refusal.to_owned(),
    }
}

/// One line that the other end splits into these words again.
fn line(words: &[String]) -> String {
    let quoted = |word: &String| {
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+=:,@%".contains(letter);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
