//! `portcullis agent --supervise`: keeps an agent running, starts the build it staged in its place, and goes back to the one
//! before when that does not prove its health (docs/agent-updates.md).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_agent::{BuildFolder, Happened, Supervision, Then, Which};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What a supervised agent prints once it is connected.
pub(super) const CONNECTED: &str = "connected";
/// The option whose place [`SUPERVISED`] takes in what an agent is started with.
const SUPERVISE: &str = "--supervise";
/// Tells an agent that somebody starts what it stages.
const SUPERVISED: &str = "--supervised";
/// Before an agent that ended is started again.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an agent may take to end when it is told to.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What the supervisor goes by.
pub(super) struct Plan {
    /// Where builds are; `None` when no builds are taken.
    pub(super) builds: Option<BuildFolder>,
    /// How long a new build may take to connect.
    pub(super) health_within: Duration,
}

/// Runs agents until one ends for good, or SIGTERM or SIGINT.
pub(super) async fn run(plan: Plan) -> Result<ExitCode> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let current = plan.builds.as_ref().and_then(BuildFolder::current);
    let mut supervision = Supervision::new(current.map_or(Which::Installed, Which::Build));
    loop {
        let Some(happened) = live(&plan, &mut supervision, &mut signals).await? else {
            return Ok(ExitCode::SUCCESS);
        };
        let staged = || plan.builds.as_ref().and_then(BuildFolder::take_staged);
        match supervision.on(happened, staged) {
            Then::Start => {}
            Then::End(code) => return Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
            _ => {
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    () = signals.any() => return Ok(ExitCode::SUCCESS),
                }
            }
        }
    }
}

/// One agent, from its start to its end; `None` when the supervisor was told to end.
async fn live(plan: &Plan, supervision: &mut Supervision, signals: &mut Signals) -> Result<Option<Happened>> {
    let which = supervision.running();
    let mut agent = match Running::start(&which) {
        Ok(agent) => agent,
        // A build that cannot be started is as good as one that ended at once.
        Err(error) if supervision.is_trial() => {
            tracing::error!("{error:#}");
            return Ok(Some(Happened::Ended(None)));
        }
        Err(error) => return Err(error),
    };
    tracing::info!(program = ?which, trial = supervision.is_trial(), "an agent is started");
    let health = Instant::now() + plan.health_within;
    loop {
        let happened = tokio::select! {
            status = agent.child.wait() => {
                let status = status?;
                tracing::info!(program = ?which, %status, "the agent ended");
                return Ok(Some(ended(status)));
            }
            () = connected(&mut agent.output) => Happened::Connected,
            () = sleep_until(health), if supervision.is_trial() => Happened::TookTooLong,
            () = signals.any() => {
                agent.end().await?;
                return Ok(None);
            }
        };
        match supervision.on(happened, || None) {
            Then::Keep(build) => {
                tracing::info!(program = ?which, "the new build is connected and stays");
                if let Some(builds) = &plan.builds {
                    builds.keep(&build).context("the new build cannot be kept")?;
                }
            }
            Then::Kill => {
                tracing::error!(program = ?which, "the new build did not connect in time; going back");
                agent.end().await?;
                return Ok(Some(Happened::Ended(None)));
            }
            _ => {}
        }
    }
}

fn ended(status: ExitStatus) -> Happened {
    Happened::Ended(status.code())
}

/// What ends the supervisor.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What an agent prints, until it prints no more.
type Output = Option<Lines<BufReader<ChildStdout>>>;

/// When the agent says that it is connected. Can be dropped at any time.
async fn connected(output: &mut Output) {
    while let Some(lines) = output {
        match lines.next_line().await {
            Ok(Some(line)) if line == CONNECTED => return,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => *output = None,
        }
    }
    std::future::pending().await
}

/// An agent that runs.
struct Running {
    child: Child,
    output: Output,
}

impl Running {
    fn start(which: &Which) -> Result<Self> {
        let program = match which {
            Which::Installed => std::env::current_exe().context("this program cannot be found")?,
            Which::Build(path) => PathBuf::from(path),
        };
        let mut child = Command::new(&program)
            .args(arguments(std::env::args_os().skip(1)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let output = child.stdout.take().map(|output| BufReader::new(output).lines());
        Ok(Self { child, output })
    }

    async fn end(&mut self) -> Result<()> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            // It may have ended in between.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if timeout(END_WITHIN, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// What the agent is started with: what the supervisor was, but to be supervised.
fn arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    own.map(|argument| match argument.to_str() {
        Some(SUPERVISE) => SUPERVISED.into(),
        _ => argument,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_gets_the_options_of_its_supervisor() {
        let own = ["agent", "--supervise", "--cluster", "c"].map(OsString::from);
        assert_eq!(
            arguments(own.into_iter()),
            ["agent", "--supervised", "--cluster", "c"]
        );
    }
}
