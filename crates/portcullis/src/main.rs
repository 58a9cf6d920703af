//! The Portcullis command line.

mod account;
mod agent;
mod agent_build;
mod assembly;
mod audit;
mod blob_options;
mod client;
mod connection;
mod demo_task;
mod events;
mod exec;
mod explain;
mod hosts;
mod iam;
mod image;
mod operations;
mod policy;
mod printable;
mod quickstart;
mod run;
mod secret_option;
mod serve;
#[cfg(test)]
mod town;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

/// Requests are many small allocations, some freed on another thread: a third of a call's time with glibc's allocator
/// (docs/performance.md). Every block is wiped when it is freed, whoever had it - bodies, replies, what libraries made of
/// them - so that no value of a secret stays behind (docs/secrets.md).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);

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
    /// Make and list the accounts of a running server
    Account(account::Options),
    /// List the operations this server has
    Operations(operations::Options),
    /// The identities of a running server: who is allowed what, one file of all, tokens for SCIM
    Iam(iam::Options),
    /// What happens to the tasks, container instances and services of a running server
    Events(events::Options),
    /// Run a program of this machine with a task role's credentials, and see what it may do
    Run(run::Options),
    AgentBuild(agent_build::Options),
    /// The agents of container instances: who waits to be let in, and letting one in
    Hosts(hosts::Options),
    /// Who fetched credentials on which host, beside what was called with them
    Audit(audit::Options),
    /// Run a command in a container of a running task, on this terminal; needs no plugin
    Exec(exec::Options),
    /// Why a running server refused a request, by the authorization id in the refusal
    Explain(explain::Options),
    /// Check, explain, compare and rewrite policies; needs no server
    Policy(policy::Options),
    /// What runs inside the quickstart's task
    #[command(hide = true)]
    DemoTask(demo_task::Options),
    /// What runs inside the task of `portcullis run`
    #[command(hide = true)]
    TaskHolder(run::holder::Options),
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = match runtime_for(&command).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            crate::complain(&format!("portcullis: the runtime could not be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(command));
    // Blocking readers may outlive the story; they must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(error) => {
            crate::complain(&format!("portcullis: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// An agent waits for others nearly all the time: more threads than this would only cost memory, on a host of many
/// cores more than all else it needs.
const AGENT_THREADS: usize = 4;

fn runtime_for(command: &Command) -> tokio::runtime::Builder {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    if matches!(command, Command::Agent(_)) {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        builder.worker_threads(cores.min(AGENT_THREADS));
    }
    builder
}

/// A question to a running server could not be put: 1 would say that the server refused.
const NOT_ASKED: u8 = 2;

/// The end of a command that puts questions to a running server.
fn asked(outcome: anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    Ok(outcome.unwrap_or_else(|error| {
        crate::complain(&format!("portcullis: {error:#}"));
        ExitCode::from(NOT_ASKED)
    }))
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(options) => serve::run(options).await,
        Command::Quickstart(options) => quickstart::run(options).await,
        Command::Agent(options) => agent::run(options).await,
        Command::AgentBuild(options) => agent_build::run(options),
        Command::Account(options) => account::run(options).await,
        Command::Operations(options) => operations::run(&options),
        Command::Iam(options) => iam::run(options).await,
        Command::Events(options) => asked(events::run(options).await),
        Command::Hosts(options) => asked(hosts::run(options).await),
        Command::Audit(options) => asked(audit::run(options).await),
        Command::Exec(options) => asked(exec::run(options).await),
        Command::Run(options) => run::run(options).await,
        Command::TaskHolder(options) => run::holder::run(options).await,
        Command::Explain(options) => asked(explain::run(options).await),
        Command::Policy(options) => policy::run(options),
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
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = tracing_subscriber::fmt()
        .with_ansi(colours)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

/// Waits until somebody wants the program to end: SIGINT, SIGTERM or SIGHUP.
async fn interrupted() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// Prints a line; a reader that has gone away is no failure.
fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a line to standard error; `eprintln!` panics where its reader has gone away.
fn complain(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
