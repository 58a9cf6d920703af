//! The store from outside: one suite over every engine, a model, kills, and everything a data directory can suffer.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod conformance;
mod crash;
mod damage;
mod directory;
mod fixture;
mod leases;
mod model;
mod namespace;
mod vault;
