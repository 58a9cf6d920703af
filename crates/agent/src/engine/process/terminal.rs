//! Commands run beside a task's process, on a pseudo-terminal: in its folder, with its environment.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::engine::Terminal;

/// Makes the terminal the controlling one, which a program can only do for itself.
const SETSID: &str = "/usr/bin/setsid";
const CHUNK: usize = 4096;
const COLUMNS: u16 = 80;
const ROWS: u16 = 24;
/// Between a polite end and a forced one.
const GRACE: Duration = Duration::from_secs(2);

/// A command on a pseudo-terminal.
pub(super) struct PseudoTerminal {
    ours: AsyncFd<OwnedFd>,
    pid: Option<Pid>,
    ended: watch::Receiver<Option<Option<i64>>>,
}

/// Starts a command with the environment and in the folder of the process `beside`.
pub(super) fn open(beside: Pid, command: &[String]) -> io::Result<PseudoTerminal> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    tcsetwinsize(&ours, size(COLUMNS, ROWS))?;
    fcntl_setfl(&ours, fcntl_getfl(&ours)? | OFlags::NONBLOCK)?;
    let child = prepared(beside, command, theirs)?.spawn()?;
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let (sender, ended) = watch::channel(None);
    tokio::spawn(wait(child, sender));
    Ok(PseudoTerminal {
        ours: watched(ours)?,
        pid,
        ended,
    })
}

#[expect(
    deprecated,
    reason = "its successor is unsafe to call; an owned descriptor stays open as long as it is watched"
)]
fn watched(ours: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(ours)
}

/// Without `setsid` there is no controlling terminal: programs run, but Ctrl-C does not reach them.
fn prepared(beside: Pid, command: &[String], terminal: OwnedFd) -> io::Result<Command> {
    let place = format!("/proc/{}", beside.as_raw_nonzero());
    let environment = fs::read(format!("{place}/environ"))?;
    let mut words = command.iter();
    let first = words.next().map(String::as_str).unwrap_or_default();
    let mut prepared = if Path::new(SETSID).exists() {
        let mut with = Command::new(SETSID);
        with.args(["--ctty", first]);
        with
    } else {
        let mut without = Command::new(first);
        without.process_group(0);
        without
    };
    let pairs = environment.split(|byte| *byte == 0).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        let text = |bytes: &[u8]| std::ffi::OsString::from_vec(bytes.to_vec());
        Some((text(name), text(value.get(1..)?)))
    });
    prepared
        .args(words)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .envs(pairs)
        .env("TERM", "xterm-256color")
        .current_dir(fs::read_link(format!("{place}/cwd"))?)
        .stdin(Stdio::from(terminal.try_clone()?))
        .stdout(Stdio::from(terminal.try_clone()?))
        .stderr(Stdio::from(terminal));
    Ok(prepared)
}

async fn wait(mut child: Child, sender: watch::Sender<Option<Option<i64>>>) {
    let status = child.wait().await.ok();
    sender.send_replace(Some(status.and_then(|status| status.code()).map(i64::from)));
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl PseudoTerminal {
    async fn read_some(&self) -> Option<Vec<u8>> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let mut ready = self.ours.readable().await.ok()?;
            let read = ready.try_io(|ours| Ok(rustix::io::read(ours.get_ref(), &mut chunk)?));
            match read {
                // The other side of a terminal nobody holds any more is an error, not an end.
                Ok(Ok(0) | Err(_)) => return None,
                Ok(Ok(count)) => {
                    chunk.truncate(count);
                    return Some(chunk);
                }
                Err(_not_ready) => {}
            }
        }
    }

    async fn write_all(&self, mut keys: &[u8]) -> io::Result<()> {
        while !keys.is_empty() {
            let mut ready = self.ours.writable().await?;
            match ready.try_io(|ours| Ok(rustix::io::write(ours.get_ref(), keys)?)) {
                Ok(written) => keys = keys.get(written?..).unwrap_or_default(),
                Err(_not_ready) => {}
            }
        }
        Ok(())
    }
}

impl Terminal for PseudoTerminal {
    fn read(&self) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.read_some())
    }

    fn write<'a>(&'a self, keys: &'a [u8]) -> BoxFuture<'a, io::Result<()>> {
        Box::pin(self.write_all(keys))
    }

    fn resize(&self, columns: u16, rows: u16) -> BoxFuture<'_, ()> {
        if let Err(error) = tcsetwinsize(self.ours.get_ref(), size(columns, rows)) {
            tracing::debug!(%error, "a terminal could not be resized");
        }
        Box::pin(std::future::ready(()))
    }

    fn exit_code(&self) -> BoxFuture<'_, Option<i64>> {
        let mut ended = self.ended.clone();
        Box::pin(async move {
            ended
                .wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|code| *code)?
        })
    }

    fn hang_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            for signal in [Signal::HUP, Signal::KILL] {
                let mut ended = self.ended.clone();
                if ended.borrow().is_some() {
                    return;
                }
                if let Some(pid) = self.pid
                    && let Err(error) = kill_process_group(pid, signal)
                {
                    tracing::debug!(%error, "a command is gone already");
                }
                let _ = tokio::time::timeout(GRACE, ended.wait_for(Option::is_some)).await;
            }
        })
    }
}
