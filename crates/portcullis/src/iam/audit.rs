//! `portcullis iam audit`: who is allowed what, by which statement, and when it was last used.

use std::collections::HashMap;
use std::process::ExitCode;
use std::ptr;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use portcullis_core::{Clock as _, SystemClock, Timestamp};
use portcullis_policy::Document;
use portcullis_reference::ServiceId;

use super::account::{self, Principal};
use super::allowed::{Allowed, Grant};
use super::last_used::{self, LastUsed, Uses};
use super::shown;
use crate::client::Client;
use crate::connection::Connection;

/// Reports asked for at the same time.
const AT_ONCE: usize = 8;
/// How long the server remembers uses, in days.
const TRACKED_DAYS: i64 = 400;

/// What to look at.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    connection: Connection,
    /// The service, as actions name it: ecs, iam, sts, s3 ...
    #[arg(long)]
    service: String,
    /// Only what was not used for so many days
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=TRACKED_DAYS))]
    unused_for: Option<i64>,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// A list of objects
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Somebody is allowed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The user's or role's ARN.
    pub principal: String,
    /// Such as `ecs:RunTask`.
    pub action: String,
    /// The resource as the statement has it.
    pub resource: String,
    /// Whether it is allowed in every case, or under conditions or for some of the resources.
    pub always: bool,
    /// The policy that grants it.
    pub policy: String,
    /// Its ARN, if it is a managed policy.
    pub policy_arn: Option<String>,
    /// The group it comes by.
    pub group: Option<String>,
    /// The statement's id.
    pub sid: Option<String>,
    /// The number of the statement in the policy, from 1.
    pub statement: usize,
    /// When it was last used.
    pub last_used: LastUsed,
}

/// Prints the audit. The exit code says only whether it could be made.
pub async fn run(options: &Options) -> Result<ExitCode> {
    let service = portcullis_reference::service(&options.service).with_context(|| {
        format!(
            "there is no service `{}`; use the prefix of its actions",
            options.service
        )
    })?;
    let client = options.connection.client()?;
    let principals = account::read(&client).await?;
    let uses = all_uses(&client, &principals, service).await?;
    let mut rows = rows(&principals, &uses, service);
    if let Some(days) = options.unused_for {
        let end = SystemClock.now().plus_seconds(-days * 24 * 3600);
        rows.retain(|(created, row)| is_unused_since(row, *created, end));
    }
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let page = match options.format {
        Format::Table => shown::table(&rows),
        Format::Json => shown::json(&rows)?,
        Format::Csv => shown::csv(&rows),
    };
    crate::say(page.trim_end());
    Ok(ExitCode::SUCCESS)
}

async fn all_uses(client: &Client, principals: &[Principal], service: ServiceId) -> Result<Vec<Uses>> {
    let asked = principals
        .iter()
        .map(|principal| last_used::ask(client, &principal.arn, service.prefix()));
    stream::iter(asked).buffered(AT_ONCE).try_collect().await
}

/// Every grant, with the time its principal was made.
fn rows(principals: &[Principal], uses: &[Uses], service: ServiceId) -> Vec<(Timestamp, Row)> {
    let mut allowed = Allowed::of(service);
    // Principals with the very same policies are allowed the same.
    let mut known: HashMap<_, Vec<Grant>> = HashMap::new();
    let mut rows = Vec::new();
    for (principal, uses) in principals.iter().zip(uses) {
        let documents: Vec<_> = principal
            .policies
            .iter()
            .map(|policy| policy.document.as_ref())
            .collect();
        let boundary = principal.boundary.as_deref();
        let policies: Vec<*const Document> = documents.iter().copied().map(ptr::from_ref).collect();
        let grants = known
            .entry((policies, boundary.map(ptr::from_ref)))
            .or_insert_with(|| allowed.grants(&documents, boundary));
        for grant in grants {
            let Some(policy) = principal.policies.get(grant.policy) else {
                continue;
            };
            let statement = policy.document.statements().get(grant.statement);
            let row = Row {
                principal: principal.arn.clone(),
                action: grant.action.to_string(),
                resource: grant.resource.clone(),
                always: grant.always,
                policy: policy.name.clone(),
                policy_arn: policy.arn.clone(),
                group: policy.group.clone(),
                sid: statement.and_then(|statement| statement.sid.clone()),
                statement: grant.statement + 1,
                last_used: uses.of(grant.action.name()),
            };
            rows.push((principal.created, row));
        }
    }
    rows.sort_by(|(_, a), (_, b)| {
        (&a.principal, &a.action, &a.resource).cmp(&(&b.principal, &b.action, &b.resource))
    });
    rows
}

/// Whether something was not used since `end`. A principal younger than that had no time not to use it.
fn is_unused_since(row: &Row, created: Timestamp, end: Timestamp) -> bool {
    match row.last_used {
        LastUsed::At(at) => at < end,
        LastUsed::Never => created < end,
        LastUsed::NotTracked => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_is_what_had_time_to_be_used() {
        let row = |last_used| Row {
            principal: String::new(),
            action: String::new(),
            resource: String::new(),
            always: true,
            policy: String::new(),
            policy_arn: None,
            group: None,
            sid: None,
            statement: 1,
            last_used,
        };
        let at = Timestamp::from_seconds;
        let unused = |last_used, created| is_unused_since(&row(last_used), at(created), at(100));
        assert!(unused(LastUsed::At(at(99)), 0));
        assert!(!unused(LastUsed::At(at(100)), 0));
        assert!(unused(LastUsed::Never, 99));
        assert!(!unused(LastUsed::Never, 100));
        assert!(!unused(LastUsed::NotTracked, 0));
    }
}
