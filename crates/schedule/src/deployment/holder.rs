//! What holds a service up whose PRIMARY deployment was given up and that does not go back (ecs.md 11). AWS does not say what
//! becomes of such a service while its tasks end one by one; here it must not waste away (docs/fidelity.md).

use super::progress::{Cause, Progress, Rollout};

/// The deployment that tasks are started of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its position: 0, the PRIMARY, unless that was given up.
    pub(super) deployment: usize,
    /// How many tasks the service is to have.
    pub(super) target: u32,
}

/// Who holds a service up: the PRIMARY, also one that somebody stopped, as far as it had come; of one that was given up, the
/// newest deployment that once was completed, which stands in for what is missing. Nobody, when the only tasks that could be
/// started are those that have just proved not to work.
pub(super) fn holder(progress: &[Progress], desired: u32) -> Option<Holder> {
    let primary = progress.first()?;
    let itself = |target| Holder {
        deployment: 0,
        target,
    };
    let Rollout::Failed(cause) = primary.rollout else {
        return Some(itself(desired));
    };
    let completed = |one: &Progress| one.rollout == Rollout::Completed;
    if let Some(at) = progress.iter().skip(1).position(completed) {
        return Some(Holder {
            deployment: at + 1,
            target: desired,
        });
    }
    match cause {
        Cause::TasksFailedToStart | Cause::TasksFailedHealthChecks => None,
        Cause::Alarm | Cause::StoppedToRollBack | Cause::Aborted => {
            Some(itself(primary.kept.map_or(desired, |kept| kept.min(desired))))
        }
    }
}
