//! `portcullis agent`: a container instance of a server elsewhere.

mod doctor;
mod instance_metadata;
mod options;
mod start;
mod supervise;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Options of `portcullis agent`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[group(skip)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    agent: options::Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check this host: engine, walls, sockets, configuration, clock, disk
    Doctor(doctor::Options),
    /// Ask the agent of this host whether it is well; ends with 0 when it is, with 1 when not
    Healthcheck,
}

/// Runs the agent until SIGTERM or SIGINT. Tasks go on; the next start finds them again.
pub async fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Some(Command::Doctor(options)) => doctor::run(options).await,
        Some(Command::Healthcheck) => Ok(healthcheck()),
        None => start::run(options.agent).await,
    }
}

/// As the genuine agent's `-healthcheck`: over its introspection API.
fn healthcheck() -> ExitCode {
    match portcullis_agent::is_healthy(options::INTROSPECTION_PORT) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
