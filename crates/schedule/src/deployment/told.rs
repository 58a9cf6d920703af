//! What is told once, and again only after a while; and when to look again for it.

use portcullis_core::Timestamp;

use super::outcome::Says;
use super::progress::Progress;
use super::rolling::Blocked;

/// A state that lasts is told again every six hours (ecs.md 11).
const TOLD_AGAIN_AFTER: i64 = 6 * 3600;

/// A new deployment tells of itself once.
pub(super) fn announce(progress: &mut Progress, at: usize) -> Option<Says> {
    let first = !std::mem::replace(&mut progress.announced, true);
    (first && progress.is_rolling()).then_some(Says::DeploymentInProgress { deployment: at })
}

/// Whether the steady state is to be told now.
pub(super) fn tell_steady(progress: &mut Progress, is_steady: bool, now: Timestamp) -> bool {
    tell(&mut progress.steady_told, is_steady, now)
}

/// What to say of a block.
pub(super) fn tell_block(
    progress: &mut Progress,
    at: usize,
    blocked: Option<Blocked>,
    now: Timestamp,
) -> Option<Says> {
    let says = tell(&mut progress.blocked_told, blocked.is_some(), now);
    match blocked.filter(|_| says)? {
        Blocked::ByPercents => Some(Says::PercentsBlock { deployment: at }),
        Blocked::ByProtection => Some(Says::ProtectionBlocks { deployment: at }),
    }
}

fn tell(told: &mut Option<Timestamp>, holds: bool, now: Timestamp) -> bool {
    // Told in the future: the clock was set back.
    let due = told.is_none_or(|at| now < at || now >= at.plus_seconds(TOLD_AGAIN_AFTER));
    if !holds {
        *told = None;
    } else if due {
        *told = Some(now);
    }
    holds && due
}

impl Progress {
    /// When a plan is due even if nothing happens.
    pub(super) fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let again = |at: Timestamp| at.plus_seconds(TOLD_AGAIN_AFTER);
        [
            self.retry_at,
            self.steady_told.map(again),
            self.blocked_told.map(again),
        ]
        .into_iter()
        .flatten()
        .filter(|&at| at > now)
        .min()
    }
}
