//! `portcullis policy simulate`: a matrix of principals and actions, or a scenario with expectations.

mod matrix;
mod scenario;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use clap::{Args, ValueEnum};
use portcullis_core::{AccountId, Arn};
use portcullis_policy::simulate::{NamedPolicy, caller};
use portcullis_policy::{Kind, Principal};

use super::documents::{Keys, Sets, document, in_directory};

/// Decide many requests from policy files: who may do what, as a table.
///
/// Or run a scenario: a JSON file of principals with their policy files, and cases with the decision each has to have.
///
///   {"principals": {"richard": {"arn": "arn:aws:iam::123456789012:user/richard", "policies": ["run.json"]}},
///    "cases": [{"principal": "richard", "action": "ecs:RunTask", "resource": "arn:aws:ecs:...", "expect": "Allow"}]}
///
/// A principal may have `boundary`, `session` and `context`; a case `id`, `policies`, `resourcePolicy`, `trustPolicy`,
/// `context` and `note`; the scenario `scps`, `rcps`, `endpoint` and `now`. Expected is Allow, Deny, ExplicitDeny or
/// ImplicitDeny. Files are looked for beside the scenario.
///
/// Ends with 0, with 1 when a scenario's case came out differently, with 2 when something could not be read.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Options {
    /// A scenario with expectations
    #[arg(long, value_name = "FILE", conflicts_with_all = ["principals", "actions"])]
    scenario: Option<PathBuf>,
    /// A principal and its policies, files or directories of them; or a directory with a file or directory for each. A
    /// NAME is a user of --account, or any ARN
    #[arg(
        long = "principal",
        value_name = "NAME=FILE,... | DIRECTORY",
        required_unless_present = "scenario"
    )]
    principals: Vec<String>,
    /// An action; wildcards stand for all actions they match
    #[arg(long = "action", required_unless_present = "scenario")]
    actions: Vec<String>,
    /// A resource
    #[arg(long = "resource", value_name = "ARN", default_value = "*")]
    resources: Vec<String>,
    /// The account of principals that are named without ARN; by default that of the resources
    #[arg(long)]
    account: Option<AccountId>,
    #[command(flatten)]
    sets: Sets,
    #[command(flatten)]
    keys: Keys,
    /// How to say it
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// How to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table, or the cases that failed
    Table,
    /// Every decision with its reason
    Json,
}

/// Runs the tool.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match &options.scenario {
        Some(path) => scenario::run(path, options.format),
        None => matrix::run(options),
    }
}

/// A column of the matrix.
#[derive(Debug)]
struct Subject {
    name: String,
    principal: Principal,
    policies: Vec<NamedPolicy>,
}

/// The account in AWS's own examples: where no ARN says another, any would do.
const EXAMPLE_ACCOUNT: &str = "123456789012";

fn account(options: &Options) -> anyhow::Result<AccountId> {
    let of_resource = |resource: &String| resource.parse::<Arn>().ok()?.account().parse().ok();
    let found = options
        .account
        .clone()
        .or_else(|| options.resources.iter().find_map(of_resource));
    Ok(found.map_or_else(|| EXAMPLE_ACCOUNT.parse(), Ok)?)
}

fn subjects(options: &Options) -> anyhow::Result<Vec<Subject>> {
    let account = account(options)?;
    let mut subjects = Vec::new();
    for option in &options.principals {
        match option.split_once('=') {
            Some((name, files)) => {
                let paths: Vec<PathBuf> = files
                    .split(',')
                    .filter(|file| !file.is_empty())
                    .map(PathBuf::from)
                    .collect();
                subjects.push(subject(name, &account, &paths)?);
            }
            None => {
                let path = Path::new(option);
                ensure!(
                    path.is_dir(),
                    "--principal {option}: wanted NAME=FILE,... or a directory"
                );
                for entry in in_directory(path)? {
                    let name = entry
                        .file_stem()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    subjects.push(subject(&name, &account, &[entry])?);
                }
            }
        }
    }
    ensure!(
        !subjects.is_empty(),
        "there is no principal: the directory has no policies"
    );
    named_apart(subjects)
}

/// A user and a role of one name are told apart by their ARNs.
fn named_apart(mut subjects: Vec<Subject>) -> anyhow::Result<Vec<Subject>> {
    let names: Vec<String> = subjects.iter().map(|subject| subject.name.clone()).collect();
    for subject in &mut subjects {
        if names.iter().filter(|name| **name == subject.name).count() > 1 {
            subject.name = subject.principal.name().into_owned();
        }
    }
    let mut seen = HashSet::new();
    if let Some(twice) = subjects
        .iter()
        .find(|subject| !seen.insert(subject.name.as_str()))
    {
        bail!(
            "--principal {} is given twice; list all its policies at once",
            twice.name
        );
    }
    Ok(subjects)
}

fn subject(name: &str, account: &AccountId, paths: &[PathBuf]) -> anyhow::Result<Subject> {
    let principal = match caller(name) {
        Ok(principal) => principal,
        Err(error) if name.is_empty() || name.contains([':', ' ']) => bail!("--principal {name}: {error}"),
        Err(_) => caller(&format!("arn:aws:iam::{account}:user/{name}"))?,
    };
    let mut policies = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => {
                for file in in_directory(path)? {
                    policies.push(document(&file, Kind::Identity)?);
                }
            }
            false => policies.push(document(path, Kind::Identity)?),
        }
    }
    let short = name
        .parse::<Arn>()
        .ok()
        .and_then(|arn| Some(arn.resource_parts()?.1.to_owned()));
    Ok(Subject {
        name: short.unwrap_or_else(|| name.to_owned()),
        principal,
        policies,
    })
}
