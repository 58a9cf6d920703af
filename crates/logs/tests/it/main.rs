//! The log store and the filter patterns through their public doors.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may panic"
)]

mod crash;
mod model;
mod naive;
mod patterns;
mod random;
mod sealed;
mod store;
mod support;
