//! The policy language through its public doors.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests may panic"
)]

mod cases;
mod compiled;
mod condition_values;
mod conditions;
mod cross_account;
mod decisions;
mod differential;
mod differential_runs;
mod documents;
mod documents_with_principals;
mod explanations;
mod explanations_changes;
mod explanations_changes_laws;
#[cfg(feature = "terminal")]
mod explanations_terminal;
mod explanations_wire;
mod generate;
mod hostile;
mod laws;
mod matrix;
mod messages;
mod naive;
mod open_points;
mod open_points_values;
mod principals;
mod properties;
mod rules;
mod scene;
mod simulated;
mod trust;
