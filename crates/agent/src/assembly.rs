//! Puts an agent together, runs it, and takes it apart again.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use portcullis_api::ecs::DeregisterContainerInstanceRequest;
use portcullis_api::ecs::op::DeregisterContainerInstance;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::alone;
use crate::audit::{AuditLog, AuditSettings};
use crate::checkpoint::{Checkpoint, Identity};
use crate::credentials::CredentialCache;
use crate::endpoint::{
    Admission, Anyone, Endpoint, EndpointParts, Instance, Introspection, TaskMetadata, TaskProtection, serve,
};
use crate::engine::choice::{choose_engine, engine_of_tasks};
use crate::engine::{Engine, EngineEvent};
use crate::exec;
use crate::ground::Ground;
use crate::imds::{self, Imds};
use crate::plane::{
    ControlPlane, InstanceCredentialsProvider, KeyHolder, ManagedInstance, PollEndpoints, Registration,
    Submitter, register,
};
use crate::session::{AcsSession, Handler, Peer, TcsSession, Telemetry};
use crate::stats::Stats;
use crate::supplies::{Door, Supplies};
use crate::task::admission::{SourceAdmission, TokenAdmission};
use crate::task::manager::{Commands, Manager, Parts, Rules};
use crate::task::metadata_file::MetadataFiles;
use crate::task::plan::Pulls;
use crate::task::shared::SharedTasks;
use crate::update::Stager;
use crate::{AgentError, Config, CredentialsSource, EngineKind, Seams, Status};

/// Runs an agent until `shutdown` becomes true (or its sender is dropped), reporting its progress through `status`.
pub async fn run(
    mut config: Config,
    seams: Seams,
    status: watch::Sender<Status>,
    shutdown: watch::Receiver<bool>,
) -> Result<(), AgentError> {
    let _with_state = alone::with_state(&config.state_dir).await?;
    let checkpoint = Checkpoint::open(&config.state_dir)?;
    let identity = checkpoint.identity()?;
    refuse_other_cluster(&identity, &config)?;
    let credentials = Arc::new(InstanceCredentialsProvider::new(config.credentials.clone())?);
    let plane = plane(&config, &credentials, &seams)?;
    let task_api = config.task_api.take();
    // Before the machine joins: that uses its activation up.
    config.engine = engine_of_tasks(config.engine, &identity, &checkpoint)?;
    let (engine, engine_events, notices) = choose_engine(&config, &seams).await?;
    let _on_host = alone::on_host(engine.kind()).await?;
    status.send_modify(|status| {
        status.engine = Some(engine.kind());
        status.notices = notices;
    });
    let joined = tokio::select! {
        joined = join(&config, &plane, &credentials, &seams) => joined?,
        () = told_to_end(shutdown.clone()) => return Ok(()),
    };
    let parts = imds::Parts {
        plane: plane.clone(),
        credentials: Arc::clone(&credentials),
        seams: seams.clone(),
        region: config.region.clone(),
        tags: config.tags.clone(),
        state_dir: config.state_dir.clone(),
        known_instance: identity.container_instance_arn.clone(),
        status: status.subscribe(),
    };
    let (mut imds, notices) = Imds::prepare(config.instance_metadata.take(), parts).await?;
    tell(&status, notices);
    let ground = match Ground::prepare(&config, &engine, task_api, &checkpoint).await {
        Ok((ground, notices)) => {
            tell(&status, notices);
            ground
        }
        Err(error) => {
            imds.leave().await;
            return Err(error);
        }
    };
    config.network_capabilities = ground.capabilities();
    let agent = Agent {
        config,
        seams,
        status,
        checkpoint,
        identity,
        plane,
        engine,
        tasks: Arc::default(),
    };
    let outcome = tokio::select! {
        outcome = agent.live(&ground, engine_events, shutdown) => outcome,
        () = renew(joined.as_ref(), &credentials) => Ok(()),
        never = imds.serve() => match never {},
    };
    imds.leave().await;
    agent.status.send_modify(|status| status.connected = false);
    ground.leave(&agent.checkpoint).await;
    outcome
}

fn tell(status: &watch::Sender<Status>, notices: Vec<String>) {
    for notice in &notices {
        tracing::info!("{notice}");
    }
    status.send_modify(|status| status.notices.extend(notices));
}

async fn told_to_end(mut shutdown: watch::Receiver<bool>) {
    // An error says that nobody is there to tell.
    let _ = shutdown.wait_for(|is_told| *is_told).await;
}

/// A state folder belongs to one cluster.
fn refuse_other_cluster(identity: &Identity, config: &Config) -> Result<(), AgentError> {
    if identity.container_instance_arn.is_none() || identity.cluster == config.cluster {
        return Ok(());
    }
    Err(AgentError::Setting(format!(
        "{} holds the state of an agent of cluster `{}`; use another state folder for cluster `{}`",
        config.state_dir.display(),
        identity.cluster,
        config.cluster
    )))
}

/// The control plane, to which the agent proves by its key who it is.
fn plane(
    config: &Config,
    credentials: &Arc<InstanceCredentialsProvider>,
    seams: &Seams,
) -> Result<ControlPlane, AgentError> {
    let (clock, random) = (&seams.clock, &seams.random);
    let key = KeyHolder::open(&config.state_dir, Arc::clone(clock), Arc::clone(random))?;
    let region = config.region.as_str();
    let plane = ControlPlane::new(
        &config.control_url,
        region,
        Arc::clone(credentials),
        Arc::clone(clock),
    )?;
    Ok(plane.with_key(key))
}

/// The way out of the cluster for whoever ran the agent: deregisters its container instance, by force, with the proof of the
/// agent's key that it takes of a role's session (docs/threat-model.md).
pub async fn deregister(config: &Config, seams: &Seams, instance: &str) -> Result<(), AgentError> {
    let credentials = Arc::new(InstanceCredentialsProvider::new(config.credentials.clone())?);
    let plane = plane(config, &credentials, seams)?;
    plane.speak_for(instance);
    let request = DeregisterContainerInstanceRequest {
        cluster: Some(config.cluster.clone()),
        container_instance: instance.to_owned(),
        force: Some(true),
    };
    let left = plane.call::<DeregisterContainerInstance>(&request).await;
    left.map(|_| ())
        .map_err(|error| AgentError::Leaving(error.to_string()))
}

/// A machine that has a registration token joins by it before anything is signed.
async fn join(
    config: &Config,
    plane: &ControlPlane,
    credentials: &InstanceCredentialsProvider,
    seams: &Seams,
) -> Result<Option<ManagedInstance>, AgentError> {
    let CredentialsSource::Activation(activation) = &config.credentials else {
        return Ok(None);
    };
    let random = Arc::clone(&seams.random);
    let machine = ManagedInstance::join(plane, activation, &config.state_dir, random).await?;
    let (keys, expires) = machine.first().await?;
    credentials.replace(keys, expires);
    Ok(Some(machine))
}

/// Keeps the machine's credentials fresh.
async fn renew(machine: Option<&ManagedInstance>, credentials: &InstanceCredentialsProvider) {
    match machine {
        Some(machine) => machine.renew(credentials).await,
        None => std::future::pending().await,
    }
}

/// A configured agent with its engine.
struct Agent {
    config: Config,
    seams: Seams,
    status: watch::Sender<Status>,
    checkpoint: Checkpoint,
    identity: Identity,
    plane: ControlPlane,
    engine: Arc<dyn Engine>,
    tasks: Arc<SharedTasks>,
}

impl Agent {
    /// Serves, registers, converses; until the shutdown or an error nothing heals.
    async fn live(
        &self,
        ground: &Ground,
        engine_events: mpsc::Receiver<EngineEvent>,
        shutdown: watch::Receiver<bool>,
    ) -> Result<(), AgentError> {
        let mut background = JoinSet::new();
        let shared = Shared::new(&self.plane, &self.seams);
        let (ready, network_ready) = watch::channel(true);
        let supplies = Arc::new(self.supplies(&shared).await?);
        let manager = self.manager(ground, &shared, supplies, engine_events, network_ready)?;
        if let Some(network) = &ground.network {
            let (network, changed) = (Arc::clone(network), Arc::clone(&shared.networks_changed));
            background.spawn(async move { network.keep(ready, changed).await });
        }
        let (commands, command_receiver) = Manager::channel();
        let managed = manager.run(command_receiver, shutdown, self.config.stop_tasks_on_shutdown);
        let ended = tokio::select! {
            () = managed => Ok(()),
            ended = self.converse(ground, &shared, commands) => ended,
        };
        // Sessions end with what is dropped here, and their logs after them.
        shared.session_logs.all_written().await;
        ended
    }

    fn manager(
        &self,
        ground: &Ground,
        shared: &Shared,
        supplies: Arc<Supplies>,
        engine_events: mpsc::Receiver<EngineEvent>,
        network_ready: watch::Receiver<bool>,
    ) -> Result<Manager, AgentError> {
        Manager::new(Parts {
            clock: Arc::clone(&self.seams.clock),
            random: Arc::clone(&self.seams.random),
            engine: Arc::clone(&self.engine),
            engine_events,
            cache: Arc::clone(&shared.cache),
            checkpoint: self.checkpoint.clone(),
            tasks: Arc::clone(&self.tasks),
            submit: Arc::new(exec::AfterLogs {
                inner: Arc::clone(&shared.submitter) as Arc<_>,
                logs: Arc::clone(&shared.session_logs),
            }),
            surroundings: ground.surroundings.clone(),
            network_ready,
            network: ground.network.clone(),
            networks_changed: Arc::clone(&shared.networks_changed),
            rules: self.rules(),
            supplies,
            metadata_files: self.metadata_files(),
        })
    }

    async fn supplies(&self, shared: &Shared) -> Result<Supplies, AgentError> {
        let given = self.config.registry_logins.read().map_err(AgentError::Setting)?;
        let door = match self.engine.kind() {
            EngineKind::Docker => {
                let opened = Door::open(self.plane.url().clone()).await;
                Some(opened.map_err(|error| {
                    AgentError::Network(format!("cannot listen on loopback for Docker's pulls: {error}"))
                })?)
            }
            EngineKind::Process => None,
        };
        let (plane, cache) = (self.plane.clone(), Arc::clone(&shared.cache));
        let random = Arc::clone(&self.seams.random);
        Ok(Supplies::new(plane, cache, random, given, door))
    }

    fn rules(&self) -> Rules {
        let images = &self.config.images;
        Rules {
            stop_timeout: self.config.stop_timeout,
            cleanup_wait: self.config.cleanup_wait,
            cleanup_jitter: self.config.cleanup_jitter,
            pulls: match images.dependents_upfront {
                true => Pulls::Upfront,
                false => Pulls::InOrder,
            },
            image_cleanup: images
                .cleanup
                .filter(|_| self.engine.kind() == EngineKind::Docker),
        }
    }

    fn metadata_files(&self) -> Option<MetadataFiles> {
        let wanted = self.config.containers.metadata_file && self.engine.kind() == EngineKind::Docker;
        wanted.then(|| MetadataFiles::new(&self.config.state_dir, &self.config.cluster))
    }

    /// The endpoint answers from the start: tasks that outlived the last agent ask it while this one registers.
    async fn converse(&self, ground: &Ground, shared: &Shared, commands: Commands) -> Result<(), AgentError> {
        let audit = Arc::new(self.audit_log()?);
        let stats = Arc::new(Stats::new(Arc::clone(&self.engine)));
        let metadata = Arc::new(TaskMetadata::new(
            Arc::clone(&self.tasks),
            ground.surroundings.clone(),
            Arc::clone(&stats),
            Some(self.plane.clone()),
        ));
        let endpoint = self.endpoint(shared, Arc::clone(&audit), Arc::clone(&metadata));
        let instance_arn = Arc::<ArcSwapOption<String>>::default();
        let introspection = self.introspection(ground, Arc::clone(&instance_arn));
        self.status
            .send_modify(|status| status.credentials_endpoint = Some(ground.address));
        let sessions = async {
            let registered = self.register(ground.address.port()).await?;
            let arn = &registered.container_instance_arn;
            audit.set_instance(arn);
            instance_arn.store(Some(Arc::new(arn.clone())));
            metadata.set_instance(Instance {
                arn: arn.clone(),
                availability_zone: registered
                    .availability_zone
                    .clone()
                    .filter(|_| self.config.show_availability_zone),
            });
            let telemetry = Telemetry {
                stats: (!self.config.disable_metrics).then(|| Arc::clone(&stats)),
                audit: Arc::clone(&audit),
            };
            self.hold_sessions(arn, shared, commands, telemetry).await;
            Err(AgentError::Replaced)
        };
        tokio::select! {
            () = serve(endpoint, &ground.listener) => Ok(()),
            () = introspection => Ok(()),
            () = self.watch_stats(&stats) => Ok(()),
            ended = sessions => ended,
        }
    }

    async fn watch_stats(&self, stats: &Stats) {
        match self.config.disable_metrics {
            true => std::future::pending().await,
            false => stats.watch(&self.tasks, self.config.metrics_wait).await,
        }
    }

    /// On loopback, when it is wanted.
    fn introspection(
        &self,
        ground: &Ground,
        instance_arn: Arc<ArcSwapOption<String>>,
    ) -> impl Future<Output = ()> + use<> {
        let introspection = Introspection {
            tasks: Arc::clone(&self.tasks),
            surroundings: ground.surroundings.clone(),
            instance_arn,
        };
        let port = self.config.introspection_port;
        async move {
            match port {
                Some(port) => introspection.serve(port).await,
                None => std::future::pending().await,
            }
        }
    }

    fn audit_log(&self) -> Result<AuditLog, AgentError> {
        let config = &self.config;
        let settings = AuditSettings {
            path: (!config.audit_log_disabled).then(|| config.audit_log.clone()),
            rotation: config.audit_rotation,
            cluster: config.cluster.clone(),
            compat: config.compat,
        };
        let outbox = config.state_dir.join("audit-outbox");
        AuditLog::open(settings, &outbox, Arc::clone(&self.seams.clock)).map_err(|source| AgentError::File {
            path: config.audit_log.clone(),
            source,
        })
    }

    fn endpoint(&self, shared: &Shared, audit: Arc<AuditLog>, metadata: Arc<TaskMetadata>) -> Arc<Endpoint> {
        let admission: Arc<dyn Admission> = match self.engine.kind() {
            EngineKind::Process => Arc::new(TokenAdmission(Arc::clone(&self.tasks))),
            EngineKind::Docker if self.config.compat => Arc::new(Anyone),
            EngineKind::Docker => Arc::new(SourceAdmission::new(
                Arc::clone(&self.tasks),
                Arc::clone(&self.engine),
            )),
        };
        let protection = TaskProtection {
            plane: self.plane.clone(),
            tasks: Arc::clone(&self.tasks),
            cache: Arc::clone(&shared.cache),
            admission: (self.engine.kind() == EngineKind::Docker).then(|| Arc::clone(&admission)),
        };
        Arc::new(Endpoint::new(EndpointParts {
            clock: Arc::clone(&self.seams.clock),
            cache: Arc::clone(&shared.cache),
            audit,
            admission,
            metadata,
            protection: Some(protection),
            limit: self.config.rate_limit,
            compat: self.config.compat,
        }))
    }

    async fn register(&self, endpoint_port: u16) -> Result<Registration, AgentError> {
        let known = self.identity.container_instance_arn.as_deref();
        let random = self.seams.random.as_ref();
        let registered = register(&self.plane, &self.config, self.engine.kind(), known, random).await?;
        self.checkpoint.save_identity(&Identity {
            cluster: self.config.cluster.clone(),
            container_instance_arn: Some(registered.container_instance_arn.clone()),
            endpoint_port: (self.engine.kind() == EngineKind::Process).then_some(endpoint_port),
        })?;
        tracing::info!(
            container_instance = registered.container_instance_arn,
            "registered"
        );
        let arn = registered.container_instance_arn.clone();
        self.status
            .send_modify(|status| status.container_instance_arn = Some(arn));
        Ok(registered)
    }

    /// Until the agent shall be replaced by a newer build.
    async fn hold_sessions(
        &self,
        container_instance_arn: &str,
        shared: &Shared,
        commands: Commands,
        telemetry: Telemetry,
    ) {
        let (cluster, seams) = (&self.config.cluster, &self.seams);
        let peer = Peer {
            plane: self.plane.clone(),
            endpoints: Arc::new(PollEndpoints::new(
                self.plane.clone(),
                cluster,
                container_instance_arn,
            )),
            cluster: cluster.clone(),
            container_instance_arn: container_instance_arn.to_owned(),
            agent_version: self.config.updates.version.clone(),
            docker_version: self.engine.version(),
            silence: self.config.silence_max,
            clock: Arc::clone(&seams.clock),
            random: Arc::clone(&seams.random),
        };
        let submit = Arc::clone(&shared.submitter) as Arc<_>;
        let stager = Stager::of(self.config.updates.taken(), &self.plane, container_instance_arn);
        let (active, is_active) = watch::channel(true);
        let acs = AcsSession {
            peer: peer.clone(),
            handler: Handler::new(cluster, Arc::clone(&seams.random), commands, submit, stager),
            cache: Arc::clone(&shared.cache),
            status: self.status.clone(),
            connected: Arc::clone(&shared.connected),
            active,
        };
        let tcs = TcsSession {
            peer,
            tasks: Arc::clone(&self.tasks),
            telemetry,
            since: seams.clock.now(),
            active: is_active,
        };
        let exec = exec::run(exec::Parts {
            plane: self.plane.clone(),
            engine: Arc::clone(&self.engine),
            tasks: Arc::clone(&self.tasks),
            cache: Arc::clone(&shared.cache),
            submit: Arc::clone(&shared.submitter) as Arc<_>,
            logs: Arc::clone(&shared.session_logs),
            cluster: self.config.cluster.clone(),
            silence: self.config.silence_max,
            clock: Arc::clone(&seams.clock),
            random: Arc::clone(&seams.random),
        });
        tokio::select! {
            () = acs.run() => {}
            _ = async { tokio::join!(tcs.run(), exec) } => {}
        }
    }
}

/// What the parts of a running agent share.
struct Shared {
    cache: Arc<CredentialCache>,
    submitter: Arc<Submitter>,
    session_logs: Arc<exec::OpenLogs>,
    connected: Arc<Notify>,
    networks_changed: Arc<Notify>,
}

impl Shared {
    fn new(plane: &ControlPlane, seams: &Seams) -> Self {
        let connected = Arc::new(Notify::new());
        let submitter = Submitter::new(plane.clone(), Arc::clone(&seams.random), Arc::clone(&connected));
        Self {
            cache: Arc::default(),
            submitter: Arc::new(submitter),
            session_logs: Arc::default(),
            connected,
            networks_changed: Arc::default(),
        }
    }
}
