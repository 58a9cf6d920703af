//! `portcullis iam import`: makes an account's identities what a file says. Shows the plan; `--apply` carries it out.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use super::identities::plan::{Plan, plan};
use super::identities::read::Caller;
use super::identities::step::Step;
use super::identities::{FORMAT, Identities, belongings, read};
use crate::client::Client;
use crate::connection::Connection;
use crate::printable::printable;

/// What to import, and how far.
#[derive(Debug, Args)]
pub struct Options {
    /// The file, as `portcullis iam export` writes it
    file: PathBuf,
    /// Carry the plan out, instead of only showing it
    #[arg(long)]
    apply: bool,
    /// Delete what the account has and the file does not
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Plans, shows, and carries out if that was asked for.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let wanted = read_file(&options.file)?;
    let client = options.connection.client()?;
    let caller = read::caller(&client).await?;
    let plan = prepare(&client, &caller, &wanted, options.prune).await?;
    crate::say(page(&plan, &wanted, &caller.account).trim_end());
    if !options.apply && !plan.steps.is_empty() {
        crate::say("\nNothing was changed; --apply carries it out.");
    }
    if options.apply {
        apply(&client, &plan.steps).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read_file(path: &Path) -> Result<Identities> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    identities(&text).with_context(|| format!("{} is no file of identities", path.display()))
}

/// Reads the text of a file.
fn identities(text: &str) -> Result<Identities> {
    // Looked at first: a sequence would be read as the fields in their order.
    let value: Value = serde_json::from_str(text).context("it is not JSON")?;
    let Value::Object(members) = value else {
        bail!("it must be a JSON object, as portcullis iam export writes it");
    };
    match members.get("format") {
        Some(Value::String(format)) if format == FORMAT => {}
        Some(format) => bail!("its `format` is {format}; this version reads \"{FORMAT}\""),
        None => bail!("it has no `format`; files of portcullis iam export say \"{FORMAT}\""),
    }
    Ok(serde_json::from_str(text)?)
}

/// Reads the account and compares.
pub async fn prepare(client: &Client, caller: &Caller, wanted: &Identities, prune: bool) -> Result<Plan> {
    let present = read::identities(client, &caller.account).await?;
    let belongings = match prune {
        true => Some(belongings(client, wanted, &present).await?),
        false => None,
    };
    let plan = plan(wanted, &present, belongings);
    if let Some(why) = plan.blocked.first() {
        bail!("{why}; nothing was changed");
    }
    match own_identity(&caller.arn) {
        Some(own) if prune && !own.is_in(wanted) => {
            bail!("the file does not hold {own}, who imports it; nothing was changed")
        }
        _ => Ok(plan),
    }
}

/// The user or role that imports. Who deletes himself does not come to the end.
enum Own<'a> {
    User(&'a str),
    Role(&'a str),
}

fn own_identity(arn: &str) -> Option<Own<'_>> {
    let (_, resource) = arn.rsplit_once(':')?;
    let (kind, name) = resource.split_once('/')?;
    match kind {
        "user" => name.rsplit('/').next().map(Own::User),
        "assumed-role" => name.split('/').next().map(Own::Role),
        _ => None,
    }
}

impl Own<'_> {
    fn is_in(&self, wanted: &Identities) -> bool {
        match self {
            Self::User(name) => wanted.users.contains_key(*name),
            Self::Role(name) => wanted.roles.contains_key(*name),
        }
    }
}

impl fmt::Display for Own<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user {name}"),
            Self::Role(name) => write!(f, "role {name}"),
        }
    }
}

/// The plan as people read it.
pub fn page(plan: &Plan, wanted: &Identities, account: &str) -> String {
    let mut page = match plan.steps.len() {
        0 => format!("Account {account}: nothing to change.\n"),
        1 => format!("Account {account}: 1 change.\n"),
        number => format!("Account {account}: {number} changes.\n"),
    };
    for step in &plan.steps {
        let _ = writeln!(page, "  {}", printable(&step.to_string()));
    }
    if !plan.kept.is_empty() {
        page.push_str("Not in the file, and kept (--prune deletes):\n");
        for kept in &plan.kept {
            let _ = writeln!(page, "  {}", printable(kept));
        }
    }
    if wanted.account != account {
        let from = printable(&wanted.account);
        let _ = writeln!(
            page,
            "The file is account {from}'s; its policy documents are taken as they are."
        );
    }
    page
}

/// Makes the calls; the first refusal ends it. What was done stays, and the next import goes on from there.
pub async fn apply(client: &Client, steps: &[Step]) -> Result<()> {
    for (done, step) in steps.iter().enumerate() {
        if let Some(refusal) = step.make(client).await? {
            bail!(
                "stopped at `{step}` with {done} of {} changes made: {refusal}",
                steps.len()
            );
        }
    }
    if !steps.is_empty() {
        crate::say(&format!("Done: {} of {0}.", steps.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_identities_is_said_in_one_line() {
        for (text, line) in [
            (
                "[]",
                "it must be a JSON object, as portcullis iam export writes it",
            ),
            (
                "\"a\"",
                "it must be a JSON object, as portcullis iam export writes it",
            ),
            (
                "{}",
                "it has no `format`; files of portcullis iam export say \"portcullis-iam-1\"",
            ),
            (
                r#"{"format":"portcullis-iam-9"}"#,
                "its `format` is \"portcullis-iam-9\"; this version reads \"portcullis-iam-1\"",
            ),
            (
                r#"{"format":7}"#,
                "its `format` is 7; this version reads \"portcullis-iam-1\"",
            ),
        ] {
            let error = identities(text).unwrap_err();
            assert_eq!(format!("{error:#}"), line);
        }
        let error = format!("{:#}", identities("no json").unwrap_err());
        assert!(error.starts_with("it is not JSON: "), "{error}");
        let text = r#"{"format":"portcullis-iam-1","account":"123456789012"}"#;
        assert_eq!(identities(text).unwrap().account, "123456789012");
    }

    #[test]
    fn who_imports_is_known_by_its_arn() {
        let own = |arn: &str| own_identity(arn).map(|own| own.to_string());
        assert_eq!(
            own("arn:aws:iam::123456789012:user/a/b/mia").as_deref(),
            Some("user mia")
        );
        assert_eq!(
            own("arn:aws:sts::123456789012:assumed-role/deploy/mia").as_deref(),
            Some("role deploy")
        );
        assert_eq!(own("arn:aws:iam::123456789012:root"), None);
    }
}
