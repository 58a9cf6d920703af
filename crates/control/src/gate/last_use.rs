//! When access keys and roles were last used: noted after authentication, whatever is decided then.

use std::convert::Infallible;

use super::Gate;
use super::call::Call;
use super::caller::Identity;
use super::record::recorded_region;
use crate::world::Snapshot;
use crate::world::records::iam::LastUse;

impl Gate {
    /// Notes a use that says something new. A use that cannot be kept is no reason to refuse the call.
    pub(super) async fn note_use(&self, view: &Snapshot, call: &Call) {
        let Some(subject) = subject(call) else { return };
        if view
            .last_uses
            .get(subject)
            .is_some_and(|known| says_it_already(known, call))
        {
            return;
        }
        let last = LastUse {
            subject: subject.to_owned(),
            at: call.now,
            service: call.service.name.to_owned(),
            region: recorded_region(call).to_owned(),
        };
        let noted = self.world().write::<_, Infallible>(|tx| {
            tx.put(last);
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the last use of a key could not be noted");
        }
    }
}

/// The long-term key that signed, or the role whose session called.
fn subject(call: &Call) -> Option<&str> {
    match (&call.caller.identity, &call.caller.session) {
        (Identity::Role { id, .. }, _) => Some(id),
        (_, None) => Some(&call.caller.access_key_id),
        (_, Some(_)) => None,
    }
}

fn says_it_already(known: &LastUse, call: &Call) -> bool {
    known.service == call.service.name
        && known.region == recorded_region(call)
        && call.now.seconds_since(known.at) < LastUse::GRANULARITY_SECONDS
}
