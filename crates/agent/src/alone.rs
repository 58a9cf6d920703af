//! One agent to a state folder, and on Docker one to a host: a second one would take the first one's address and fence
//! away when it ends.

use std::fs::{DirBuilder, File, OpenOptions, metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::{AgentError, EngineKind};

/// Address and fence belong to a network namespace, whatever the state folder.
const NETWORK_NAMESPACE: &str = "/proc/thread-self/ns/net";
/// Only root writes there.
const HOST_LOCKS: &str = "/run";
/// An agent that is ending is waited for: a supervisor may start the next one before it has gone.
const PAUSE: Duration = Duration::from_millis(100);
const TRIES: usize = 50;

/// Held for as long as the agent runs; the kernel lets go of it when the agent is killed.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is open, that is all")] File);

/// Takes the state folder, and makes it when it is not there.
pub(crate) async fn with_state(state_dir: &Path) -> Result<Lock, AgentError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|source| failed(state_dir, source))?;
    let taken = take(&state_dir.join("agent.lock")).await?;
    taken.ok_or_else(|| AgentError::Occupied(format!("the state folder {}", state_dir.display())))
}

/// Takes the network namespace, where tasks need its address and fence.
pub(crate) async fn on_host(kind: EngineKind) -> Result<Option<Lock>, AgentError> {
    if kind == EngineKind::Process {
        return Ok(None);
    }
    let namespace = Path::new(NETWORK_NAMESPACE);
    let number = metadata(namespace)
        .map_err(|source| failed(namespace, source))?
        .ino();
    let path = PathBuf::from(HOST_LOCKS).join(format!("portcullis-agent-{number}.lock"));
    let taken = take(&path).await?;
    match taken {
        Some(lock) => Ok(Some(lock)),
        None => Err(AgentError::Occupied(format!(
            "this host's task network ({})",
            path.display()
        ))),
    }
}

/// `None` when another process keeps it.
async fn take(path: &Path) -> Result<Option<Lock>, AgentError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| failed(path, source))?;
    for _ in 0..TRIES {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Lock(file))),
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(failed(path, error.into())),
        }
    }
    Ok(None)
}

fn failed(path: &Path, source: io::Error) -> AgentError {
    AgentError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_state_folder_has_one_agent() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("deep/state");
        let first = with_state(&state).await.unwrap();
        let error = with_state(&state).await.unwrap_err();
        assert!(matches!(error, AgentError::Occupied(_)), "{error}");
        assert!(error.to_string().contains("deep/state"), "{error}");
        drop(first);
        with_state(&state).await.unwrap();
    }

    #[tokio::test]
    async fn the_process_engine_takes_nothing_of_the_host() {
        assert!(on_host(EngineKind::Process).await.unwrap().is_none());
    }
}
