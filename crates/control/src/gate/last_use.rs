//! Who used what, and when: noted in memory after authentication, whatever is decided then.

use std::sync::LazyLock;

use portcullis_core::Region;

use super::Gate;
use super::call::Call;
use super::caller::Identity;
use super::operation::{Check, Granted, Row};
use super::record::recorded_region;
use crate::advisor;
use crate::world::ActionName;

static US_EAST_1: LazyLock<Region> = LazyLock::new(Region::us_east_1);

impl Gate {
    /// Notes that a caller attempts an operation.
    pub(super) fn note_attempt(&self, call: &Call, row: Option<&Row>) {
        let action = row.and_then(|row| row.actions.first()).copied();
        let own = (call.service.name, call.operation);
        let action = action.and_then(|action| action.split_once(':')).unwrap_or(own);
        self.note_attempt_as(call, action);
    }

    /// Notes that a caller attempts an action.
    pub(super) fn note_attempt_as(&self, call: &Call, action: ActionName) {
        self.note_action(call, action);
        if let Some(key) = long_term_key(call) {
            let uses = self.world().uses();
            uses.note_key(key, action.0, call.now, region(call));
        }
    }

    /// Notes what else a call attempts, as its checks name it: tagging what it makes, for example.
    pub(super) fn note_checks(&self, call: &Call, checks: &[Check], granted: Option<&Granted>) {
        for check in checks {
            let happens = !check.optional || granted.is_some_and(|granted| granted.allows(check.action));
            match check.action.split_once(':') {
                Some(action) if happens && action != (call.service.name, call.operation) => {
                    self.note_action(call, action);
                }
                _ => {}
            }
        }
    }

    fn note_action(&self, call: &Call, action: ActionName) {
        let (service, name) = action;
        // What is known of other accounts' principals is theirs.
        let is_ours = call.caller.account == call.account;
        if !is_ours || !advisor::is_tracked(service, name) {
            return;
        }
        if let Some(principal) = principal(call) {
            let uses = self.world().uses();
            uses.note_principal(principal, action, call.now, region(call));
        }
    }
}

/// The unique id of the user or role that calls.
fn principal(call: &Call) -> Option<&str> {
    match &call.caller.identity {
        Identity::User { id, .. } | Identity::Role { id, .. } => Some(id),
        Identity::Federated { user_id, .. } => Some(user_id),
        _ => None,
    }
}

/// The long-term key that signed.
fn long_term_key(call: &Call) -> Option<&str> {
    let key = &call.caller.access_key_id;
    (call.caller.session.is_none() && !key.is_empty()).then_some(key)
}

fn region(call: &Call) -> &Region {
    let recorded = recorded_region(call);
    if recorded == call.region.as_str() {
        &call.region
    } else {
        &US_EAST_1
    }
}
