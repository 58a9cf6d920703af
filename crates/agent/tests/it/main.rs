//! The agent as its operator sees it: a whole agent against a small control plane of the test's own.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

#[cfg(feature = "docker-tests")]
mod docker;
mod endpoint;
mod plane;
mod process;
mod rig;
mod supplies;
