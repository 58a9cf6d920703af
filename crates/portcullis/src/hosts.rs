//! `portcullis hosts`: the agents of container instances, and letting in those that cannot prove themselves by a key.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use http_body_util::{BodyExt as _, Limited};
use hyper::Response;
use hyper::body::Incoming;
use portcullis_control::agents::hosts::PATH;
use serde_json::{Value, json};

use crate::client::Client;
use crate::connection::Connection;
use crate::printable::printable;
use crate::say;

/// What requests are signed for.
const SERVICE: &str = "portcullis";
/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Show and approve the agents of container instances.
///
/// An agent of ours proves by its key that it is its container instance's. The genuine Amazon ECS agent has no such key, and a
/// second container instance of one principal may be somebody else: these wait until an operator lets them in.
///
/// Ends with 0 when it is done, 1 when the server refuses, 2 when it cannot be asked.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List container instances and how their agents are let in; needs portcullis:ListHosts
    List {
        /// Only container instances of this cluster
        #[arg(long, value_name = "NAME")]
        cluster: Option<String>,
        /// Print the server's answer as it is
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        connection: Connection,
    },
    /// Let the agent of a container instance in, from one address if it has no key; needs portcullis:ApproveHost
    Approve {
        /// The container instance's ARN
        #[arg(value_name = "ARN")]
        instance: String,
        /// The address it comes from [default: the one it registered from]
        #[arg(long)]
        source: Option<String>,
        /// The key of its agent as the list shows it; without it only an agent that has none is let in
        #[arg(long, value_name = "KEY")]
        agent_key: Option<String>,
        #[command(flatten)]
        connection: Connection,
    },
}

/// What the server said.
enum Answer {
    Done(Value),
    Refused(String),
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode> {
    let outcome = match options.command {
        Command::List {
            cluster,
            json,
            connection,
        } => list(&connection.client()?, cluster.as_deref(), json).await,
        Command::Approve {
            instance,
            source,
            agent_key,
            connection,
        } => approve(&connection.client()?, &instance, source, agent_key).await,
    };
    Ok(match outcome? {
        None => ExitCode::SUCCESS,
        Some(refusal) => {
            crate::complain(&format!("portcullis: {refusal}"));
            ExitCode::from(1)
        }
    })
}

async fn hosts(client: &Client, cluster: Option<&str>) -> Result<Answer> {
    let query = cluster.map(|name| format!("?cluster={}", name.rsplit('/').next().unwrap_or_default()));
    let target = format!("{PATH}{}", query.unwrap_or_default());
    answer(client.open(SERVICE, &target, None).await?).await
}

async fn list(client: &Client, cluster: Option<&str>, json: bool) -> Result<Option<String>> {
    let told = match hosts(client, cluster).await? {
        Answer::Refused(why) => return Ok(Some(why)),
        Answer::Done(told) => told,
    };
    if json {
        say(&told.to_string());
        return Ok(None);
    }
    let hosts = told.get("hosts").and_then(Value::as_array);
    if hosts.is_none_or(Vec::is_empty) {
        crate::complain(
            "portcullis: there are no container instances here; docs/agent.md tells how one joins",
        );
    }
    for host in hosts.into_iter().flatten() {
        say(&line(host));
    }
    Ok(None)
}

/// Approves what was seen: the address is the one that the operator can read in the list, the key the one that was read there.
async fn approve(
    client: &Client,
    instance: &str,
    source: Option<String>,
    key: Option<String>,
) -> Result<Option<String>> {
    let source = match source {
        Some(source) => source,
        None => match registered_from(client, instance).await? {
            Ok(source) => source,
            Err(why) => return Ok(Some(why)),
        },
    };
    let body = json!({ "containerInstance": instance, "source": source, "agentKey": key }).to_string();
    match answer(client.send(SERVICE, PATH, body).await?).await? {
        Answer::Refused(why) => Ok(Some(why)),
        Answer::Done(host) => {
            say(&line(&host));
            Ok(None)
        }
    }
}

async fn registered_from(client: &Client, instance: &str) -> Result<Result<String, String>> {
    let cluster = instance.rsplit('/').nth(1);
    let told = match hosts(client, cluster).await? {
        Answer::Refused(why) => return Ok(Err(format!("{why}; give --source to do without the list"))),
        Answer::Done(told) => told,
    };
    let mut hosts = told.get("hosts").and_then(Value::as_array).into_iter().flatten();
    let text = |host: &Value, name: &str| host.get(name).and_then(Value::as_str).map(str::to_owned);
    let found = hosts.find(|host| text(host, "containerInstanceArn").as_deref() == Some(instance));
    let source = found.and_then(|host| text(host, "registeredFrom"));
    Ok(source.ok_or_else(|| {
        "there is no such container instance; give its whole ARN, as `portcullis hosts list` shows it"
            .to_owned()
    }))
}

/// One host for people: how it stands, what it is, where it comes from, what went wrong.
fn line(host: &Value) -> String {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let mut shown = format!(
        "{:8}  {}  from {}  registered {}",
        text(host, "standing"),
        text(host, "containerInstanceArn"),
        text(host, "registeredFrom"),
        text(host, "registeredAt")
    );
    if let Some(key) = host.get("agentKey").and_then(Value::as_str) {
        shown.push_str(&format!("  key {key}"));
    }
    if host.get("agentConnected").and_then(Value::as_bool) == Some(true) {
        shown.push_str("  connected");
    }
    if let Some(approval) = host.get("approval") {
        let (by, source) = (text(approval, "by"), text(approval, "source"));
        shown.push_str(&format!("  approved by {by} for {source}"));
    }
    if let Some(alert) = host.get("lastAlert") {
        let (name, source) = (text(alert, "eventName"), text(alert, "source"));
        shown.push_str(&format!(
            "  last alert {name} from {source} at {}",
            text(alert, "at")
        ));
    }
    printable(&shown)
}

async fn answer(response: Response<Incoming>) -> Result<Answer> {
    let is_good = response.status().is_success();
    let code = response.headers().get("x-amzn-errortype");
    let code = code
        .and_then(|code| code.to_str().ok())
        .unwrap_or("refused")
        .to_owned();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error));
    let body = body.context("the answer could not be read")?.to_bytes();
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    if is_good {
        return Ok(Answer::Done(told));
    }
    let text = told.get("message").or_else(|| told.get("Message"));
    let text = text
        .and_then(Value::as_str)
        .unwrap_or("the server gave no reason");
    Ok(Answer::Refused(printable(&format!("{code}: {text}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_waits_is_one_line_with_its_address() {
        let host = json!({
            "containerInstanceArn": "arn:aws:ecs:us-east-1:123456789012:container-instance/c/1", "standing": "WAITING",
            "registeredFrom": "192.0.2.1", "registeredAt": "2026-11-22T00:00:00Z", "agentKey": "QUJD",
            "lastAlert": { "eventName": "AGENT_AWAITS_APPROVAL", "source": "192.0.2.1", "at": "2026-11-22T00:00:01Z" },
        });
        insta::assert_snapshot!(line(&host), @"WAITING   arn:aws:ecs:us-east-1:123456789012:container-instance/c/1  from 192.0.2.1  registered 2026-11-22T00:00:00Z  key QUJD  last alert AGENT_AWAITS_APPROVAL from 192.0.2.1 at 2026-11-22T00:00:01Z");
    }
}
