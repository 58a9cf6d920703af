//! Tests of what ECS decides by itself, through the public functions only.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod breaker;
mod daemon;
mod grid;
mod model;
mod rolling;
mod scale_in;
mod speed;
mod task_sets;
mod world;
