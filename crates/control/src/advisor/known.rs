//! What is known of last uses: what is written down, and what was noted since.

use std::collections::BTreeMap;

use portcullis_core::Timestamp;

use crate::world::records::uses::{KeyUse, LastUsed, ServiceUse};
use crate::world::{Snapshot, Uses};

/// The last attempts of a principal, by service and action.
pub type Attempts = BTreeMap<String, BTreeMap<String, LastUsed>>;

/// What a user or role tried since `since`, denied attempts included.
pub fn attempts(view: &Snapshot, uses: &Uses, principal: &str, since: Timestamp) -> Attempts {
    let mut known = Attempts::new();
    for (_, row) in view.service_uses.prefix(&ServiceUse::prefix(principal)) {
        for (action, last) in &row.actions {
            note(&mut known, &row.service, action, last.clone());
        }
    }
    for ((service, action), last) in uses.of_principal(principal) {
        let last = LastUsed {
            at: last.at,
            region: last.region.to_string(),
        };
        note(&mut known, service, action, last);
    }
    for actions in known.values_mut() {
        actions.retain(|_, last| last.at >= since);
    }
    known.retain(|_, actions| !actions.is_empty());
    known
}

fn note(known: &mut Attempts, service: &str, action: &str, last: LastUsed) {
    let actions = known.entry(service.to_owned()).or_default();
    match actions.get_mut(action) {
        Some(earlier) if earlier.at > last.at => {}
        Some(earlier) => *earlier = last,
        None => {
            actions.insert(action.to_owned(), last);
        }
    }
}

/// When a role's sessions last made a call.
pub fn role_use(view: &Snapshot, uses: &Uses, role: &str) -> Option<LastUsed> {
    let attempts = attempts(view, uses, role, Timestamp::default());
    let all = attempts.into_values().flat_map(BTreeMap::into_values);
    all.max_by_key(|last| last.at)
}

/// When an access key last signed a call.
pub fn key_use(view: &Snapshot, uses: &Uses, key: &str) -> Option<KeyUse> {
    let kept = view.key_uses.get(key).map(|kept| KeyUse::clone(kept));
    let noted = uses.of_key(key).map(|(service, last)| KeyUse {
        key: key.to_owned(),
        at: last.at,
        service: service.to_owned(),
        region: last.region.to_string(),
    });
    kept.into_iter().chain(noted).max_by_key(|last| last.at)
}
