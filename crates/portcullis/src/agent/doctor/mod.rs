//! `portcullis agent doctor`: looks at a host, changes nothing, and says what to do.

mod findings;
mod look;
mod picture;
#[cfg(test)]
mod tests;
mod version;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use portcullis_agent::settings::CONFIG_FILE;

use self::findings::Level;
use crate::printable::printable;
use crate::say;

/// Check this host before or while an agent runs on it: the engine and its known escapes, the walls around containers, what
/// listens, the configuration, clock and disk. Nothing is changed, and the addresses tasks talk to are not contacted.
///
/// Ends with 0 when nothing is bad, 1 when something is.
#[derive(Debug, Args)]
pub struct Options {
    /// Docker Engine to look at, unix:///path
    #[arg(long, env = "DOCKER_HOST", default_value = "unix:///var/run/docker.sock")]
    docker_host: String,
    /// The genuine agent's configuration
    #[arg(long, default_value = CONFIG_FILE)]
    config_file: PathBuf,
    /// Where the agent keeps what it knows
    #[arg(long, default_value = "./portcullis-agent")]
    state_dir: PathBuf,
    /// The server, to compare clocks with
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    endpoint: Option<String>,
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode> {
    let picture = look::at_this_host(&options).await;
    let findings = findings::of(&picture);
    for finding in &findings {
        say(&printable(&finding.line()));
    }
    let is_bad = findings.iter().any(|finding| finding.level == Level::Bad);
    Ok(if is_bad {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
