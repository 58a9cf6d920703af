//! `portcullis serve`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use portcullis_control::bootstrap::{ADMINISTRATOR, IamQuotas, LongTermKey};
use portcullis_control::federation::Authorities;
use portcullis_control::gate::assume::TASK_SESSION_SECONDS;
use portcullis_control::server;
use portcullis_control::services::ssm::parameters::PublicParameters;
use portcullis_control::upstream::Upstreams;
use portcullis_core::AccountId;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::assembly::{self, Plan};
use crate::blob_options::BlobOptions;
use crate::secret_option::SecretOption;

/// Options of `portcullis serve`. A configuration file may hold the same names; the command line wins.
#[derive(Debug, Default, Args, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Address to listen on [default: 127.0.0.1:4566]
    #[arg(long)]
    listen: Option<SocketAddr>,
    /// Where state lasts [default: ./portcullis-data]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// What keeps the state [default: embedded]
    #[arg(long)]
    store: Option<Engine>,
    /// Account id [default: 123456789012]
    #[arg(long)]
    account: Option<AccountId>,
    /// Certificate chain in PEM, to speak TLS
    #[arg(long)]
    tls_cert: Option<PathBuf>,
    /// Private key in PEM
    #[arg(long)]
    tls_key: Option<PathBuf>,
    /// Address of a proxy whose X-Forwarded-For is believed; may be given more than once
    #[arg(long)]
    #[serde(default)]
    trusted_proxy: Vec<IpAddr>,
    /// Let identity providers keep users and groups by SCIM 2.0, below /scim/v2
    #[arg(long)]
    scim: bool,
    /// Certificate authorities in PEM that are trusted for identity providers and upstream registries [default: the system's]
    #[arg(long)]
    provider_ca: Option<PathBuf>,
    /// Registry that pull-through cache rules may read, as rules call it, and where it may send this server on to for tokens and
    /// layers, such as quay.io=https://quay.io,https://cdn.quay.io; public.ecr.aws serves the images of ECR Public by their own
    /// names too; may be given more than once (docs/registry.md)
    #[arg(long, value_name = "NAME=URL[,URL...]")]
    #[serde(default)]
    upstream_registry: Vec<String>,
    /// Let each account make as many ECS calls as AWS lets it, and refuse more with ThrottlingException
    #[arg(long)]
    aws_throttling: bool,
    /// Seconds that credentials of tasks live, 60 to 21600; new ones come at half of it [default: 21600, as on AWS]
    #[arg(long, value_name = "SECONDS")]
    task_credentials_duration: Option<i64>,
    /// Folder of signed builds that agents are updated to (docs/agent-updates.md)
    #[arg(long, value_name = "FOLDER")]
    agent_builds: Option<PathBuf>,
    /// Most MiB of log events that are kept, as they are stored; more are refused [default: 10240]
    #[arg(long, value_name = "MIB")]
    logs_quota: Option<u64>,
    /// JSON file of the parameters that everybody may read, names below /aws/service/ with their values (docs/secrets.md)
    #[arg(long, value_name = "FILE")]
    public_parameters: Option<PathBuf>,
    /// Quota of IAM that differs from AWS's default, such as roles=10000; may be given more than once
    #[arg(long, value_name = "NAME=NUMBER")]
    #[serde(default)]
    iam_quota: Vec<String>,
    /// Quota of ECS that differs from AWS's default, such as tasks-per-service=10000; may be given more than once
    #[arg(long, value_name = "NAME=NUMBER")]
    #[serde(default)]
    ecs_quota: Vec<String>,
    /// Where images and objects are kept; on the command line alone.
    #[command(flatten)]
    #[serde(skip)]
    blobs: BlobOptions,
    /// File with these options in JSON
    #[arg(long)]
    #[serde(skip)]
    config: Option<PathBuf>,
    /// Access key id of the root user
    #[arg(long, env = ROOT_ID, hide = true)]
    #[serde(skip)]
    root_key_id: Option<String>,
    /// Secret access key of the root user
    #[arg(long = "root-secret", env = ROOT_SECRET, hide = true, hide_env_values = true)]
    #[serde(skip)]
    root_secret: Option<SecretOption>,
}

/// What keeps the state.
#[derive(Debug, Clone, Copy, ValueEnum, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Engine {
    /// Files in the data directory
    Embedded,
    /// Nothing: state ends with the process
    Memory,
}

/// Less would have agents rotate without end.
const TASK_SESSION_MIN_SECONDS: i64 = 60;

const ROOT_ID: &str = "PORTCULLIS_ROOT_ACCESS_KEY_ID";
const ROOT_SECRET: &str = "PORTCULLIS_ROOT_SECRET_ACCESS_KEY";

/// The file the administrator's first key is written to, in the data directory.
const KEY_FILE: &str = "administrator-key.json";

/// Runs the server until SIGTERM or SIGINT.
pub async fn run(options: Options) -> Result<ExitCode> {
    crate::start_log("info");
    let options = options.with_file()?;
    let data_dir = options.data_dir();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = assembly::start(options.plan(data_dir)?).await?;
    tracing::info!(endpoint = running.endpoint(), "Portcullis serves");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.end().await?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    fn with_file(self) -> Result<Self> {
        let Some(path) = &self.config else { return Ok(self) };
        let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let file: Self =
            serde_json::from_str(&text).with_context(|| format!("{} is no configuration", path.display()))?;
        Ok(Self {
            listen: self.listen.or(file.listen),
            data_dir: self.data_dir.or(file.data_dir),
            store: self.store.or(file.store),
            account: self.account.or(file.account),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            scim: self.scim || file.scim,
            agent_builds: self.agent_builds.or(file.agent_builds),
            public_parameters: self.public_parameters.or(file.public_parameters),
            aws_throttling: self.aws_throttling || file.aws_throttling,
            task_credentials_duration: self.task_credentials_duration.or(file.task_credentials_duration),
            provider_ca: self.provider_ca.or(file.provider_ca),
            upstream_registry: [file.upstream_registry, self.upstream_registry].concat(),
            logs_quota: self.logs_quota.or(file.logs_quota),
            iam_quota: [file.iam_quota, self.iam_quota].concat(),
            ecs_quota: [file.ecs_quota, self.ecs_quota].concat(),
            trusted_proxy: if self.trusted_proxy.is_empty() {
                file.trusted_proxy
            } else {
                self.trusted_proxy
            },
            config: None,
            blobs: self.blobs,
            root_key_id: self.root_key_id,
            root_secret: self.root_secret,
        })
    }

    fn data_dir(&self) -> Option<PathBuf> {
        let default = || PathBuf::from("portcullis-data");
        (self.store != Some(Engine::Memory)).then(|| self.data_dir.clone().unwrap_or_else(default))
    }

    fn plan(self, data_dir: Option<PathBuf>) -> Result<Plan> {
        let tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(server::tls(&read(cert)?, &read(key)?)?),
            (None, None) => None,
            _ => bail!("--tls-cert and --tls-key belong together"),
        };
        if self.store == Some(Engine::Memory) && self.data_dir.is_some() {
            bail!("--store memory keeps nothing: leave --data-dir out");
        }
        let root = match (self.root_key_id, self.root_secret) {
            (Some(id), Some(secret)) => Some(LongTermKey::chosen(id, secret.into_secret())?),
            (None, None) => None,
            _ => bail!("{ROOT_ID} and {ROOT_SECRET} belong together: set both or none"),
        };
        let mut iam_quotas = IamQuotas::default();
        for quota in &self.iam_quota {
            iam_quotas.set(quota).context("--iam-quota")?;
        }
        for quota in &self.ecs_quota {
            iam_quotas.set_of_ecs(quota).context("--ecs-quota")?;
        }
        let task_session_seconds = self.task_credentials_duration.unwrap_or(TASK_SESSION_SECONDS);
        if !(TASK_SESSION_MIN_SECONDS..=TASK_SESSION_SECONDS).contains(&task_session_seconds) {
            bail!(
                "--task-credentials-duration is {TASK_SESSION_MIN_SECONDS} to {TASK_SESSION_SECONDS} seconds"
            );
        }
        let provider_authorities = authorities(self.provider_ca.as_deref())?;
        let upstreams = Upstreams::parse(&self.upstream_registry, &provider_authorities);
        let mut logs = portcullis_logs::Options::default();
        if let Some(quota) = self.logs_quota {
            logs.quota_bytes = quota.saturating_mul(1024 * 1024);
        }
        let key_dir = data_dir.clone();
        Ok(Plan {
            blobs: self.blobs,
            iam_quotas,
            provider_authorities,
            upstreams: upstreams.context("--upstream-registry")?,
            public_parameters: public_parameters(self.public_parameters.as_deref())?,
            logs,
            listen: self
                .listen
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4566))),
            data_dir,
            account: match self.account {
                Some(account) => account,
                None => "123456789012".parse()?,
            },
            root,
            hand_over: Box::new(move |key, endpoint| hand_over(key, key_dir.as_deref(), endpoint)),
            tls,
            trusted_proxies: self.trusted_proxy,
            scim: self.scim,
            agent_builds: self.agent_builds,
            aws_throttling: self.aws_throttling,
            task_session_seconds,
        })
    }
}

/// Where systems keep the authorities they trust.
const SYSTEM_AUTHORITIES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// The authorities for identity providers: the file's, else the system's, else none but what thumbprints pin.
fn authorities(file: Option<&Path>) -> Result<Authorities> {
    if let Some(file) = file {
        return Authorities::from_pem(&read(file)?).with_context(|| file.display().to_string());
    }
    let mut systems = SYSTEM_AUTHORITIES.iter().filter_map(|path| fs::read(path).ok());
    let found = systems.find_map(|pem| Authorities::from_pem(&pem).ok());
    Ok(found.unwrap_or_default())
}

/// The file's parameters, else the built-in ones.
fn public_parameters(file: Option<&Path>) -> Result<PublicParameters> {
    let Some(file) = file else {
        return Ok(PublicParameters::default());
    };
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    PublicParameters::parse(&text).with_context(|| format!("{} holds no public parameters", file.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Gives the first key to whoever owns the data directory, once. State in memory has none: the key goes to standard
/// output then, and ends with the process as well.
fn hand_over(key: &LongTermKey, data_dir: Option<&Path>, endpoint: &str) -> Result<()> {
    let text = serde_json::to_string_pretty(&serde_json::json!({
        "UserName": ADMINISTRATOR,
        "AccessKeyId": key.access_key_id(),
        "SecretAccessKey": key.secret().expose(),
        "Endpoint": endpoint,
    }))?;
    match data_dir {
        Some(dir) => keep_private(&dir.join(KEY_FILE), text.as_bytes()),
        None => {
            crate::say(&text);
            Ok(())
        }
    }
}

/// Writes a file that only its owner reads; one of an earlier start that did not come to its end is replaced.
fn keep_private(path: &Path, contents: &[u8]) -> Result<()> {
    let unfinished = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        if unfinished.exists() {
            fs::remove_file(&unfinished)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))?;
    tracing::info!(file = %path.display(), "the administrator's key was written");
    Ok(())
}
