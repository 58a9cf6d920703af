//! `portcullis agent`: a container instance of a server elsewhere.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use portcullis_agent::{Config, CredentialsSource, InjectEndpoint, InstanceCredentials, Seams, Status};
use portcullis_core::{Region, Secret, SystemClock, SystemRandom};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::quickstart::Engine;
use crate::secret_option::SecretOption;

/// Options of `portcullis agent`. Credentials come from the usual variables or from a file that may be rewritten at
/// any time.
#[derive(Debug, Args)]
pub struct Options {
    /// The server, such as http://10.0.0.5:4566
    #[arg(long, env = "AWS_ENDPOINT_URL")]
    endpoint: String,
    /// Cluster to join
    #[arg(long, env = "ECS_CLUSTER", default_value = "default")]
    cluster: String,
    /// Region to sign for
    #[arg(long, env = "AWS_DEFAULT_REGION", default_value = "us-east-1")]
    region: String,
    /// What runs the containers
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// Docker Engine to use, unix:///path
    #[arg(long, env = "DOCKER_HOST")]
    docker_host: Option<String>,
    /// Where the agent keeps what it knows
    #[arg(long, default_value = "./portcullis-agent")]
    state_dir: PathBuf,
    /// The audit log of the credentials endpoint [default: audit.log in the state directory]
    #[arg(long, env = "ECS_AUDIT_LOGFILE")]
    audit_log: Option<PathBuf>,
    /// Credentials file: JSON as a credentials endpoint answers, or the [default] section of an AWS credentials file
    #[arg(long)]
    credentials_file: Option<PathBuf>,
    /// Address tasks get as AWS_ENDPOINT_URL [default: the server's]
    #[arg(long)]
    task_endpoint: Option<String>,
    /// Do not give tasks an AWS_ENDPOINT_URL
    #[arg(long, conflicts_with = "task_endpoint")]
    no_task_endpoint: bool,
    /// Answer exactly as the genuine agent does: any HTTP method, no check of who asks
    #[arg(long)]
    compat: bool,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    access_key_id: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true, hide_env_values = true)]
    secret_access_key: Option<SecretOption>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true, hide_env_values = true)]
    session_token: Option<SecretOption>,
}

/// Runs the agent until SIGTERM or SIGINT. Tasks go on; the next start finds them again.
pub async fn run(options: Options) -> Result<ExitCode> {
    crate::start_log("info");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    let (status, mut seen) = watch::channel(Status::default());
    let seams = Seams {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    let mut run = tokio::spawn(portcullis_agent::run(options.config()?, seams, status, stopped));
    tokio::spawn(async move {
        if let Some(status) = portcullis_agent::connected(&mut seen).await {
            for notice in &status.notices {
                tracing::info!("{notice}");
            }
            tracing::info!(instance = status.container_instance_arn, "the agent is connected");
        }
    });
    let ended = tokio::select! {
        ended = &mut run => ended,
        _ = terminate.recv() => end(&stop, run).await,
        _ = interrupt.recv() => end(&stop, run).await,
    };
    ended.context("the agent broke down")??;
    Ok(ExitCode::SUCCESS)
}

async fn end<T>(
    stop: &watch::Sender<bool>,
    run: tokio::task::JoinHandle<T>,
) -> Result<T, tokio::task::JoinError> {
    stop.send_replace(true);
    run.await
}

impl Options {
    fn config(self) -> Result<Config> {
        let region: Region = self.region.parse()?;
        let credentials = match (self.credentials_file, self.access_key_id, self.secret_access_key) {
            (Some(file), ..) => CredentialsSource::File(file),
            (None, Some(access_key_id), Some(secret)) => CredentialsSource::Static(InstanceCredentials {
                access_key_id,
                secret_access_key: secret.into_secret(),
                session_token: self.session_token.map(SecretOption::into_secret).filter(is_given),
            }),
            _ => anyhow::bail!(
                "no credentials: give --credentials-file, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            ),
        };
        let mut config = Config::new(
            self.cluster,
            region,
            self.endpoint.clone(),
            credentials,
            self.state_dir,
        );
        config.engine = self.engine.into();
        config.docker_host = self.docker_host;
        config.compat = self.compat;
        if let Some(path) = self.audit_log {
            config.audit_log = path;
        }
        config.inject_endpoint = match (self.no_task_endpoint, self.task_endpoint) {
            (true, _) => InjectEndpoint::Off,
            (false, endpoint) => InjectEndpoint::Url(endpoint.unwrap_or(self.endpoint)),
        };
        Ok(config)
    }
}

/// An empty variable is as good as none.
fn is_given(secret: &Secret) -> bool {
    !secret.expose().is_empty()
}
