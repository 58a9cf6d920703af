//! Codecs and signature rules through the public doors; real shapes are tested in `crates/api/tests`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod hand_made;
mod rest;
mod session;
mod sigv4_oracle;
mod sigv4_rules;
mod sigv4_s3;
mod unknown_targets;
