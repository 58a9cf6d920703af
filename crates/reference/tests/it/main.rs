//! Tests through the public door, against the files that the data was made from.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod facts;
mod model;
mod names;
mod open_points;
mod rules;
