//! Waiting for the end of a process, whether it is our child or was an earlier agent's.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;

use rustix::process::{PidfdFlags, Signal, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Child;

use super::super::Exit;
use super::REASON_UNSEEN;
use super::record::Record;

/// Waits for the end, ends what the process left in its group, and says how it ended.
pub(super) async fn end_of(record: Record, child: Option<Child>) -> Exit {
    wait_until_dead(record).await;
    // Before a child is reaped its number cannot be given to another process, so this hits only its own group.
    if child.is_some()
        && let Some(pid) = record.pid()
    {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let code = match child {
        Some(mut child) => child.wait().await.ok().and_then(|status| {
            // As Docker reports it: 128 and the signal's number.
            status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
        }),
        None => None,
    };
    let reason = code.is_none().then(|| REASON_UNSEEN.to_owned());
    Exit {
        runtime_id: record.runtime_id(),
        code,
        reason,
        finished_at: None,
    }
}

async fn wait_until_dead(record: Record) {
    let Some(handle) = record
        .pid()
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return;
    };
    if !record.is_present() {
        return;
    }
    #[expect(
        deprecated,
        reason = "its successor is unsafe; an owned handle lives as long as its registration"
    )]
    let watched = AsyncFd::<OwnedFd>::with_interest(handle, Interest::READABLE);
    match watched {
        Ok(handle) => {
            let _ = handle.readable().await;
        }
        Err(error) => tracing::error!(%error, "cannot watch a process"),
    }
}
