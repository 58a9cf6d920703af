//! Blobs through their public doors, on every engine.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "tests may panic")]

mod model;
mod rules;
mod stage;
