//! The program at the terminal.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// Variables by which a program would find other credentials than its task's, or read them of another place.
const FOREIGN: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// Files that SDKs look into before they ask the credentials endpoint.
const EMPTY: &[&str] = &["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"];
/// Between the request to end and the end.
const GRACE: Duration = Duration::from_secs(10);

/// A running program.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Program {
    /// Starts it in this terminal, with what its task has in the environment.
    pub fn start(command: &[String], of_task: &BTreeMap<String, String>) -> Result<Self> {
        let (name, arguments) = command.split_first().context("there is no program to run")?;
        let child = Command::new(name)
            .args(arguments)
            .env_clear()
            .envs(environment(std::env::vars_os(), of_task))
            .kill_on_drop(true)
            .spawn();
        Ok(Self {
            child: child.with_context(|| format!("{name} could not be started"))?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for its end: its exit code, or 128 and the number of the signal that ended it. What interrupts the terminal
    /// reaches the program by itself; what ends this program alone is passed on.
    pub async fn ended(&mut self) -> Result<u8> {
        loop {
            tokio::select! {
                status = self.child.wait() => return Ok(code(status?)),
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => self.signal(Signal::TERM),
            }
        }
    }

    /// Ends it.
    pub async fn end(&mut self) -> Result<u8> {
        self.signal(Signal::TERM);
        if let Ok(status) = tokio::time::timeout(GRACE, self.child.wait()).await {
            return Ok(code(status?));
        }
        self.child.kill().await?;
        Ok(code(self.child.wait().await?))
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended in between.
            let _ = kill_process(pid, signal);
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let signalled = || status.signal().map(|number| 128 + number);
    let code = status.code().or_else(signalled).unwrap_or(1);
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// The environment of the terminal without credentials, and over it what the agent gave the task.
pub(super) fn environment(
    own: impl Iterator<Item = (OsString, OsString)>,
    of_task: &BTreeMap<String, String>,
) -> BTreeMap<OsString, OsString> {
    let is_foreign = |name: &OsStr| FOREIGN.iter().any(|foreign| name == OsStr::new(foreign));
    let mut all: BTreeMap<_, _> = own.filter(|(name, _)| !is_foreign(name)).collect();
    all.extend(EMPTY.iter().map(|name| ((*name).into(), "/dev/null".into())));
    let of_agent = |name: &String| name.starts_with("AWS_") || name.starts_with("ECS_");
    let given = of_task.iter().filter(|(name, _)| of_agent(name));
    all.extend(given.map(|(name, value)| (name.into(), value.into())));
    all
}
