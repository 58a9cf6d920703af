//! Where a session began: the long-term credentials at the start of its chain. They go on through role chaining, also into
//! other accounts, so that whoever leaves takes every session along, and whoever deactivates a key ends what it opened.

use portcullis_core::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::caller::{Caller, Identity};
use crate::open_points;
use crate::world::Snapshot;

/// The credentials that opened a session, or the first one of its chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The account of the credentials; a role may be another account's.
    account: AccountId,
    /// The user's unique id; `None` is the root user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// The access key that signed.
    access_key_id: String,
}

impl Origin {
    /// Where a session begins that `caller` opens; `None` for services and those whom an identity provider vouches for.
    pub(super) fn of(caller: &Caller) -> Option<Self> {
        if let Some(session) = &caller.session {
            return session.origin.clone();
        }
        let user_id = match &caller.identity {
            Identity::Root => None,
            Identity::User { id, .. } => Some(id.clone()),
            _ => return None,
        };
        Some(Self {
            account: caller.account.clone(),
            user_id,
            access_key_id: caller.access_key_id.clone(),
        })
    }

    /// Whether a session that was issued then may go on, as far as its origin is concerned. Costs one look at a key and
    /// one at a user, however many have left; `view` is the picture of the session's own account.
    pub(super) fn lets_live(&self, view: &Snapshot, issued: Timestamp) -> bool {
        if self.account == view.account {
            return self.is_alive(view, issued);
        }
        let home = view.neighbours().view(&self.account);
        home.is_some_and(|home| self.is_alive(&home, issued))
    }

    fn is_alive(&self, home: &Snapshot, issued: Timestamp) -> bool {
        let user_stays = match &self.user_id {
            None => true,
            Some(id) => home
                .user_by_id(id)
                .is_some_and(|user| user.left.is_none() && is_after(issued, user.active_since)),
        };
        let key = home.access_keys.get(&self.access_key_id);
        user_stays
            && (!open_points::sessions_end_with_their_key()
                || key.is_some_and(|key| key.active && is_after(issued, key.active_since)))
    }
}

/// Whether something was issued after the return of what opened it. In doubt it was before.
fn is_after(issued: Timestamp, since: Option<Timestamp>) -> bool {
    since.is_none_or(|since| issued > since)
}
