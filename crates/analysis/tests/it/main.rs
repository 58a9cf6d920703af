//! The analysis through its public doors.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod access;
mod examples;
mod hostile;
mod resource_policies;
mod rewriting;
mod sampling;
mod seeds;
mod support;
