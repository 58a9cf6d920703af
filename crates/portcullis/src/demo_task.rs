//! What runs inside the quickstart's task: an ordinary program that finds its credentials as every SDK does, calls
//! the API as its task role, and waits to be stopped. What it did is read from CloudTrail, not from its output.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use portcullis_api::{ecs, sts};
use portcullis_core::{Region, Secret};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, Credentials, Refusal};

/// Where the credentials are: set by the agent (agent.md 1.1, 1.5).
pub const TASK_ADDRESS: &str = "http://169.254.170.2";

/// Options of the demo task; all from the environment, like an SDK's.
#[derive(Debug, Args)]
pub struct Options {
    #[arg(long, env = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")]
    relative_uri: Option<String>,
    #[arg(long, env = "AWS_CONTAINER_CREDENTIALS_FULL_URI")]
    full_uri: Option<String>,
    #[arg(long, env = "AWS_CONTAINER_AUTHORIZATION_TOKEN", hide_env_values = true)]
    authorization: Option<String>,
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    endpoint: String,
    #[arg(long, env = "AWS_REGION")]
    region: String,
    /// The cluster the task role may describe
    #[arg(long, env = "DEMO_CLUSTER", default_value = "default")]
    cluster: String,
    /// Print the credentials document and end: what a thief inside the task would do
    #[arg(long)]
    steal: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fetched {
    access_key_id: String,
    secret_access_key: String,
    token: String,
}

/// Runs until SIGTERM.
pub async fn run(options: Options) -> Result<ExitCode> {
    let mut terminate = signal(SignalKind::terminate())?;
    let region: Region = options.region.parse()?;
    let nobody = Credentials::new("", Secret::default(), None);
    let client = Client::new(&options.endpoint, region, nobody);
    let document = fetch(&client, &options).await?;
    if options.steal {
        crate::say(&document);
        return Ok(ExitCode::SUCCESS);
    }
    let client = client.with(parse(&document)?);
    let me = client
        .expect::<sts::op::GetCallerIdentity>(&sts::GetCallerIdentityRequest::default())
        .await?;
    crate::say(&format!("I am {}", me.arn.unwrap_or_default()));
    let own = ecs::DescribeClustersRequest {
        clusters: Some(vec![options.cluster.clone()]),
        ..Default::default()
    };
    crate::say(&format!(
        "DescribeClusters: {}",
        outcome(client.call::<ecs::op::DescribeClusters>(&own).await?.result)
    ));
    let forbidden = ecs::DeleteClusterRequest {
        cluster: options.cluster,
    };
    crate::say(&format!(
        "DeleteCluster: {}",
        outcome(client.call::<ecs::op::DeleteCluster>(&forbidden).await?.result)
    ));
    terminate.recv().await;
    Ok(ExitCode::SUCCESS)
}

async fn fetch(client: &Client, options: &Options) -> Result<String> {
    let url = match (&options.relative_uri, &options.full_uri) {
        (Some(relative), _) => format!("{TASK_ADDRESS}{relative}"),
        (None, Some(full)) => full.clone(),
        (None, None) => anyhow::bail!("this task has no task role: the environment names no credentials"),
    };
    let (status, body) = client.get(&url, options.authorization.as_deref()).await?;
    anyhow::ensure!(
        status == 200,
        "the credentials endpoint answered {status}: {body}"
    );
    Ok(body)
}

/// The credentials in a document of the credentials endpoint.
pub fn parse(document: &str) -> Result<Credentials> {
    let fetched: Fetched =
        serde_json::from_str(document).context("the credentials document has another form")?;
    let secret = Secret::new(fetched.secret_access_key);
    Ok(Credentials::new(
        fetched.access_key_id,
        secret,
        Some(Secret::new(fetched.token)),
    ))
}

fn outcome<T>(result: Result<T, Refusal>) -> String {
    match result {
        Ok(_) => "allowed".to_owned(),
        Err(refusal) => refusal.to_string(),
    }
}
