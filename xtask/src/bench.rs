//! `cargo xtask bench`: builds the release binaries and measures them.

use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::shell;

/// Builds, then hands over to the bench; it ends by itself within four minutes.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    shell::run(&mut shell::cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "portcullis",
        "--package",
        "portcullis-bench",
    ]))?;
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
