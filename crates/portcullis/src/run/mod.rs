//! `portcullis run`: a program of this machine with the credentials of a task role, and what it may and may not do.
//!
//! Nobody may assume a role that trusts `ecs-tasks.amazonaws.com` but ECS, so this is a task: the machine joins a cluster as a
//! container instance with the caller's own credentials, and the caller starts a task on it, for which PassRole is decided, the
//! role's trust tried, and everything recorded as for any other. The task's container is this program once more
//! ([`holder`]); it hands what it got from the agent to the program at the terminal.

mod decisions;
mod door;
pub mod holder;
mod host;
mod program;
mod task;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use self::decisions::Decisions;
use self::door::Door;
use self::host::Host;
use self::program::Program;
use self::task::{Roles, Task};
use crate::complain;
use crate::connection::Connection;
use crate::printable::printable;

/// How often the event history is asked.
const LOOK: Duration = Duration::from_millis(500);
/// How long a task may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Run a program of this machine with the credentials of a task role, which rotate as in a task, and show on standard error
/// which of its calls were allowed, which were denied, and why.
///
/// The caller needs what it takes to run a task with that role (iam:PassRole for ecs-tasks.amazonaws.com,
/// ecs:RegisterTaskDefinition, ecs:StartTask), what it takes to join a machine to the cluster (those of
/// AmazonEC2ContainerServiceforEC2Role and ecs:DeregisterContainerInstance), and cloudtrail:LookupEvents to see the decisions.
/// See docs/run.md.
///
/// Ends with the program's exit code, or 125 when it could not be run.
#[derive(Debug, Args)]
pub struct Options {
    /// Name or ARN of the task role
    #[arg(long, value_name = "ROLE")]
    task_role: String,
    /// Name or ARN of an execution role, which the task only has to be allowed to have: nothing is pulled
    #[arg(long, value_name = "ROLE")]
    execution_role: Option<String>,
    /// The cluster this machine joins for as long as the program runs; made when it is not there
    #[arg(long, default_value = "portcullis-run")]
    cluster: String,
    #[command(flatten)]
    connection: Connection,
    /// The program and its arguments, behind `--`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode> {
    crate::start_log("error");
    match prepare(&options).await {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) => {
            complain(&format!("portcullis run: {error:#}"));
            Ok(ExitCode::from(125))
        }
    }
}

async fn prepare(options: &Options) -> Result<u8> {
    let client = options.connection.client()?;
    task::make_cluster(&client, &options.cluster).await?;
    let host = Host::join(&options.connection, &options.cluster).await?;
    let outcome = play(options, &host).await;
    let left = host.leave().await;
    let code = outcome?;
    if let Err(error) = left {
        let why = printable(&format!("{error:#}"));
        complain(&format!(
            "portcullis run: this machine is still registered in the cluster: {why}"
        ));
    }
    Ok(code)
}

/// From the start of the task to its end.
async fn play(options: &Options, host: &Host) -> Result<u8> {
    let client = options.connection.client()?;
    let mut door = Door::open(host.folder())?;
    let roles = Roles {
        task: &options.task_role,
        execution: options.execution_role.as_deref(),
    };
    let task = Task::start(&client, host, roles, &door).await?;
    let outcome = tokio::select! {
        // A task that ended is told of even if its holder came by.
        biased;
        error = task.failure() => Err(error),
        guest = door.admit() => match guest {
            Ok(guest) => accompany(options, &client, &task, guest).await,
            Err(error) => Err(error),
        },
        () = tokio::time::sleep(PATIENCE) => Err(anyhow::anyhow!("the task did not start within a minute")),
    };
    if let Err(error) = task.forget(&client).await {
        let why = printable(&format!("{error:#}"));
        complain(&format!(
            "portcullis run: the task definition is still registered: {why}"
        ));
    }
    outcome
}

/// The program with its credentials, and beside it what is decided of its calls.
async fn accompany(
    options: &Options,
    client: &crate::client::Client,
    task: &Task<'_>,
    mut guest: door::Guest,
) -> Result<u8> {
    let mut decisions = Decisions::of(client.clone(), task);
    let mut program = Program::start(&options.command, &guest.environment)?;
    complain(&printable(&format!(
        "portcullis run: task {} with role {}",
        task.id, options.task_role
    )));
    let mut looks = tokio::time::interval(LOOK);
    let code = loop {
        tokio::select! {
            code = program.ended() => break code?,
            () = guest.gone() => {
                complain("portcullis run: the task was stopped; the program is ended");
                break program.end().await?;
            }
            _ = looks.tick() => decisions.tell().await,
        }
    };
    decisions.tell().await;
    complain(&decisions.summary());
    guest.tell_end(code).await;
    Ok(code)
}
