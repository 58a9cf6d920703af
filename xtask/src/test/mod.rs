//! `cargo xtask test`: everything CI checks, one part after the other, ended by the first that fails.

mod authz;
mod clients;
mod licences;
mod prepare;
mod rooms;
mod rules;
mod source;
mod suites;
mod tally;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{docker_room, generate, shell};
use tally::Tally;

/// One part of the test command.
struct Part {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Session) -> Result<()>,
}

const PARTS: &[Part] = &[
    Part {
        name: "prepare",
        about: "install what is missing, where that is allowed",
        run: prepare::run,
    },
    Part {
        name: "format",
        about: "rustfmt finds nothing to change",
        run: format,
    },
    Part {
        name: "rooms",
        about: "who depends on whom",
        run: rooms::run,
    },
    Part {
        name: "licences",
        about: "every dependency under a licence of deny.toml",
        run: licences::run,
    },
    Part {
        name: "source",
        about: "sizes of files; nothing of this machine in them",
        run: source::run,
    },
    Part {
        name: "rules",
        about: "every rule of the policy language has a test",
        run: rules::run,
    },
    Part {
        name: "authz",
        about: "every action, resource type and condition key of ECS has a test",
        run: authz::run,
    },
    Part {
        name: "generated",
        about: "generated code is current",
        run: generated,
    },
    Part {
        name: "clippy",
        about: "clippy with warnings as errors",
        run: suites::clippy,
    },
    Part {
        name: "build",
        about: "everything the following parts start",
        run: suites::build,
    },
    Part {
        name: "unit",
        about: "unit, property, snapshot and integration tests",
        run: suites::unit,
    },
    Part {
        name: "doc",
        about: "the examples in the documentation",
        run: suites::doc,
    },
    Part {
        name: "docker",
        about: "the agent on a Docker Engine of the test's own",
        run: suites::docker,
    },
    Part {
        name: "clients",
        about: "boto3 and the AWS CLI against a server",
        run: clients::run,
    },
    Part {
        name: "quickstart",
        about: "the whole story, on both engines",
        run: suites::quickstart,
    },
];

/// What the parts share.
#[derive(Default)]
struct Session {
    tally: Tally,
    /// What was left out, and why; printed with the part it belongs to.
    notes: Vec<String>,
}

impl Session {
    /// Says at once, and again at the end, what this part did not do.
    fn leave_out(&mut self, what: &str, why: &str) {
        let note = format!("left out: {what} ({why})");
        println!("{note}");
        self.notes.push(note);
    }
}

/// A part that has run.
struct Done {
    name: &'static str,
    took: Duration,
    failed: bool,
    notes: Vec<String>,
}

/// Runs the parts asked for, prints the table of times, and closes with `N passed, N failed`.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    let parts = match arguments {
        [] => PARTS.iter().collect(),
        [flag] if flag == "--list" => {
            PARTS
                .iter()
                .for_each(|part| println!("{:<11} {}", part.name, part.about));
            return Ok(ExitCode::SUCCESS);
        }
        [flag, names] if flag == "--only" => select(names)?,
        _ => bail!("usage: cargo xtask test [--only PART,...] [--list]"),
    };
    let mut session = Session::default();
    let mut done = Vec::new();
    for part in parts {
        println!("\n=== {}: {}", part.name, part.about);
        let start = Instant::now();
        let result = (part.run)(&mut session);
        let notes = std::mem::take(&mut session.notes);
        done.push(Done {
            name: part.name,
            took: start.elapsed(),
            failed: result.is_err(),
            notes,
        });
        if let Err(error) = result {
            println!("\nerror: part `{}` failed: {error:#}", part.name);
            println!("to run it alone: cargo xtask test --only {}", part.name);
            session.tally.count_failed_part();
            break;
        }
    }
    print_table(&done);
    println!("{}", session.tally);
    Ok(if session.tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The tests that kill and hang, at their full size.
pub fn torture(arguments: &[String]) -> Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["store"] => torture_store("200"),
        ["store", kills] => torture_store(kills),
        ["agent"] => torture_agent("1000", "300"),
        ["agent", kills] => torture_agent(kills, "300"),
        ["agent", kills, hang] => torture_agent(kills, hang),
        ["partition"] => torture_partition("600"),
        ["partition", seconds] => torture_partition(seconds),
        _ => anyhow::bail!(
            "usage: cargo xtask torture store [KILLS] | agent [KILLS [HANG_SECONDS]] | partition [SECONDS]"
        ),
    }
}

/// T8 and T9: an agent that dies a thousand times, and an engine that hangs for five minutes.
fn torture_agent(kills: &str, hang: &str) -> Result<ExitCode> {
    let tests = ["reliability_t8_kills", "reliability_t9_an_engine_that_hangs"];
    let sizes = [
        ("PORTCULLIS_AGENT_KILLS", kills),
        ("PORTCULLIS_AGENT_HANG_SECONDS", hang),
    ];
    agent_in_a_room(&tests, &sizes)
}

/// T7: a whole agent and a whole server that cannot reach each other, then the same of an agent on Docker, in a network that
/// drops.
fn torture_partition(seconds: &str) -> Result<ExitCode> {
    const SECONDS: &str = "PORTCULLIS_PARTITION_SECONDS";
    let mut both = shell::cargo(["test", "--package", "portcullis-control", "--test", "it"]);
    both.args(["reliability_t7", "--", "--nocapture"]);
    shell::run(both.env(SECONDS, seconds))?;
    agent_in_a_room(&["reliability_t7"], &[(SECONDS, seconds)])
}

/// Tests of the agent on Docker, by the size that variables say.
fn agent_in_a_room(tests: &[&str], sizes: &[(&str, &str)]) -> Result<ExitCode> {
    shell::run(&mut shell::cargo([
        "test",
        "--package",
        "portcullis-agent",
        "--features",
        "docker-tests",
        "--no-run",
    ]))?;
    let mut inside = shell::cargo(["test", "--offline", "--package", "portcullis-agent"]);
    inside.args(["--features", "docker-tests", "--test", "it", "--", "--nocapture"]);
    inside.args(["--test-threads", "1"]).args(tests);
    let mut command = docker_room::around(&inside)?;
    command.envs(sizes.iter().copied());
    let outcome = shell::run(&mut command);
    docker_room::leave();
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// The store's kill -9 test with many kills.
fn torture_store(kills: &str) -> Result<ExitCode> {
    let mut command = shell::cargo([
        "test",
        "--package",
        "portcullis-store",
        "kill",
        "--",
        "--nocapture",
    ]);
    shell::run(command.env("PORTCULLIS_STORE_KILLS", kills))?;
    Ok(ExitCode::SUCCESS)
}

fn select(names: &str) -> Result<Vec<&'static Part>> {
    let find = |name: &str| PARTS.iter().find(|part| part.name == name);
    let known = |name: &str| find(name).ok_or_else(|| anyhow::anyhow!("no part `{name}`; see --list"));
    names.split(',').map(known).collect()
}

fn format(_: &mut Session) -> Result<()> {
    shell::run(&mut shell::cargo(["fmt", "--all", "--check"]))
}

fn generated(_: &mut Session) -> Result<()> {
    generate::run(true)
}

fn print_table(done: &[Done]) {
    println!("\n{:<11} {:>9}", "part", "time");
    for part in done {
        let verdict = if part.failed { "  FAILED" } else { "" };
        println!("{:<11} {:>7.1} s{verdict}", part.name, part.took.as_secs_f64());
        part.notes.iter().for_each(|note| println!("{:<11} {note}", ""));
    }
    let total: Duration = done.iter().map(|part| part.took).sum();
    println!("{:<11} {:>7.1} s\n", "all", total.as_secs_f64());
}
