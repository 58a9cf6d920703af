//! Commands run inside a container, with a terminal.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;

use super::errors::{Stage, at};
use crate::engine::{EngineError, Terminal};

/// As AWS's agent sets it.
const TERMINAL: &str = "TERM=xterm-256color";
/// Between a polite end and a forced one.
const GRACE: Duration = Duration::from_secs(2);

/// Marks the processes of a session, all of which inherit it.
const MARK: &str = "PORTCULLIS_EXEC_SESSION";
/// Sends a signal to all who carry a mark, with nothing but what is built into a shell: `sh -c END name=value SIGNAL`.
const END: &str = r#"for p in /proc/[0-9]*; do
while IFS= read -r e || [ -n "$e" ]; do case $e in *"$0"*) kill -s "$1" "${p#/proc/}"; break;; esac; done <"$p/environ"
done 2>/dev/null"#;

struct DockerTerminal {
    docker: Docker,
    id: String,
    container: String,
    mark: String,
    output: Mutex<BoxStream<'static, Result<LogOutput, bollard::errors::Error>>>,
    input: Mutex<Pin<Box<dyn AsyncWrite + Send>>>,
}

/// Starts a command in a container.
pub(super) async fn execute(
    docker: &Docker,
    container: &str,
    session: &str,
    command: &[String],
) -> Result<Arc<dyn Terminal>, EngineError> {
    let mark = format!("{MARK}={session}");
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(true),
        env: Some(vec![TERMINAL.to_owned(), mark.clone()]),
        cmd: Some(command.to_vec()),
        ..CreateExecOptions::default()
    };
    let created = docker.create_exec(container, options).await;
    let id = created.map_err(|error| at(Stage::Start, &error))?.id;
    let options = StartExecOptions {
        tty: true,
        ..StartExecOptions::default()
    };
    let started = docker.start_exec(&id, Some(options)).await;
    match started.map_err(|error| at(Stage::Start, &error))? {
        StartExecResults::Attached { output, input } => Ok(Arc::new(DockerTerminal {
            docker: docker.clone(),
            id,
            container: container.to_owned(),
            mark,
            output: Mutex::new(output),
            input: Mutex::new(input),
        })),
        StartExecResults::Detached => Err(EngineError::Refused("the command has no terminal".to_owned())),
    }
}

impl DockerTerminal {
    async fn is_running(&self) -> bool {
        let seen = self.docker.inspect_exec(&self.id).await;
        seen.is_ok_and(|seen| seen.running == Some(true))
    }

    /// The process as this host numbers it, if it is seen from here: an agent in a container, or with an engine
    /// elsewhere, would find somebody else's process under that number.
    async fn pid(&self) -> Option<Pid> {
        let seen = self.docker.inspect_exec(&self.id).await.ok()?;
        let (pid, container) = (seen.pid?, seen.container_id?);
        let groups = tokio::fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .await
            .ok()?;
        (!container.is_empty() && groups.contains(&container)).then_some(())?;
        Pid::from_raw(i32::try_from(pid).ok()?)
    }

    /// From inside, where it needs a shell but no view of the host's processes, and finds what the command has started.
    async fn signal_inside(&self, signal: &str) -> Result<(), bollard::errors::Error> {
        let command = ["sh", "-c", END, &self.mark, signal];
        let options = CreateExecOptions {
            cmd: Some(command.map(str::to_owned).to_vec()),
            ..CreateExecOptions::default()
        };
        let id = self.docker.create_exec(&self.container, options).await?.id;
        let options = StartExecOptions {
            detach: true,
            ..StartExecOptions::default()
        };
        self.docker.start_exec(&id, Some(options)).await.map(drop)
    }
}

impl Terminal for DockerTerminal {
    fn read(&self) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(async {
            let chunk = self.output.lock().await.try_next().await;
            chunk.ok().flatten().map(|chunk| chunk.into_bytes().to_vec())
        })
    }

    fn write<'a>(&'a self, keys: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(async {
            let mut input = self.input.lock().await;
            input.write_all(keys).await?;
            input.flush().await
        })
    }

    fn resize(&self, columns: u16, rows: u16) -> BoxFuture<'_, ()> {
        let options = ResizeExecOptions {
            height: rows,
            width: columns,
        };
        Box::pin(async move {
            if let Err(error) = self.docker.resize_exec(&self.id, options).await {
                tracing::debug!(%error, "a terminal could not be resized");
            }
        })
    }

    fn exit_code(&self) -> BoxFuture<'_, Option<i64>> {
        Box::pin(async { self.docker.inspect_exec(&self.id).await.ok()?.exit_code })
    }

    fn hang_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // Docker has no call that ends a command. A container need not have a shell, nor this agent a view of its
            // processes: whichever way there is.
            for (name, signal) in [("HUP", Signal::HUP), ("KILL", Signal::KILL)] {
                if !self.is_running().await {
                    return;
                }
                if let Err(error) = self.signal_inside(name).await {
                    tracing::debug!(%error, "no shell to end a command with");
                }
                if let Some(pid) = self.pid().await
                    && let Err(error) = kill_process(pid, signal)
                {
                    tracing::debug!(%error, "a command is gone already");
                }
                let ended = async { while self.output.lock().await.next().await.is_some() {} };
                let _ = tokio::time::timeout(GRACE, ended).await;
            }
            if self.is_running().await {
                tracing::warn!(
                    container = self.container,
                    "a command goes on that nobody can reach any more"
                );
            }
        })
    }
}
