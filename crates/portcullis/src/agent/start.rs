//! Starts the agent and waits for its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_agent::{AgentError, Seams, Status};
use portcullis_core::{SystemClock, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::options::{Options, Prepared};
use super::supervise;

/// Ended, and to be started again.
const EXIT_RESTART: u8 = 1;
/// Ended, for the build that was staged to start.
const EXIT_REPLACED: u8 = 42;
/// Ended, and starting again cannot help.
const EXIT_FINAL: u8 = 5;

/// Runs the agent until SIGTERM or SIGINT. Its exit code tells whoever started it what to do (agent.md 7).
pub(super) async fn run(options: Options) -> Result<ExitCode> {
    let (supervise, supervised) = (options.supervise, options.supervised);
    let health_within = Duration::from_secs(options.update_health_seconds);
    let ended = match options.prepare() {
        Ok(prepared) if supervise => {
            crate::start_log(prepared.log_level);
            let builds = prepared.config.updates.build_folder();
            return supervise::run(supervise::Plan {
                builds,
                health_within,
            })
            .await;
        }
        Ok(prepared) => hold(prepared, supervised).await?,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            crate::complain(&format!("portcullis: {error}"));
            Ok(ExitCode::from(exit_code(&error)))
        }
    }
}

/// The genuine agent's exit code.
fn exit_code(error: &AgentError) -> u8 {
    match error {
        AgentError::Replaced => EXIT_REPLACED,
        error if error.is_final() => EXIT_FINAL,
        _ => EXIT_RESTART,
    }
}

async fn hold(prepared: Prepared, supervised: bool) -> Result<Result<(), AgentError>> {
    if supervised {
        // An agent without its supervisor would run beside the one that the next supervisor starts.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    }
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
            tracing::info!(instance = status.container_instance_arn, "the agent is connected");
            if supervised {
                crate::say(supervise::CONNECTED);
            }
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
            (AgentError::Replaced, 42),
            (AgentError::Docker("x".into()), 1),
            (AgentError::Network("x".into()), 1),
            (AgentError::Occupied("x".into()), 1),
        ] {
            assert_eq!(exit_code(&error), code, "{error}");
        }
    }
}
