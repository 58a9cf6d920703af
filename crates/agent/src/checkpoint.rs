//! What survives the agent: who it is and which tasks it runs. No secret is ever written here; credentials come again
//! over ACS (agent.md 1.4).

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::saved::{read, write};
use crate::task::images::Images;
use crate::task::model::{Container, Task, id_of};
use crate::{AgentError, EngineKind};

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// As configured when it registered.
    pub(crate) cluster: String,
    pub(crate) container_instance_arn: Option<String>,
    /// Loopback port that running process tasks know as their credentials endpoint.
    pub(crate) endpoint_port: Option<u16>,
}

impl Identity {
    /// What ran the tasks of the agent that registered so.
    pub(crate) fn engine(&self) -> Option<EngineKind> {
        self.container_instance_arn.as_ref()?;
        Some(match self.endpoint_port {
            Some(_) => EngineKind::Process,
            None => EngineKind::Docker,
        })
    }
}

/// The folder of saved state.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoint {
    folder: PathBuf,
}

impl Checkpoint {
    /// Makes the folders, for the owner's eyes only.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, AgentError> {
        let folder = state_dir.join("checkpoint");
        let tasks = folder.join("tasks");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&tasks)
            .map_err(|source| AgentError::File { path: tasks, source })?;
        Ok(Self { folder })
    }

    /// The saved identity; the default at the first start.
    pub(crate) fn identity(&self) -> Result<Identity, AgentError> {
        Ok(read(&self.identity_path())?.unwrap_or_default())
    }

    /// Saves the identity.
    pub(crate) fn save_identity(&self, identity: &Identity) -> Result<(), AgentError> {
        write(&self.identity_path(), identity)
    }

    /// All saved tasks.
    pub(crate) fn tasks(&self) -> Result<Vec<Task>, AgentError> {
        let folder = self.folder.join("tasks");
        let listed = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let entries = listed.map_err(|source| AgentError::File { path: folder, source })?;
        let paths = entries.into_iter().map(|entry| entry.path());
        let saved = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        saved.filter_map(|path| read(&path).transpose()).collect()
    }

    /// Whether containers of saved tasks may be running, whatever became of the agent that started them.
    pub(crate) fn has_running(&self) -> Result<bool, AgentError> {
        let tasks = self.tasks()?;
        let mut containers = tasks.iter().flat_map(|task| &task.containers);
        Ok(containers.any(Container::may_run))
    }

    /// Whether anything is still to be done for a saved task.
    pub(crate) fn has_unfinished(&self) -> Result<bool, AgentError> {
        Ok(self.tasks()?.iter().any(|task| !task.is_over()))
    }

    /// Saves a task.
    pub(crate) fn save_task(&self, task: &Task) -> Result<(), AgentError> {
        write(&self.task_path(&task.arn), task)
    }

    /// Forgets a task.
    pub(crate) fn remove_task(&self, arn: &str) -> Result<(), AgentError> {
        let path = self.task_path(arn);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(AgentError::File { path, source }),
            _ => Ok(()),
        }
    }

    /// The images tasks brought.
    pub(crate) fn images(&self) -> Result<Images, AgentError> {
        Ok(read(&self.folder.join("images.json"))?.unwrap_or_default())
    }

    /// Saves them.
    pub(crate) fn save_images(&self, images: &Images) -> Result<(), AgentError> {
        write(&self.folder.join("images.json"), images)
    }

    fn identity_path(&self) -> PathBuf {
        self.folder.join("agent.json")
    }

    fn task_path(&self, arn: &str) -> PathBuf {
        self.folder.join("tasks").join(format!("{}.json", id_of(arn)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::model::Known;
    use crate::task::plan::tests::{container, task};

    /// What stands around containers stands as long as one of them may run.
    #[test]
    fn containers_may_run_from_the_first_try_until_their_end_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert!(!checkpoint.has_running().unwrap());
        for (attempted, known, doubtful, may_run) in [
            (false, Known::None, false, false),
            (true, Known::None, false, true),
            (true, Known::Running, false, true),
            (true, Known::Stopped, true, true),
            (true, Known::Stopped, false, false),
            (false, Known::Stopped, false, false),
        ] {
            // Another that has not come as far says nothing about it.
            let mut saved = task(vec![container("app", true, &[]), container("side", true, &[])]);
            let app = saved.container_mut("app").unwrap();
            (app.attempted, app.known, app.doubtful) = (attempted, known, doubtful);
            checkpoint.save_task(&saved).unwrap();
            assert_eq!(
                checkpoint.has_running().unwrap(),
                may_run,
                "{attempted} {known:?} {doubtful}"
            );
        }
        fs::write(folder.path().join("checkpoint/tasks/torn.json"), "{").unwrap();
        assert!(checkpoint.has_running().is_err(), "nobody knows");
    }

    #[test]
    fn what_was_saved_comes_back_and_what_is_torn_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        assert_eq!(checkpoint.identity().unwrap(), Identity::default());
        let identity = Identity {
            cluster: "probe".into(),
            ..Identity::default()
        };
        checkpoint.save_identity(&identity).unwrap();
        assert_eq!(
            Checkpoint::open(folder.path()).unwrap().identity().unwrap(),
            identity
        );
        let path = folder.path().join("checkpoint/agent.json");
        fs::write(&path, "{\"cluster\":").unwrap();
        let error = checkpoint.identity().unwrap_err().to_string();
        assert!(
            error.contains("agent.json") && error.contains("remove it"),
            "{error}"
        );
    }
}
