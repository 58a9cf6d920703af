//! `portcullis policy`: the tools that need files, not a server.

mod access;
mod check;
mod diff;
mod documents;
mod expand;
mod explain;
mod format;
mod input;
mod minimise;
mod question;
mod rewrite;
mod simulate;
mod told;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// How a tool ends that could not read what it was given.
const BAD_INPUT: u8 = 2;

/// What to do with policies.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report what is wrong, dangerous or pointless in policies
    Check(check::Options),
    Explain(explain::Options),
    Simulate(simulate::Options),
    /// Find out whether a policy allows anything that another does not; prints a request that shows it
    Diff(diff::Options),
    /// Find out whether policies grant something, or are public
    Access(access::Options),
    /// Lay policies out as the AWS console does
    Format(format::Options),
    /// Write out the actions that wildcards stand for
    Expand(expand::Options),
    /// Make policies smaller without changing what they mean
    Minimise(minimise::Options),
}

/// Runs one of the tools.
pub fn run(options: Options) -> anyhow::Result<ExitCode> {
    let outcome = match options.command {
        Command::Check(options) => check::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Access(options) => access::run(&options),
        Command::Format(options) => format::run(&options),
        Command::Expand(options) => expand::run(&options),
        Command::Minimise(options) => minimise::run(&options),
    };
    Ok(outcome.unwrap_or_else(|error| {
        crate::complain(&format!("portcullis: {error:#}"));
        ExitCode::from(BAD_INPUT)
    }))
}
