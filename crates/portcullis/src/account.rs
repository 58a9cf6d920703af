//! `portcullis account`: several accounts on one server, made as AWS Organizations makes them.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use portcullis_api::organizations::op::{
    CreateAccount, CreateOrganization, DescribeCreateAccountStatus, ListAccounts,
};
use portcullis_api::organizations::{
    Account, CreateAccountRequest, CreateAccountStatus, CreateOrganizationRequest,
    DescribeCreateAccountStatusRequest, ListAccountsRequest,
};
use portcullis_api::sts::GetCallerIdentityRequest;
use portcullis_api::sts::op::GetCallerIdentity;
use serde_json::json;

use crate::client::Client;
use crate::connection::Connection;
use crate::say;

/// How often, and how many times, a new account is asked after.
const PAUSE: Duration = Duration::from_millis(100);
const ATTEMPTS: usize = 100;

/// Options of `portcullis account`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make another account on a running server, and the organization if there is none yet
    ///
    /// The caller needs organizations:CreateAccount and organizations:DescribeCreateAccountStatus in the server's first
    /// account, and organizations:CreateOrganization and iam:CreateServiceLinkedRole the first time. The new account has
    /// one role, which callers of the first account may assume when their own policies allow it.
    Create(Create),
    /// List the accounts of a running server
    List(List),
}

#[derive(Debug, Args)]
struct Create {
    /// The account's name
    name: String,
    /// A mail address; no two accounts have the same
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The role by which the account is administered
    #[arg(long, value_name = "NAME", default_value = "OrganizationAccountAccessRole")]
    role_name: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    connection: Connection,
}

/// Runs one of the commands.
pub async fn run(options: Options) -> Result<ExitCode> {
    match options.command {
        Command::Create(options) => create(&options).await,
        Command::List(options) => list(&options).await,
    }
}

async fn create(options: &Create) -> Result<ExitCode> {
    let client = options.connection.client()?;
    let status = match ask_for(&client, options).await? {
        Some(status) => status,
        None => {
            client
                .expect::<CreateOrganization>(&CreateOrganizationRequest::default())
                .await?;
            ask_for(&client, options)
                .await?
                .context("the server says that it has no organization, although one was just made")?
        }
    };
    let account = finished(&client, status).await?;
    let caller = client
        .expect::<GetCallerIdentity>(&GetCallerIdentityRequest::default())
        .await?;
    let is_root = caller.arn.is_some_and(|arn| arn.ends_with(":root"));
    say(&next_steps(&account, &options.name, &options.role_name, is_root));
    Ok(ExitCode::SUCCESS)
}

/// How the account is administered from here. The root user assumes no roles: somebody must be made who does.
fn next_steps(account: &str, name: &str, role_name: &str, is_root: bool) -> String {
    let role = format!("arn:aws:iam::{account}:role/{role_name}");
    let session: String = name.chars().map(in_session_names).collect();
    let assume = format!("  aws sts assume-role --role-arn {role} --role-session-name {session}");
    if !is_root {
        return format!(
            "Account {account} is there. To administer it, with sts:AssumeRole allowed on its role:\n{assume}"
        );
    }
    let user = format!("admin-of-{account}");
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role } });
    format!(
        "Account {account} is there. The root user cannot assume its role; make a user who can:\n  \
         aws iam create-user --user-name {user}\n  \
         aws iam put-user-policy --user-name {user} --policy-name assume --policy-document '{policy}'\n  \
         aws iam create-access-key --user-name {user}\n\
         and with that key:\n{assume}"
    )
}

/// What a session name may not have becomes a hyphen.
fn in_session_names(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter) {
        letter
    } else {
        '-'
    }
}

/// Asks for the account; `None` when there is no organization yet.
async fn ask_for(client: &Client, options: &Create) -> Result<Option<CreateAccountStatus>> {
    let request = CreateAccountRequest {
        account_name: options.name.clone(),
        email: options
            .email
            .clone()
            .unwrap_or_else(|| made_up_address(&options.name)),
        role_name: Some(options.role_name.clone()),
        ..CreateAccountRequest::default()
    };
    match client.call::<CreateAccount>(&request).await?.result {
        Ok(reply) => Ok(reply.create_account_status),
        Err(refusal) if refusal.code == "AWSOrganizationsNotInUseException" => Ok(None),
        Err(refusal) => bail!("{refusal}"),
    }
}

/// Nothing is ever sent there: `.invalid` is no domain.
fn made_up_address(name: &str) -> String {
    let local = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    format!("{}@accounts.invalid", name.chars().map(local).collect::<String>())
}

/// Waits until the account is there; answers its id.
async fn finished(client: &Client, mut status: CreateAccountStatus) -> Result<String> {
    let id = status.id.clone().context("the server gave the request no id")?;
    for _ in 0..ATTEMPTS {
        match (status.state.as_deref(), status.account_id, status.failure_reason) {
            (Some("SUCCEEDED"), Some(account), _) => return Ok(account),
            (Some("FAILED"), _, reason) => bail!(failure(reason.as_deref().unwrap_or("no reason given"))),
            _ => tokio::time::sleep(PAUSE).await,
        }
        let request = DescribeCreateAccountStatusRequest {
            create_account_request_id: id.clone(),
        };
        let reply = client.expect::<DescribeCreateAccountStatus>(&request).await?;
        status = reply.create_account_status.unwrap_or_default();
    }
    bail!("the account is not there yet; ask later with: portcullis account list")
}

fn failure(reason: &str) -> String {
    match reason {
        "EMAIL_ALREADY_EXISTS" => {
            "another account has this mail address; choose another one with --email".to_owned()
        }
        reason => format!("the account could not be made: {reason}"),
    }
}

async fn list(options: &List) -> Result<ExitCode> {
    let client = options.connection.client()?;
    let mut request = ListAccountsRequest::default();
    loop {
        let page = client.expect::<ListAccounts>(&request).await?;
        page.accounts
            .iter()
            .flatten()
            .map(line)
            .for_each(|line| say(&line));
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

fn line(account: &Account) -> String {
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    format!(
        "{}  {:<9}  {}  {}",
        shown(&account.id),
        shown(&account.status),
        shown(&account.name),
        shown(&account.email)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_steps_are_those_the_caller_can_take() {
        insta::assert_snapshot!(next_steps("444455556666", "my staging", "Admin", false), @r"
        Account 444455556666 is there. To administer it, with sts:AssumeRole allowed on its role:
          aws sts assume-role --role-arn arn:aws:iam::444455556666:role/Admin --role-session-name my-staging
        ");
        insta::assert_snapshot!(next_steps("444455556666", "a", "Admin", true), @r#"
        Account 444455556666 is there. The root user cannot assume its role; make a user who can:
          aws iam create-user --user-name admin-of-444455556666
          aws iam put-user-policy --user-name admin-of-444455556666 --policy-name assume --policy-document '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::444455556666:role/Admin"}}'
          aws iam create-access-key --user-name admin-of-444455556666
        and with that key:
          aws sts assume-role --role-arn arn:aws:iam::444455556666:role/Admin --role-session-name a
        "#);
    }
}
