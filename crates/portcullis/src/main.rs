//! The Portcullis command line.

mod agent;
mod assembly;
mod client;
mod demo_task;
mod image;
mod operations;
mod quickstart;
mod secret_option;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Amazon ECS with its real access control, self-hosted.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Options),
    /// Play the whole story once: policies, a refused and an allowed call, a task with a role of its own
    Quickstart(quickstart::Options),
    /// Run the container agent of a server elsewhere
    Agent(agent::Options),
    /// List the operations this server has
    Operations(operations::Options),
    /// What runs inside the quickstart's task
    #[command(hide = true)]
    DemoTask(demo_task::Options),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("portcullis: the runtime could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(command));
    // Blocking readers may outlive the story; they must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("portcullis: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(options) => serve::run(options).await,
        Command::Quickstart(options) => quickstart::run(options).await,
        Command::Agent(options) => agent::run(options).await,
        Command::Operations(options) => operations::run(&options),
        Command::DemoTask(options) => demo_task::run(options).await,
    }
}

/// Sends what the server has to tell to standard error. `PORTCULLIS_LOG` holds `tracing` filter directives.
fn start_log(default: &str) {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("PORTCULLIS_LOG")
        .try_from_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // Only a second call could fail, and the first filter is then as good.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
