//! Which launch types a definition can run on.

use super::rules::{Draft, fits_fargate};

/// `compatibilities` in AWS's order. EC2 takes everything.
pub(super) fn compatibilities(draft: Draft<'_>) -> Vec<String> {
    let mut all = Vec::new();
    if draft.network_mode() != "awsvpc" {
        all.push("EXTERNAL");
    }
    all.push("EC2");
    if fits_fargate(draft) {
        all.push("FARGATE");
    }
    if draft.requires("MANAGED_INSTANCES") {
        all.push("MANAGED_INSTANCES");
    }
    all.into_iter().map(str::to_owned).collect()
}
