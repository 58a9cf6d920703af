//! What the story needs around it: a server, an agent, an administrator's client.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_agent::{
    Config, CredentialsSource, EngineChoice, EngineKind, PullBehavior, Seams, Status, TaskApi,
};
use portcullis_api::{ecs, iam};
use portcullis_control::federation::Authorities;
use portcullis_control::gate::assume::{Assumption, TASK_SESSION_SECONDS};
use portcullis_core::{AccountId, Arn, Region, SystemClock, SystemRandom};
use portcullis_wire::Operation;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::policies::{self, CLUSTER};
use super::tell::Tale;
use super::{Options, identities};
use crate::assembly::{self, Plan, Running};
use crate::blob_options::BlobOptions;
use crate::client::{Client, Credentials};
use crate::image;

/// The port of the tasks' side of the API, on 169.254.170.2.
const TASK_API_PORT: u16 = 4566;
const INSTANCE_ROLE: &str = "ecsInstanceRole";
/// Longest wait for anything that happens in the background.
const PATIENCE: Duration = Duration::from_secs(60);
/// The service that hands an instance its role's credentials.
const EC2: &str = "ec2.amazonaws.com";
const INSTANCE_ID: &str = "i-0123456789abcdef0";

/// The stage.
pub struct Stage {
    /// The server.
    pub server: Running,
    /// A client of the administrator.
    pub admin: Client,
    /// The account.
    pub account: AccountId,
    /// The region of the story.
    pub region: Region,
    /// What the agent is.
    pub agent: Option<Agent>,
    engine: EngineChoice,
    docker_host: Option<String>,
    folder: TempDir,
}

/// A running agent.
pub struct Agent {
    /// Its audit log.
    pub audit_log: PathBuf,
    /// Which engine it found.
    pub engine: EngineKind,
    stop: watch::Sender<bool>,
    run: JoinHandle<Result<(), portcullis_agent::AgentError>>,
}

impl Stage {
    /// Starts a server with a data directory of its own.
    pub async fn set(options: &Options, tale: &Tale) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("portcullis-quickstart-")
            .tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
        let account: AccountId = "123456789012".parse()?;
        let region = Region::us_east_1();
        let plan = Plan {
            blobs: BlobOptions::default(),
            listen: options.listen,
            data_dir: Some(folder.path().join("data")),
            account: account.clone(),
            root: None,
            hand_over: Box::new(|_, _| Ok(())),
            iam_quotas: Default::default(),
            public_parameters: Default::default(),
            tls: None,
            trusted_proxies: Vec::new(),
            scim: false,
            agent_builds: None,
            aws_throttling: false,
            task_session_seconds: TASK_SESSION_SECONDS,
            provider_authorities: Authorities::default(),
            upstreams: Default::default(),
            logs: portcullis_logs::Options::default(),
        };
        let server = assembly::start(plan).await?;
        server.gate.explain_allowed_too();
        let key = server
            .administrator
            .clone()
            .context("the data directory is not new")?;
        let credentials = Credentials::new(key.access_key_id(), key.secret().clone(), None);
        let admin = Client::new(&server.endpoint(), region.clone(), credentials);
        tale.note(&format!(
            "server at {}, state in {}",
            server.endpoint(),
            folder.path().display()
        ));
        let (engine, docker_host) = (options.engine.into(), options.docker_host.clone());
        Ok(Self {
            server,
            admin,
            account,
            region,
            agent: None,
            engine,
            docker_host,
            folder,
        })
    }

    /// Why a call was decided as it was: a line for each permission it had, the whole reason for each it lacked; empty
    /// when nothing had to be decided.
    pub fn why(&self, request_id: &str) -> String {
        let reasons = self.server.gate.why(request_id);
        let told = reasons.iter().map(|reason| match reason.is_allowed() {
            true => format!("{}: {}", reason.action, reason.one_line()),
            false => reason.render(),
        });
        told.collect::<Vec<_>>().join("\n")
    }

    /// Makes a call and tells it: what was asked, what came back, why. `wanted` judges the outcome.
    pub async fn tell<O: Operation>(
        &self,
        tale: &mut Tale,
        who: &Client,
        asked: &str,
        input: &O::Input,
        wanted: Wanted,
    ) -> Result<Option<O::Output>> {
        let answer = who.call::<O>(input).await?;
        match answer.result {
            Ok(output) => {
                tale.step(
                    asked,
                    "allowed",
                    self.why(&answer.request_id),
                    wanted == Wanted::Allowed,
                );
                Ok(Some(output))
            }
            Err(refusal) => {
                let denied = matches!(refusal.code.as_str(), "AccessDenied" | "AccessDeniedException");
                tale.step(
                    asked,
                    refusal.to_string(),
                    self.why(&answer.request_id),
                    denied && wanted == Wanted::Denied,
                );
                Ok(None)
            }
        }
    }

    /// Starts the agent with an instance role of its own.
    pub async fn start_agent(&mut self, tale: &Tale) -> Result<()> {
        let credentials_file = self.instance_credentials().await?;
        let state_dir = self.folder.path().join("agent");
        let mut config = Config::new(
            CLUSTER,
            self.region.clone(),
            self.server.endpoint(),
            CredentialsSource::File(credentials_file),
            state_dir,
        );
        // The story's image is made here; nobody is to be asked for one of that name.
        config.images.behavior = PullBehavior::PreferCached;
        // Nothing is to stay on the machine, not even empty cgroups.
        config.containers.task_limits = false;
        config.engine = self.engine;
        config.docker_host.clone_from(&self.docker_host);
        config.stop_tasks_on_shutdown = true;
        let audit_log = config.audit_log.clone();
        let (listener, mut task_side) = oneshot::channel::<TcpListener>();
        config.task_api = Some(TaskApi {
            port: TASK_API_PORT,
            listener,
        });
        let seams = Seams {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
        };
        let (status, mut seen) = watch::channel(Status::default());
        let (stop, stopped) = watch::channel(false);
        tale.progress("the agent registers its container instance");
        let run = tokio::spawn(portcullis_agent::run(config, seams, status, stopped));
        let status = match tokio::time::timeout(PATIENCE, portcullis_agent::connected(&mut seen)).await {
            Ok(Some(status)) => status,
            // Nobody is left to connect: the agent has ended and says why.
            Ok(None) => {
                run.await??;
                anyhow::bail!("the agent ended");
            }
            Err(_) => anyhow::bail!("the agent did not connect within a minute"),
        };
        if let Ok(listener) = task_side.try_recv() {
            self.server.serve_also(listener);
        }
        let engine = status.engine.context("the agent has no engine")?;
        for notice in &status.notices {
            tale.note(&format!("agent: {notice}"));
        }
        if engine == EngineKind::Docker {
            tale.progress("the demo's image is made from this program");
            image::make(self.docker_host.as_deref()).await?;
        }
        self.agent = Some(Agent {
            audit_log,
            engine,
            stop,
            run,
        });
        Ok(())
    }

    /// The container instance's role, and a file with credentials of it as an instance would find them.
    async fn instance_credentials(&self) -> Result<PathBuf> {
        let role = identities::create_role(&self.admin, INSTANCE_ROLE, &policies::trust_ec2()).await?;
        let attach = iam::AttachRolePolicyRequest {
            role_name: INSTANCE_ROLE.to_owned(),
            policy_arn: "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role".to_owned(),
        };
        self.admin.expect::<iam::op::AttachRolePolicy>(&attach).await?;
        let instance = Arn::regional(
            "ec2",
            &self.region,
            &self.account,
            format_args!("instance/{INSTANCE_ID}"),
        );
        let assumption = Assumption {
            principal: EC2,
            source: &instance,
            session_name: INSTANCE_ID,
        };
        let assumed = self.server.gate.assume(&role.parse()?, &assumption).await;
        let assumed = assumed.context("the container instance's role could not be assumed")?;
        let document = serde_json::json!({
            "AccessKeyId": assumed.session.access_key_id,
            "SecretAccessKey": assumed.session.secret.expose(),
            "Token": assumed.token.expose(),
            "Expiration": assumed.session.expires.to_iso(),
        });
        let path = self.folder.path().join("instance-credentials.json");
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        serde_json::to_writer(file, &document)?;
        Ok(path)
    }

    /// The agent; there from act 3 on.
    pub fn agent(&self) -> Result<&Agent> {
        self.agent.as_ref().context("the agent is not running")
    }

    /// Docker Engine's address, if one was named.
    pub fn docker_host(&self) -> Option<&str> {
        self.docker_host.as_deref()
    }

    /// Looks at a task again and again until it is as wanted.
    pub async fn wait_for_task(&self, arn: &str, wanted: impl Fn(&ecs::Task) -> bool) -> Result<ecs::Task> {
        let request = ecs::DescribeTasksRequest {
            cluster: Some(CLUSTER.to_owned()),
            tasks: vec![arn.to_owned()],
            ..Default::default()
        };
        let looking = async {
            loop {
                let reply = self.admin.expect::<ecs::op::DescribeTasks>(&request).await?;
                if let Some(task) = reply.tasks.into_iter().flatten().find(|task| wanted(task)) {
                    return Ok(task);
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .context("the task did not get there within a minute")?
    }

    /// Prints how to go on by hand and waits for Ctrl-C.
    pub async fn keep(&self, tale: &Tale) -> Result<()> {
        let Some(key) = &self.server.administrator else {
            return Ok(());
        };
        tale.note("the server goes on; Ctrl-C ends it and removes everything. For the AWS CLI:");
        crate::say(&format!("export AWS_ENDPOINT_URL={}", self.server.endpoint()));
        crate::say(&format!("export AWS_DEFAULT_REGION={}", self.region));
        crate::say(&format!("export AWS_ACCESS_KEY_ID={}", key.access_key_id()));
        crate::say(&format!("export AWS_SECRET_ACCESS_KEY={}", key.secret().expose()));
        crate::interrupted().await.context("signals cannot be waited for")
    }

    /// Ends agent and server and removes the folder.
    pub async fn strike(self) -> Result<()> {
        if let Some(agent) = self.agent {
            agent.stop.send_replace(true);
            agent.run.await??;
            if agent.engine == EngineKind::Docker {
                image::remove(self.docker_host.as_deref()).await?;
            }
        }
        self.server.end().await?;
        self.folder
            .close()
            .context("the quickstart's folder could not be removed")
    }
}

/// How a call ought to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It is allowed.
    Allowed,
    /// It is refused by the gate.
    Denied,
}
