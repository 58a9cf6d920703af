//! The command line through its own program.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod policy_check;
mod policy_diff;
mod policy_explain;
mod policy_rewrite;
mod policy_simulate;
mod tool;
