//! What `portcullis agent` may be told.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use portcullis_agent::settings::{CONFIG_FILE, Variables};
use portcullis_agent::{
    Activation, AgentError, Config, CredentialsSource, InjectEndpoint, InstanceCredentials,
};
use portcullis_core::{Region, Secret};

use super::instance_metadata::InstanceMetadataOptions;
use crate::quickstart::Engine;
use crate::secret_option::SecretOption;

/// Where the genuine agent answers about itself.
pub(super) const INTROSPECTION_PORT: u16 = 51678;

/// Options of `portcullis agent`. Credentials come from the usual variables or from a file that may be rewritten at
/// any time.
#[derive(Debug, Args)]
pub struct Options {
    /// The server, such as http://10.0.0.5:4566 [env: ECS_BACKEND_HOST, AWS_ENDPOINT_URL]
    #[arg(long)]
    endpoint: Option<String>,
    /// Cluster to join [env: ECS_CLUSTER] [default: default]
    #[arg(long)]
    cluster: Option<String>,
    /// Region to sign for [env: AWS_DEFAULT_REGION] [default: us-east-1]
    #[arg(long)]
    region: Option<String>,
    /// The zone this host stands in, such as us-east-1b; placement spreads over zones [default: the region's first]
    #[arg(long, value_name = "ZONE", env = "PORTCULLIS_AVAILABILITY_ZONE")]
    availability_zone: Option<String>,
    /// The genuine agent's configuration, read where it is there; all variables: docs/agent-configuration.md
    #[arg(long, default_value = CONFIG_FILE)]
    config_file: PathBuf,
    /// What runs the containers
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// Docker Engine to use, unix:///path [env: DOCKER_HOST]
    #[arg(long)]
    docker_host: Option<String>,
    /// Where the agent keeps what it knows [env: ECS_DATADIR] [default: ./portcullis-agent]
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// The audit log of the credentials endpoint [env: ECS_AUDIT_LOGFILE] [default: audit.log in the state directory]
    #[arg(long)]
    audit_log: Option<PathBuf>,
    /// Credentials file: JSON as a credentials endpoint answers, or the [default] section of an AWS credentials file
    #[arg(long)]
    credentials_file: Option<PathBuf>,
    /// One-time registration token: ActivationId of `aws ssm create-activation`; the agent's key gives it credentials then
    #[arg(long, requires = "activation_code", conflicts_with = "credentials_file")]
    activation_id: Option<String>,
    /// The token's ActivationCode
    #[arg(long, env = "PORTCULLIS_ACTIVATION_CODE", hide_env_values = true)]
    activation_code: Option<SecretOption>,
    /// Address tasks get as AWS_ENDPOINT_URL [default: the server's]
    #[arg(long)]
    task_endpoint: Option<String>,
    /// Do not give tasks an AWS_ENDPOINT_URL
    #[arg(long, conflicts_with = "task_endpoint")]
    no_task_endpoint: bool,
    /// Answer exactly as the genuine agent does: any HTTP method, no check of who asks
    #[arg(long)]
    compat: bool,
    /// Keep the agent running, and start the newer builds it stages in its place (docs/agent-updates.md)
    #[arg(long)]
    pub(super) supervise: bool,
    /// What a supervisor starts its agent with
    #[arg(long, hide = true, conflicts_with = "supervise")]
    pub(super) supervised: bool,
    /// Key that signs builds of this agent, as `portcullis agent-build key` printed it; takes ECS_UPDATES_ENABLED=true as well
    #[arg(long, value_name = "KEY")]
    update_public_key: Option<String>,
    /// How long a new build may take to connect before the one before comes back, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) update_health_seconds: u64,
    #[command(flatten)]
    instance_metadata: InstanceMetadataOptions,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    access_key_id: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true, hide_env_values = true)]
    secret_access_key: Option<SecretOption>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true, hide_env_values = true)]
    session_token: Option<SecretOption>,
}

/// All that the agent starts with.
pub(super) struct Prepared {
    pub(super) config: Config,
    /// Lines the operator should see.
    pub(super) warnings: Vec<String>,
    /// What the log says, unless `PORTCULLIS_LOG` says otherwise.
    pub(super) log_level: &'static str,
}

impl Options {
    /// Puts options over environment, configuration file and defaults.
    pub(super) fn prepare(self) -> Result<Prepared, AgentError> {
        let file = read_config_file(&self.config_file)?;
        let variables = Variables::gather(environment, file.as_deref());
        let (mut config, warnings) = self.config(&variables)?;
        declare_version(&mut config);
        Ok(Prepared {
            config,
            warnings,
            log_level: log_level(variables.get("ECS_LOGLEVEL")),
        })
    }

    fn config(self, variables: &Variables) -> Result<(Config, Vec<String>), AgentError> {
        let given = |option: Option<String>, names: &[&str]| {
            let named = || {
                names
                    .iter()
                    .find_map(|name| variables.get(name))
                    .map(str::to_owned)
            };
            option.or_else(named)
        };
        let setting = |error: &dyn std::fmt::Display| AgentError::Setting(error.to_string());
        let endpoint = given(self.endpoint, &["ECS_BACKEND_HOST", "AWS_ENDPOINT_URL"]);
        let endpoint =
            endpoint.ok_or_else(|| setting(&"no server: give --endpoint, or set ECS_BACKEND_HOST"))?;
        let endpoint = match endpoint.contains("://") {
            true => endpoint,
            false => format!("http://{endpoint}"),
        };
        let cluster = given(self.cluster, &["ECS_CLUSTER"]).unwrap_or_else(|| "default".to_owned());
        let region = given(self.region, &["AWS_DEFAULT_REGION", "AWS_REGION"]);
        let region = region.unwrap_or_else(|| "us-east-1".to_owned());
        let region: Region = region.parse().map_err(|error| setting(&error))?;
        let zone = self.availability_zone;
        if let Some(zone) = zone.as_ref().filter(|zone| !is_zone_of(zone, &region)) {
            return Err(setting(&format_args!(
                "--availability-zone {zone} is no zone of {region}: its zones are {region}a, {region}b and so on"
            )));
        }
        let state_dir = self
            .state_dir
            .or_else(|| variables.get("ECS_DATADIR").map(PathBuf::from));
        let state_dir = state_dir.unwrap_or_else(|| PathBuf::from("./portcullis-agent"));
        let keys = Keys {
            activation: self.activation_id.zip(self.activation_code),
            file: self.credentials_file,
            access_key_id: given(self.access_key_id, &["AWS_ACCESS_KEY_ID"]),
            secret: self.secret_access_key.map(SecretOption::into_secret),
            token: self.session_token.map(SecretOption::into_secret),
        };
        let mut config = Config::new(
            cluster,
            region,
            endpoint.clone(),
            keys.source(variables)?,
            state_dir,
        );
        config.introspection_port = Some(INTROSPECTION_PORT);
        config.availability_zone = zone;
        let warnings = variables.apply(&mut config);
        config.engine = self.engine.into();
        config.docker_host = given(self.docker_host, &["DOCKER_HOST"]);
        config.compat = self.compat;
        config.instance_metadata = self.instance_metadata.settings();
        config.updates.supervised = self.supervised;
        if let Some(key) = &self.update_public_key {
            config
                .updates
                .set_public_key(key)
                .map_err(|error| setting(&error))?;
        }
        if let Some(path) = self.audit_log {
            config.audit_log = path;
        }
        config.inject_endpoint = match (self.no_task_endpoint, self.task_endpoint) {
            (true, _) => InjectEndpoint::Off,
            (false, own) => InjectEndpoint::Url(own.unwrap_or(endpoint)),
        };
        Ok((config, warnings))
    }
}

/// Whether a zone's name is its region's and a letter.
fn is_zone_of(zone: &str, region: &Region) -> bool {
    let letter = zone.strip_prefix(region.as_str());
    letter.is_some_and(|letter| letter.len() == 1 && letter.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// Where the instance's credentials may come from.
struct Keys {
    activation: Option<(String, SecretOption)>,
    file: Option<PathBuf>,
    access_key_id: Option<String>,
    secret: Option<Secret>,
    token: Option<Secret>,
}

impl Keys {
    fn source(self, variables: &Variables) -> Result<CredentialsSource, AgentError> {
        let named = |name: &str| variables.get(name).map(Secret::new);
        let secret = self.secret.or_else(|| named("AWS_SECRET_ACCESS_KEY"));
        if let Some((id, code)) = self.activation {
            let code = code.into_secret();
            return Ok(CredentialsSource::Activation(Activation { id, code }));
        }
        match (self.file, self.access_key_id, secret) {
            (Some(file), ..) => Ok(CredentialsSource::File(file)),
            (None, Some(access_key_id), Some(secret_access_key)) => {
                Ok(CredentialsSource::Static(InstanceCredentials {
                    access_key_id,
                    secret_access_key,
                    session_token: self.token.or_else(|| named("AWS_SESSION_TOKEN")).filter(is_given),
                }))
            }
            _ => Err(AgentError::Setting(
                "no credentials: give --activation-id and --activation-code, or --credentials-file, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    .to_owned(),
            )),
        }
    }
}

/// The usual file need not be there; one that was asked for must.
fn read_config_file(path: &Path) -> Result<Option<String>, AgentError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound && path == Path::new(CONFIG_FILE) => Ok(None),
        Err(source) => Err(AgentError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the binary's configuration, where the environment is read"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Lets tests have builds of several versions. There is no such thing in a release.
fn declare_version(config: &mut Config) {
    if cfg!(debug_assertions)
        && let Some(version) = environment("PORTCULLIS_TEST_AGENT_VERSION")
    {
        config.updates.version = version;
    }
}

/// The genuine agent's levels in ours.
fn log_level(word: Option<&str>) -> &'static str {
    match word.unwrap_or_default() {
        "crit" | "error" => "error",
        "warn" => "warn",
        "debug" | "trace" => "debug",
        _ => "info",
    }
}

/// An empty variable is as good as none.
fn is_given(secret: &Secret) -> bool {
    !secret.expose().is_empty()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn config(line: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Config, AgentError> {
        let options = Line::parse_from([&["agent"], line].concat()).options;
        let named = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        options
            .config(&Variables::gather(named, Some(file)))
            .map(|(config, _)| config)
    }

    #[test]
    fn a_host_says_which_zone_of_its_region_it_stands_in() {
        let file = "ECS_BACKEND_HOST=10.0.0.1:1\nAWS_DEFAULT_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=AK\nAWS_SECRET_ACCESS_KEY=sk\n";
        let zone = |line: &[&str]| config(line, &[], file).map(|config| config.availability_zone);
        assert_eq!(zone(&[]).unwrap(), None);
        let second = zone(&["--availability-zone", "eu-west-1b"]).unwrap();
        assert_eq!(second.as_deref(), Some("eu-west-1b"));
        for wrong in ["us-east-1a", "eu-west-1", "eu-west-1bb", "eu-west-1B", "b"] {
            let error = zone(&["--availability-zone", wrong]).unwrap_err().to_string();
            assert!(error.contains("is no zone of eu-west-1"), "{error}");
        }
    }

    #[test]
    fn agent_7_an_option_wins_over_the_environment_and_that_over_the_file() {
        let file = "ECS_CLUSTER=file\nECS_BACKEND_HOST=10.0.0.1:1\nAWS_DEFAULT_REGION=eu-west-1\nECS_DATADIR=/data\n\
                    AWS_ACCESS_KEY_ID=AK\nAWS_SECRET_ACCESS_KEY=sk\nECS_AUDIT_LOGFILE=/file\nECS_CONTAINER_STOP_TIMEOUT=9s\n";
        let of_file = config(&[], &[], file).unwrap();
        assert_eq!(
            (
                of_file.cluster.as_str(),
                of_file.control_url.as_str(),
                of_file.region.as_str()
            ),
            ("file", "http://10.0.0.1:1", "eu-west-1")
        );
        assert_eq!(
            (of_file.audit_log, of_file.stop_timeout.as_secs()),
            ("/file".into(), 9)
        );
        let environment = [("ECS_CLUSTER", "environment"), ("AWS_ENDPOINT_URL", "http://e")];
        assert_eq!(config(&[], &environment, file).unwrap().cluster, "environment");
        let line = [
            "--cluster",
            "option",
            "--audit-log",
            "/option",
            "--endpoint",
            "http://o",
        ];
        let of_line = config(&line, &environment, file).unwrap();
        assert_eq!(
            (of_line.cluster.as_str(), of_line.control_url.as_str()),
            ("option", "http://o")
        );
        assert_eq!(of_line.audit_log, PathBuf::from("/option"));
    }

    #[test]
    fn a_file_that_is_asked_for_is_read_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ecs.config");
        let line = [
            "agent",
            "--endpoint",
            "http://h",
            "--config-file",
            path.to_str().unwrap(),
        ];
        let prepare = || Line::parse_from(line).options.prepare();
        let error = prepare().err().unwrap();
        let text = error.to_string();
        assert!(
            matches!(error, AgentError::File { .. }) && text.contains("ecs.config"),
            "{text}"
        );
        std::fs::write(
            &path,
            "ECS_CONTAINER_STOP_TIMEOUT=9s\nECS_LOGLEVEL=warn\nAWS_ACCESS_KEY_ID=AK\nAWS_SECRET_ACCESS_KEY=sk\n",
        )
        .unwrap();
        let prepared = prepare().unwrap();
        assert_eq!(
            (prepared.config.stop_timeout.as_secs(), prepared.log_level),
            (9, "warn")
        );
        // Nobody asked for the usual one: it need not be there.
        let unreadable = read_config_file(folder.path()).unwrap_err();
        assert!(matches!(unreadable, AgentError::File { .. }));
        assert!(read_config_file(Path::new(CONFIG_FILE)).is_ok());
    }

    #[test]
    fn agent_7_what_is_missing_is_final_and_named() {
        for (line, file, text) in [
            (&[][..], "", "no server: give --endpoint, or set ECS_BACKEND_HOST"),
            (&["--endpoint", "http://h"][..], "", "no credentials: "),
            (&["--endpoint", "http://h", "--region", "!"][..], "", ""),
        ] {
            let error = config(line, &[], file).unwrap_err();
            assert!(error.is_final() && error.to_string().starts_with(text), "{error}");
        }
    }
}
