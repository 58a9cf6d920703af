//! The parts that cargo runs, and the quickstart. All use the same packages and features of what they share, so that nothing is
//! built twice.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::Session;
use super::tally::Runner;
use crate::{docker_room, shell};

/// Tests that need a Docker Engine: those of the agent's module `docker`, behind a feature.
const AGENT: &str = "portcullis-agent";
const DOCKER_FEATURE: &str = "docker-tests";
const DOCKER_TESTS: &str = "package(portcullis-agent) and test(/^docker::/)";
/// Blobs in S3, against our own S3. The binary that other parts start goes without, as it does where it is installed.
const STORE_TESTS: &str = "portcullis-control/s3";
/// What the binary has for it is looked at by clippy alone.
const STORE_OF_BINARY: &str = "portcullis/s3";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    features: std::collections::BTreeMap<String, Vec<String>>,
}

/// Warnings are errors.
pub fn clippy(_: &mut Session) -> Result<()> {
    let mut command = workspace("clippy")?;
    command.args(["--features", STORE_OF_BINARY]);
    shell::run(command.args(["--all-targets", "--", "--deny", "warnings"]))
}

/// Tests and binaries in one go: cargo then resolves features once for all following parts.
pub fn build(_: &mut Session) -> Result<()> {
    shell::run(workspace("build")?.args(["--tests", "--bins"]))
}

/// Everything that needs nothing but cargo.
pub fn unit(session: &mut Session) -> Result<()> {
    if !shell::has("cargo-nextest") {
        let mut command = workspace("test")?;
        command.args(["--no-fail-fast", "--tests", "--", "--skip", "docker::"]);
        return session.tally.run(&mut command, Runner::Libtest);
    }
    let mut command = workspace("nextest")?;
    command.args(["--no-fail-fast", "--filterset", &format!("not ({DOCKER_TESTS})")]);
    session.tally.run(&mut command, Runner::Nextest)
}

/// Documentation examples; nextest does not run them.
pub fn doc(session: &mut Session) -> Result<()> {
    session
        .tally
        .run(workspace("test")?.arg("--doc"), Runner::Libtest)
}

/// The agent's Docker tests, in a room of their own.
pub fn docker(session: &mut Session) -> Result<()> {
    if !has_docker_tests()? {
        bail!("{AGENT} has no feature `{DOCKER_FEATURE}`");
    }
    if let Some(reason) = docker_room::obstacle() {
        session.leave_out("the agent's tests on Docker", &reason);
        return Ok(());
    }
    let (inner, runner) = if shell::has("cargo-nextest") {
        let mut command = workspace("nextest")?;
        command.args(["--offline", "--no-fail-fast", "--filterset", DOCKER_TESTS]);
        (command, Runner::Nextest)
    } else {
        let mut command = shell::cargo([
            "test",
            "--offline",
            "--package",
            AGENT,
            "--features",
            DOCKER_FEATURE,
        ]);
        command.args(["--no-fail-fast", "--test", "it", "--", "docker::"]);
        (command, Runner::Libtest)
    };
    let result = session.tally.run(&mut docker_room::around(&inner)?, runner);
    docker_room::leave();
    result
}

/// The story a newcomer sees first, on both engines: every step as expected.
pub fn quickstart(session: &mut Session) -> Result<()> {
    play("process", &mut tell_story("process"))?;
    if let Some(reason) = docker_room::obstacle() {
        session.leave_out("the quickstart on Docker", &reason);
        return Ok(());
    }
    let result = play("docker", &mut docker_room::around(&tell_story("docker"))?);
    docker_room::leave();
    result
}

/// `cargo COMMAND` over the whole workspace with the features all parts share.
fn workspace(command: &str) -> Result<Command> {
    let mut cargo = shell::cargo(match command {
        "nextest" => vec!["nextest", "run"],
        other => vec![other],
    });
    cargo.args(["--workspace", "--locked", "--features", STORE_TESTS]);
    if has_docker_tests()? {
        cargo.args(["--features", &format!("{AGENT}/{DOCKER_FEATURE}")]);
    }
    Ok(cargo)
}

fn has_docker_tests() -> Result<bool> {
    let json = shell::output(&mut shell::cargo([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
    ]))?;
    let metadata: Metadata = serde_json::from_str(&json).context("cannot read cargo's metadata")?;
    let agent = metadata.packages.iter().find(|package| package.name == AGENT);
    Ok(agent.is_some_and(|agent| agent.features.contains_key(DOCKER_FEATURE)))
}

fn tell_story(engine: &str) -> Command {
    let mut story = shell::program(shell::target().join("debug/portcullis"));
    story.args(["quickstart", "--json", "--engine", engine]);
    story
}

#[derive(Deserialize)]
struct Tale {
    ok: bool,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    asked: String,
    expected: bool,
}

/// Plays the story: its exit status and every step must say that it went as expected.
fn play(engine: &str, story: &mut Command) -> Result<()> {
    let tale: Tale =
        serde_json::from_str(&shell::output(story)?).context("the quickstart printed no story")?;
    let wrong: Vec<_> = tale
        .steps
        .iter()
        .filter(|step| !step.expected)
        .map(|step| step.asked.as_str())
        .collect();
    if !tale.ok || tale.steps.is_empty() || !wrong.is_empty() {
        bail!("on engine `{engine}` not as expected: {}", wrong.join("; "));
    }
    println!("engine {engine}: {} steps, all as expected", tale.steps.len());
    Ok(())
}
