//! Access Advisor: what users and roles tried to use, and when (cloudtrail-and-access-advisor 5.8). The gate notes every
//! authenticated call in memory, [`keep`] writes that down, [`known`] reads both, [`Grants`] says what could be used.

mod grants;
mod keep;
mod known;

pub use grants::Grants;
pub use keep::{REPORT_SECONDS, forget, keep, run, tracked_since};
pub use known::{Attempts, attempts, key_use, role_use};

/// Whether the attempts of single actions of a service are known: all of those this server serves.
pub fn tracks(service: &str) -> bool {
    portcullis_api::SERVICES
        .iter()
        .any(|served| served.name == service)
}

/// Whether attempts of an action are noted. Passing a role is no call (AWS does not track it either).
pub fn is_tracked(service: &str, action: &str) -> bool {
    tracks(service) && !(service == "iam" && action == "PassRole")
}
