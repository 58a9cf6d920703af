//! Starts the agent and waits for its end.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use portcullis_agent::{AgentError, Seams, Status};
use portcullis_core::{SystemClock, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::options::Options;

/// Ended, and to be started again.
const EXIT_RESTART: u8 = 1;
/// Ended, and starting again cannot help.
const EXIT_FINAL: u8 = 5;

/// Runs the agent until SIGTERM or SIGINT. Its exit code tells whoever started it what to do (agent.md 7).
pub(super) async fn run(options: Options) -> Result<ExitCode> {
    match hold(options).await? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            crate::complain(&format!("portcullis: {error}"));
            Ok(ExitCode::from(exit_code(&error)))
        }
    }
}

/// The genuine agent's exit code.
fn exit_code(error: &AgentError) -> u8 {
    if error.is_final() {
        EXIT_FINAL
    } else {
        EXIT_RESTART
    }
}

async fn hold(options: Options) -> Result<Result<(), AgentError>> {
    let prepared = match options.prepare() {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Err(error)),
    };
    crate::start_log(prepared.log_level);
    for warning in &prepared.warnings {
        tracing::warn!("{warning}");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    let (status, mut seen) = watch::channel(Status::default());
    let seams = Seams {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    let mut run = tokio::spawn(portcullis_agent::run(prepared.config, seams, status, stopped));
    tokio::spawn(async move {
        if let Some(status) = portcullis_agent::connected(&mut seen).await {
            for notice in &status.notices {
                tracing::info!("{notice}");
            }
            tracing::info!(instance = status.container_instance_arn, "the agent is connected");
        }
    });
    let ended = tokio::select! {
        ended = &mut run => ended,
        _ = terminate.recv() => end(&stop, run).await,
        _ = interrupt.recv() => end(&stop, run).await,
    };
    ended.context("the agent broke down")
}

async fn end<T>(
    stop: &watch::Sender<bool>,
    run: tokio::task::JoinHandle<T>,
) -> Result<T, tokio::task::JoinError> {
    stop.send_replace(true);
    run.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_7_exit_codes_say_whether_to_start_again() {
        let refused = AgentError::Registration {
            code: "ClientException".into(),
            message: "no".into(),
        };
        for (error, code) in [
            (refused, 5),
            (AgentError::AttributeNotEchoed("a".into()), 5),
            (AgentError::Setting("x".into()), 5),
            (AgentError::Docker("x".into()), 1),
            (AgentError::Network("x".into()), 1),
        ] {
            assert_eq!(exit_code(&error), code, "{error}");
        }
    }
}
