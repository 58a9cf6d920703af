//! `cargo xtask bench`: builds the release binaries and measures them.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::shell;

/// Mutations of each fuzz target's corpus, and the seed they are made from, unless told otherwise.
const MUTATIONS: &str = "20000";
const SEED: &str = "1";

/// Builds, then hands over to the bench; it ends by itself within four minutes, nine with Docker. `bench policy` has Cedar built in, too; it
/// and `bench scale` need no server.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    if let Some(("hostile", rest)) = arguments.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        return hostile(rest);
    }
    if let Some(("logs", rest)) = arguments.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        return shell::example("portcullis-logs", "bench", &rest);
    }
    let rest: &[&str] = match arguments.first().map(String::as_str) {
        Some("policy") => &["--features", "cedar"],
        Some("scale") => &[],
        _ => &["--package", "portcullis"],
    };
    let build = ["build", "--release", "--locked", "--package", "portcullis-bench"];
    shell::run(&mut shell::cargo(build.into_iter().chain(rest.iter().copied())))?;
    let program = shell::target().join("release/portcullis-bench");
    shell::pass_on(shell::program(&program).args(arguments))
}

/// The slowest and the largest of hostile input; beyond the limits the run fails.
fn hostile(arguments: &[String]) -> Result<ExitCode> {
    let (mutations, seed) = match arguments {
        [] => (MUTATIONS, SEED),
        [mutations] => (mutations.as_str(), SEED),
        [mutations, seed] => (mutations.as_str(), seed.as_str()),
        _ => bail!("usage: cargo xtask bench hostile [MUTATIONS [SEED]]"),
    };
    shell::example("portcullis-policy", "hostile", &[mutations, seed])
}
