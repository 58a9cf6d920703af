//! What agents tell beside their tasks' states: who fetched credentials on their hosts, which lasts, and what containers use,
//! of which the newest figures are kept. Told over TCS, read over doors of our own.

mod door;
mod fetches;
mod metrics;

pub use door::{AUDIT_ACTION, AUDIT_PATH, METRICS_ACTION, METRICS_PATH};
pub(crate) use door::{is_for, serve};
pub(crate) use fetches::{Fetch, Fetches, Origin, Owner};
pub(crate) use metrics::Metrics;

/// What is kept of one account.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// Fetches of credentials.
    pub(crate) fetches: Fetches,
    /// What containers use.
    pub(crate) metrics: Metrics,
}
