//! `portcullis iam`: the identities of a running server.

mod account;
mod allowed;
mod audit;
mod export;
mod identities;
mod import;
mod last_used;
pub mod managed_policies;
mod scim_token;
mod shown;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Options of `portcullis iam`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Who is allowed what, by which statement, and when was it last used
    Audit(audit::Options),
    /// Write the identities of an account into one file, without secrets
    Export(export::Options),
    /// Make the identities of an account what a file says; shows the plan first
    Import(import::Options),
    /// Make a bearer token for an identity provider that keeps users and groups by SCIM
    ScimToken(scim_token::Options),
    /// Give a server later versions of AWS's managed policies than those it came with
    UpdateManagedPolicies(managed_policies::Options),
}

/// Runs one of the commands.
pub async fn run(options: Options) -> anyhow::Result<ExitCode> {
    match options.command {
        Command::Audit(options) => audit::run(&options).await,
        Command::Export(options) => export::run(&options).await,
        Command::Import(options) => import::run(&options).await,
        Command::ScimToken(options) => scim_token::run(&options).await,
        Command::UpdateManagedPolicies(options) => managed_policies::run(&options),
    }
}
