//! Child processes that end with us, and what the kernel knows of them.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// How long a server may take to end when it is asked to.
const END_WITHIN: Duration = Duration::from_secs(5);

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts a program.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .spawn()
            .with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        Ok(Self(child))
    }

    /// Starts a program that the kernel ends when we end in whatever way.
    pub fn start_tied(command: &Command) -> Result<Self> {
        let mut tied = ourselves("tied")?;
        tied.arg(command.get_program()).args(command.get_args());
        tied.envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        Self::start(&mut tied)
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> Result<()> {
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("a process without an id")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + END_WITHIN;
        while self.0.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the server did not end within {} s", END_WITHIN.as_secs());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether it has not ended by itself.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Memory that is resident, in bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// Of that what no file backs: all but the program itself.
    pub fn anonymous_bytes(&self) -> Result<u64> {
        self.memory("RssAnon:")
    }

    fn memory(&self, which: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(which)?.trim().strip_suffix(" kB")?.parse().ok());
        kib.map(|kib: u64| kib * 1024)
            .context("the kernel does not tell how much memory a process has")
    }

    /// Time its threads have spent on a processor.
    pub fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let times = fs::read_to_string(thread?.path().join("schedstat"))?;
            let time: Option<u64> = times.split(' ').next().and_then(|time| time.parse().ok());
            nanos += time.context("the kernel does not tell how long a thread ran")?;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another role of this very program.
pub fn ourselves(role: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("the path of this program is unknown")?);
    command.arg(role);
    Ok(command)
}

/// Becomes another program that dies with the one that started us.
pub fn become_tied(arguments: &[String]) -> Result<()> {
    let (program, rest) = arguments.split_first().context("there is no program to start")?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Err(anyhow!(Command::new(program).args(rest).exec()))
        .with_context(|| format!("{program} cannot be started"))
}

/// An address on loopback that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
