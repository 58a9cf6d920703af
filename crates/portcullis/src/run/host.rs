//! This machine as a container instance, for one program.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use portcullis_agent::{
    AgentError, Config, CredentialsSource, EngineChoice, InjectEndpoint, InstanceCredentials, Seams, Status,
};
use portcullis_core::{SystemClock, SystemRandom};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{PATIENCE, holder};
use crate::connection::Connection;

/// A container instance that takes the one task.
pub(super) struct Host {
    /// The cluster.
    pub cluster: String,
    /// Its ARN.
    pub instance: String,
    folder: TempDir,
    config: Config,
    stop: watch::Sender<bool>,
    agent: JoinHandle<Result<(), AgentError>>,
}

impl Host {
    /// Joins a cluster with the caller's own credentials.
    pub async fn join(connection: &Connection, cluster: &str) -> Result<Self> {
        let this_users_alone = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new()
            .prefix("portcullis-run-")
            .permissions(this_users_alone)
            .tempdir()?;
        let config = config(connection, cluster, folder.path())?;
        let agents = self::config(connection, cluster, folder.path())?;
        let (status, mut seen) = watch::channel(Status::default());
        let (stop, stopped) = watch::channel(false);
        let agent = tokio::spawn(portcullis_agent::run(agents, seams(), status, stopped));
        let joined = tokio::time::timeout(PATIENCE, portcullis_agent::connected(&mut seen)).await;
        if let Ok(None) = joined {
            // It ended before it was connected, and says why.
            agent.await??;
            bail!("the agent ended before it joined cluster {cluster}");
        }
        let instance = seen.borrow().container_instance_arn.clone();
        let host = Self {
            cluster: cluster.to_owned(),
            instance: instance.with_context(|| format!("this machine could not join cluster {cluster}"))?,
            folder,
            config,
            stop,
            agent,
        };
        if joined.is_err() {
            host.leave().await?;
            bail!("this machine joined cluster {cluster}, but was not connected within a minute");
        }
        Ok(host)
    }

    /// A folder of this user's alone.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the cluster, as the agent that it was; what still runs is ended.
    pub async fn leave(self) -> Result<()> {
        self.stop.send_replace(true);
        let ended = self.agent.await;
        portcullis_agent::deregister(&self.config, &seams(), &self.instance).await?;
        ended.context("the agent broke down")??;
        Ok(())
    }
}

fn seams() -> Seams {
    Seams {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    }
}

fn config(connection: &Connection, cluster: &str, folder: &Path) -> Result<Config> {
    let credentials = connection.credentials()?;
    let credentials = CredentialsSource::Static(InstanceCredentials {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret,
        session_token: credentials.token,
    });
    let endpoint = connection.endpoint();
    let mut config = Config::new(
        cluster,
        connection.region()?,
        endpoint,
        credentials,
        folder.join("agent"),
    );
    config.engine = EngineChoice::Process;
    config.only_command = Some(command()?);
    config.inject_endpoint = InjectEndpoint::Url(endpoint.to_owned());
    config.stop_tasks_on_shutdown = true;
    config.stop_timeout = Duration::from_secs(2);
    Ok(config)
}

/// What the task's container runs: this program as a holder.
pub(super) fn command() -> Result<Vec<String>> {
    let own = std::env::current_exe().context("this program's own path is not known")?;
    let own = own.into_os_string().into_string();
    let own = own.map_err(|own| anyhow::anyhow!("{} is not UTF-8", own.display()))?;
    Ok(vec![own, holder::COMMAND.to_owned()])
}
