//! `cargo xtask bench`: builds the release binaries and measures them.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::shell;

/// Builds, then hands over to the bench; it ends by itself within four minutes. `bench policy` has Cedar built in, too, and
/// needs no server.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let is_about_policies = arguments.first().is_some_and(|word| word == "policy");
    let rest = if is_about_policies {
        ["--features", "cedar"]
    } else {
        ["--package", "portcullis"]
    };
    let build = ["build", "--release", "--locked", "--package", "portcullis-bench"];
    shell::run(&mut shell::cargo(build.into_iter().chain(rest)))?;
    let program = shell::target().join("release/portcullis-bench");
    let status = shell::program(&program)
        .args(arguments)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
