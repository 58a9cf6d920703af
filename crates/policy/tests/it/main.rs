//! The policy language through its public doors.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod cases;
mod condition_values;
mod conditions;
mod cross_account;
mod decisions;
mod documents;
mod documents_with_principals;
mod explanations;
mod messages;
mod principals;
mod properties;
mod scene;
mod trust;
