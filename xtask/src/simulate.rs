//! `cargo xtask simulate`: whole regions with agents that crash, lag, disconnect and reject, each from one seed.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::shell;

const USAGE: &str = "usage: cargo xtask simulate [--seeds N] [--agents M] [--steps K] [--first SEED]";

/// Builds the example of portcullis-control and runs it; it prints what happened in each region, and fails where an invariant
/// is broken.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let numbers = read(arguments)?.map(|number| number.to_string());
    shell::example(
        "portcullis-control",
        "simulate",
        &numbers.each_ref().map(String::as_str),
    )
}

/// Seeds, agents, steps, first seed.
fn read(arguments: &[String]) -> Result<[u64; 4]> {
    let (mut seeds, mut agents, mut steps, mut first) = (20, 100, 200, 0);
    for pair in arguments.chunks(2) {
        let [name, value] = pair else { bail!("{USAGE}") };
        let number = value
            .replace('_', "")
            .parse()
            .with_context(|| format!("`{value}` is no whole number\n{USAGE}"))?;
        match name.as_str() {
            "--seeds" => seeds = number,
            "--agents" => agents = number,
            "--steps" => steps = number,
            "--first" => first = number,
            _ => bail!("{USAGE}"),
        }
    }
    Ok([seeds, agents, steps, first])
}
