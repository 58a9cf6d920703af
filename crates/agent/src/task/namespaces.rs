//! Which namespaces of the kernel a task's containers share, and with whom: `pidMode` and `ipcMode` (agent.md 5.2).

use serde::{Deserialize, Serialize};

/// With whom one kind of namespace is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Sharing {
    /// Nothing is said: as the engine does it.
    #[default]
    Unsaid,
    /// With the host.
    Host,
    /// With the other containers of the task.
    Task,
    /// With nobody.
    Nobody,
}

/// Of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Namespaces {
    /// Of processes.
    pub(crate) pid: Sharing,
    /// Of shared memory, semaphores and message queues.
    pub(crate) ipc: Sharing,
}

impl Namespaces {
    /// `pidMode` and `ipcMode`; in error the field that says something unknown.
    pub(crate) fn read(pid_mode: Option<&str>, ipc_mode: Option<&str>) -> Result<Self, String> {
        let unknown =
            |field: &str, mode: Option<&str>| format!("unknown {field} `{}`", mode.unwrap_or_default());
        Ok(Self {
            pid: match pid_mode {
                None | Some("") => Sharing::Unsaid,
                Some("host") => Sharing::Host,
                Some("task") => Sharing::Task,
                other => return Err(unknown("pidMode", other)),
            },
            ipc: match ipc_mode {
                None | Some("") => Sharing::Unsaid,
                Some("host") => Sharing::Host,
                Some("task") => Sharing::Task,
                Some("none") => Sharing::Nobody,
                other => return Err(unknown("ipcMode", other)),
            },
        })
    }

    /// The fields that say something.
    pub(crate) fn named(self) -> impl Iterator<Item = &'static str> {
        let fields = [(self.pid, "pidMode"), (self.ipc, "ipcMode")];
        fields
            .into_iter()
            .filter(|(sharing, _)| *sharing != Sharing::Unsaid)
            .map(|(_, name)| name)
    }

    /// Whether one container has to hold a namespace for the others.
    pub(crate) fn need_a_holder(self) -> bool {
        self.pid == Sharing::Task || self.ipc == Sharing::Task
    }

    /// Those of the container that holds what the task shares.
    pub(crate) fn of_holder(self) -> ContainerNamespaces {
        ContainerNamespaces {
            pid: Namespace::Unsaid,
            ipc: match self.ipc {
                Sharing::Task => Namespace::Shareable,
                _ => Namespace::Unsaid,
            },
        }
    }

    /// Those of every other container, with the holder's name in the engine.
    pub(crate) fn of_member(self, holder: &str) -> ContainerNamespaces {
        let of = |sharing| match sharing {
            Sharing::Unsaid => Namespace::Unsaid,
            Sharing::Host => Namespace::Host,
            Sharing::Task => Namespace::Of(holder.to_owned()),
            Sharing::Nobody => Namespace::Nobody,
        };
        ContainerNamespaces {
            pid: of(self.pid),
            ipc: of(self.ipc),
        }
    }
}

/// One namespace of a container that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Namespace {
    /// As the engine does it.
    #[default]
    Unsaid,
    /// The host's.
    Host,
    /// Its own, with nothing in it that others could share.
    Nobody,
    /// Its own, and others may join.
    Shareable,
    /// That of the container with this engine name.
    Of(String),
}

/// Of a container that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ContainerNamespaces {
    pub(crate) pid: Namespace,
    pub(crate) ipc: Namespace,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_and_others_are_named() {
        let read =
            |pid: &str, ipc: &str| Namespaces::read(Some(pid), Some(ipc)).map(|all| (all.pid, all.ipc));
        assert_eq!(read("", ""), Ok((Sharing::Unsaid, Sharing::Unsaid)));
        assert_eq!(read("host", "none"), Ok((Sharing::Host, Sharing::Nobody)));
        assert_eq!(read("task", "task"), Ok((Sharing::Task, Sharing::Task)));
        assert_eq!(read("none", "host"), Err("unknown pidMode `none`".to_owned()));
        assert_eq!(read("host", "own"), Err("unknown ipcMode `own`".to_owned()));
        assert_eq!(Namespaces::read(None, None), Ok(Namespaces::default()));
    }

    #[test]
    fn the_holder_holds_and_the_members_join_or_have_the_hosts() {
        let shared = |pid, ipc| Namespaces { pid, ipc };
        let pair = |found: ContainerNamespaces| (found.pid, found.ipc);
        let joined = || Namespace::Of("pause".to_owned());
        let task = shared(Sharing::Task, Sharing::Task);
        assert!(task.need_a_holder());
        assert_eq!(pair(task.of_member("pause")), (joined(), joined()));
        assert_eq!(pair(task.of_holder()), (Namespace::Unsaid, Namespace::Shareable));
        // What holds the network, or one of the two, has nothing of the host's.
        let host = shared(Sharing::Host, Sharing::Host);
        assert!(!host.need_a_holder());
        assert_eq!(pair(host.of_holder()), (Namespace::Unsaid, Namespace::Unsaid));
        assert_eq!(pair(host.of_member("")), (Namespace::Host, Namespace::Host));
        let mixed = shared(Sharing::Host, Sharing::Nobody);
        assert_eq!(pair(mixed.of_member("")), (Namespace::Host, Namespace::Nobody));
    }
}
