//! The figures, a file for each group.

pub mod docker;
pub mod durable;
pub mod identities;
pub mod reads;
pub mod records;
pub mod scale;
pub mod start;

use std::time::Duration;

/// Time at the start of a load that does not count.
const WARM_UP: Duration = Duration::from_millis(150);
