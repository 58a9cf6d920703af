//! `cargo xtask differential`: the engine against the naive evaluator, for as many generated cases as you like.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::shell;

const USAGE: &str = "usage: cargo xtask differential [--cases N] [--seed N]";

/// Cases unless told otherwise: as many as CI asks.
const CASES: u64 = 2_000_000;

/// Builds the example of portcullis-policy and runs it; it prints its seed, progress and rate, and ends by itself.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let (cases, seed) = read(arguments)?;
    shell::example(
        "portcullis-policy",
        "differential",
        &[&cases.to_string(), &seed.to_string()],
    )
}

/// The number of cases and the seed.
fn read(arguments: &[String]) -> Result<(u64, u64)> {
    let (mut cases, mut seed) = (CASES, 1);
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { bail!("{USAGE}") };
        let number = value
            .replace('_', "")
            .parse()
            .with_context(|| format!("`{value}` is no whole number\n{USAGE}"))?;
        match name.as_str() {
            "--cases" => cases = number,
            "--seed" => seed = number,
            _ => bail!("{USAGE}"),
        }
    }
    Ok((cases, seed))
}
