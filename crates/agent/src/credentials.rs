//! Task credentials, in memory only (agent.md 1.4): pushed by the control plane, read by the endpoint. Readers take no
//! lock: the ids are one immutable map behind a pointer, and the keys of an id another pointer, so that a rotation
//! changes nothing but that one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use hyper::body::Bytes;
use portcullis_core::{Secret, Timestamp};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleKind {
    /// The task's own calls.
    TaskApplication,
    /// Pulling, logging and secrets on behalf of the task.
    TaskExecution,
}

impl RoleKind {
    /// `roleType` of ACS.
    pub(crate) fn from_wire(text: &str) -> Option<Self> {
        match text {
            "TaskApplication" => Some(Self::TaskApplication),
            "TaskExecution" => Some(Self::TaskExecution),
            _ => None,
        }
    }

    /// Event type of the audit log (agent.md 2).
    pub(crate) fn event_type(self) -> &'static str {
        match self {
            Self::TaskApplication => "GetCredentials",
            Self::TaskExecution => "GetCredentialsExecutionRole",
        }
    }
}

/// One set of temporary keys as ACS sent it.
#[derive(Debug, Clone)]
pub(crate) struct RoleCredentials {
    pub(crate) id: String,
    pub(crate) role_arn: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Secret,
    pub(crate) session_token: Secret,
    /// Passed through as text.
    pub(crate) expiration: String,
}

/// Keys with the body that hands them out, made once when they come.
pub(crate) struct Held {
    pub(crate) credentials: Arc<RoleCredentials>,
    pub(crate) body: Bytes,
    /// `None` when the text is no time: such keys never end here.
    expires: Option<Timestamp>,
}

impl Held {
    /// Whether they have ended.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

/// An id the agent knows.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) task_arn: Arc<str>,
    pub(crate) kind: RoleKind,
    /// Absent after a restart until ACS sends them again: 503.
    current: ArcSwapOption<Held>,
}

impl Known {
    /// The keys, when they are there.
    pub(crate) fn held(&self) -> arc_swap::Guard<Option<Arc<Held>>> {
        self.current.load()
    }
}

type Ids = HashMap<Arc<str>, Arc<Known>>;

/// All ids by `credentialsId`.
#[derive(Debug, Default)]
pub(crate) struct CredentialCache {
    ids: ArcSwap<Ids>,
    /// Writers take turns; readers never wait for them.
    writers: Mutex<()>,
    /// Told when keys come.
    came: Notify,
}

impl CredentialCache {
    /// An id of the saved state, whose keys are still to come.
    pub(crate) fn expect(&self, id: &str, task_arn: &str, kind: RoleKind) {
        self.change(|ids| {
            (!ids.contains_key(id)).then(|| with(ids, id, Arc::new(known(task_arn, kind, None))))
        });
    }

    /// Stores or replaces keys; the next fetch gets them.
    pub(crate) fn put(&self, task_arn: &str, kind: RoleKind, credentials: RoleCredentials) {
        let held = Arc::new(Held {
            body: crate::endpoint::credentials_document(&credentials),
            expires: credentials.expiration.parse().ok(),
            credentials: Arc::new(credentials),
        });
        let id = held.credentials.id.clone();
        self.change(|ids| match ids.get(id.as_str()) {
            Some(there) if there.kind == kind && *there.task_arn == *task_arn => {
                there.current.store(Some(held));
                None
            }
            _ => Some(with(ids, &id, Arc::new(known(task_arn, kind, Some(held))))),
        });
        self.came.notify_waiters();
    }

    /// Resolves when keys come next, counted from this call on.
    pub(crate) fn next_change(&self) -> Notified<'_> {
        self.came.notified()
    }

    /// Every id a task ever had for this is unknown from now on: while its containers run they ask by the first, which
    /// stays in their environment whatever id a refresh brings (agent.md 1.4).
    pub(crate) fn forget(&self, task_arn: &str, kind: RoleKind) {
        self.change(|ids| {
            let goes = |known: &Known| known.kind == kind && *known.task_arn == *task_arn;
            let mut gone = ids.values().filter(|known| goes(known)).peekable();
            gone.peek()?;
            gone.for_each(|known| known.current.store(None));
            let mut rest = Ids::clone(ids);
            rest.retain(|_, known| !goes(known));
            Some(rest)
        });
    }

    /// What is known of an id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Known>> {
        self.ids.load().get(id).map(Arc::clone)
    }

    /// The keys behind an id, when they are there.
    pub(crate) fn keys(&self, id: &str) -> Option<Arc<RoleCredentials>> {
        let known = self.get(id)?;
        let held = known.held();
        held.as_ref().map(|held| Arc::clone(&held.credentials))
    }

    /// Whether keys of a known id are still to come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.ids.load().values().any(|known| known.held().is_none())
    }

    /// Puts a new map in the place of the old one, when there is one.
    fn change(&self, change: impl FnOnce(&Ids) -> Option<Ids>) {
        let _turn = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = change(&self.ids.load());
        if let Some(new) = new {
            self.ids.store(Arc::new(new));
        }
    }
}

fn known(task_arn: &str, kind: RoleKind, held: Option<Arc<Held>>) -> Known {
    Known {
        task_arn: task_arn.into(),
        kind,
        current: ArcSwapOption::new(held),
    }
}

fn with(ids: &Ids, id: &str, known: Arc<Known>) -> Ids {
    let mut more = ids.clone();
    more.insert(id.into(), known);
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(id: &str, key: &str) -> RoleCredentials {
        RoleCredentials {
            id: id.into(),
            role_arn: "arn:aws:iam::111122223333:role/r".into(),
            access_key_id: key.into(),
            secret_access_key: Secret::new("sk"),
            session_token: Secret::new("tok"),
            expiration: "2026-11-22T05:00:00Z".into(),
        }
    }

    #[test]
    fn agent_1_4_a_rotation_keeps_the_id_and_a_stop_forgets_it() {
        let cache = CredentialCache::default();
        cache.expect("c", "task/a", RoleKind::TaskApplication);
        assert!(cache.is_waiting());
        cache.put("task/a", RoleKind::TaskApplication, credentials("c", "AK1"));
        let before = cache.get("c").unwrap();
        cache.put("task/a", RoleKind::TaskApplication, credentials("c", "AK2"));
        assert!(
            Arc::ptr_eq(&before, &cache.get("c").unwrap()),
            "only its keys changed"
        );
        assert_eq!(cache.keys("c").unwrap().access_key_id, "AK2");
        cache.expect("c", "task/a", RoleKind::TaskApplication);
        assert!(!cache.is_waiting(), "keys that are there are not lost");
        cache.forget("task/a", RoleKind::TaskExecution);
        assert!(cache.get("c").is_some(), "the other role ended");
        cache.forget("task/a", RoleKind::TaskApplication);
        assert!(cache.get("c").is_none());
        assert!(
            before.held().is_none(),
            "also for whoever looked it up just before"
        );
    }

    #[test]
    fn agent_1_4_an_id_that_was_replaced_goes_with_its_task() {
        let cache = CredentialCache::default();
        cache.put("task/a", RoleKind::TaskApplication, credentials("old", "AK1"));
        cache.put("task/b", RoleKind::TaskApplication, credentials("other", "AK3"));
        cache.put("task/a", RoleKind::TaskApplication, credentials("new", "AK2"));
        assert!(cache.get("old").is_some(), "running containers know no other");
        cache.forget("task/a", RoleKind::TaskApplication);
        assert!(cache.get("old").is_none() && cache.get("new").is_none());
        assert!(cache.get("other").is_some());
    }

    #[test]
    fn an_id_of_another_task_is_another_id() {
        let cache = CredentialCache::default();
        cache.put("task/a", RoleKind::TaskApplication, credentials("c", "AK1"));
        cache.put("task/b", RoleKind::TaskApplication, credentials("c", "AK2"));
        let known = cache.get("c").unwrap();
        assert_eq!(&*known.task_arn, "task/b");
    }

    #[test]
    fn keys_end_when_they_say() {
        let cache = CredentialCache::default();
        cache.put("task/a", RoleKind::TaskApplication, credentials("c", "AK1"));
        let known = cache.get("c").unwrap();
        let held = known.held();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let held = held.as_ref().unwrap();
        assert!(!held.is_expired(at("2026-11-22T04:59:59Z")));
        assert!(held.is_expired(at("2026-11-22T05:00:00Z")));
    }
}
