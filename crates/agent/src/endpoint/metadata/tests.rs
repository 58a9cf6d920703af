//! The documents, as containers get them.

use futures_util::future::BoxFuture;
use insta::assert_snapshot;
use portcullis_core::Timestamp;

use super::*;
use crate::EngineKind;
use crate::engine::{ContainerRef, EngineError, Launch, Launched, Observed, Terminal};
use crate::task::model::{Known, MountPoint, NetworkBinding, RestartPolicy, Volume};
use crate::task::plan::tests::{container, task};

/// An engine that knows statistics and nothing else.
struct OnlyStats;

impl crate::engine::Engine for OnlyStats {
    fn kind(&self) -> EngineKind {
        EngineKind::Docker
    }

    fn version(&self) -> String {
        String::new()
    }

    fn restart<'a>(&'a self, _: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        nothing()
    }

    fn launch<'a>(&'a self, _: &'a Launch) -> BoxFuture<'a, Result<Launched, EngineError>> {
        nothing()
    }

    fn stop<'a>(
        &'a self,
        _: &'a ContainerRef,
        _: std::time::Duration,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        nothing()
    }

    fn inspect<'a>(&'a self, _: &'a ContainerRef) -> BoxFuture<'a, Result<Observed, EngineError>> {
        nothing()
    }

    fn remove<'a>(&'a self, _: &'a ContainerRef) -> BoxFuture<'a, Result<(), EngineError>> {
        nothing()
    }

    fn execute<'a>(
        &'a self,
        _: &'a ContainerRef,
        _: &'a str,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<Arc<dyn Terminal>, EngineError>> {
        nothing()
    }

    fn bridges(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        nothing()
    }

    fn stats<'a>(&'a self, runtime_id: &'a str) -> BoxFuture<'a, Result<Value, EngineError>> {
        let known = json!({
            "read": "2026-11-22T00:00:00.5Z", "preread": "0001-01-01T00:00:00Z",
            "cpu_stats": {"cpu_usage": {"total_usage": 5}, "online_cpus": 2}, "precpu_stats": {},
            "memory_stats": {"usage": 7}, "name": "/ecs-<x>", "id": runtime_id,
        });
        match runtime_id {
            "9e8f" => Box::pin(std::future::ready(Ok(known))),
            _ => nothing(),
        }
    }
}

fn nothing<'a, T: Send + 'a>() -> BoxFuture<'a, Result<T, EngineError>> {
    Box::pin(std::future::ready(Err(EngineError::Refused("no".into()))))
}

fn app() -> Container {
    let mut app = container("app", true, &[]);
    app.endpoint_id = "ENDPOINT".into();
    app.docker_name = "ecs-fam-1-app-00".into();
    app.definition.image = "local/probe:1".into();
    app.definition.memory = 64;
    app.definition.docker_config = r#"{"Labels":{"z":"last","com.amazonaws.ecs.cluster":"forged"}}"#.into();
    app.definition.docker_host_config =
        r#"{"NetworkMode":"bridge","LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"g"}}}"#.into();
    app.definition.mounts = vec![MountPoint {
        volume: "data".into(),
        path: "/data".into(),
        read_only: false,
    }];
    app.definition.restart_policy = Some(RestartPolicy::default());
    app.restart_count = 2;
    app.runtime_id = Some("9e8f".into());
    app.image_id = Some("sha256:7c".into());
    app.known = Known::Running;
    app.created_at = Some(Timestamp::from_millis(1_795_304_355_583));
    app.started_at = Some(Timestamp::from_millis(1_795_304_356_034));
    app.addresses = vec!["172.17.0.2".parse().unwrap()];
    app.bindings = vec![NetworkBinding {
        bind_ip: "0.0.0.0".into(),
        container_port: 80,
        host_port: 32768,
        protocol: "tcp".into(),
    }];
    app
}

fn metadata(change: impl FnOnce(&mut Task)) -> TaskMetadata {
    let mut side = container("side", false, &[]);
    side.endpoint_id = "SIDE".into();
    side.known = Known::Stopped;
    side.runtime_id = Some("77aa".into());
    side.exit_code = Some(0);
    side.definition.health_check = true;
    side.health = Health::Healthy;
    let mut task = task(vec![app(), side]);
    task.family = "a<b".into();
    (task.cpu, task.memory, task.launch_type) = (Some(0.25), Some(128), Some("EXTERNAL".into()));
    task.service_name = Some("web".into());
    task.volumes = vec![Volume {
        name: "data".into(),
        host_path: Some("/srv".into()),
        ..Volume::default()
    }];
    task.pull_started_at = Some(Timestamp::from_millis(1_795_304_350_000));
    task.pull_stopped_at = Some(Timestamp::from_millis(1_795_304_351_250));
    change(&mut task);
    let tasks = Arc::new(SharedTasks::default());
    tasks.publish(task);
    let surroundings = Surroundings {
        kind: EngineKind::Docker,
        cluster: "probe".into(),
        region: "us-west-2".into(),
        endpoint_url: String::new(),
        api_url: None,
        log_endpoint: None,
        block_imds: true,
    };
    let stats = Arc::new(Stats::new(Arc::new(OnlyStats)));
    let metadata = TaskMetadata::new(tasks, surroundings, stats, None);
    metadata.set_instance(Instance {
        arn: "arn:aws:ecs:us-west-2:111122223333:container-instance/probe/1".into(),
        availability_zone: Some("us-west-2a".into()),
    });
    metadata
}

async fn shown(metadata: &TaskMetadata, paths: &[&str]) -> String {
    let remote = Remote::new(
        "172.17.0.2:5".parse().unwrap(),
        "169.254.170.2:80".parse().unwrap(),
    );
    let mut lines = Vec::new();
    for path in paths {
        let line = match metadata.answer(path, &remote).await {
            None => format!("{path} not routed"),
            Some(answer) => {
                let body = String::from_utf8(answer.body.to_vec()).unwrap();
                format!("{path} {} {body}", answer.status)
            }
        };
        lines.push(line);
    }
    lines.join("\n")
}

use crate::task::model::Health;

#[tokio::test]
async fn agent_3_1_documents() {
    let metadata = metadata(|_| {});
    let paths = [
        "/v4/ENDPOINT",
        "/v4/ENDPOINT/task",
        "/v4/ENDPOINT/taskWithTags",
        "/v3/ENDPOINT",
        "/v3/ENDPOINT/task",
        "/v4/ENDPOINT/stats",
        "/v3/ENDPOINT/stats",
        "/v4/ENDPOINT/task/stats",
        "/v4/ENDPOINT/associations/elastic-inference",
    ];
    assert_snapshot!(shown(&metadata, &paths).await);
}

#[tokio::test]
async fn agent_3_1_errors_are_bare_texts() {
    let metadata = metadata(|_| {});
    let paths = [
        "/v4/zzz",
        "/v4/zzz/task",
        "/v4/zzz/taskWithTags",
        "/v4/zzz/stats",
        "/v4/zzz/task/stats",
        "/v3/zzz",
        "/v3/zzz/task",
        "/v3/zzz/stats",
        "/v3/zzz/task/stats",
        "/v4/SIDE/stats",
        "/v3/SIDE/stats",
        "/v4/zzz/associations/elastic-inference",
        "/v4/zzz/associations/elastic-inference/one",
        "/v4/ENDPOINT/associations/elastic-inference/one",
        "/v2/metadata",
        "/v2/metadata/",
        "/v2/metadataWithTags",
        "/v2/stats",
        "/v4/",
        "/v4/ENDPOINT/tasks",
        "/v4/ENDPOINT/task/",
        "/v2/other",
        "/",
    ];
    assert_snapshot!(shown(&metadata, &paths).await);
}

#[tokio::test]
async fn agent_3_1_version_2_knows_tasks_with_addresses_of_their_own() {
    let metadata = metadata(|task| {
        task.network_mode = Some("awsvpc".into());
        task.containers[0].bindings.clear();
    });
    let paths = [
        "/v2/metadata",
        "/v2/metadataWithTags/",
        "/v2/metadata/9e8f",
        "/v2/metadata/none",
        "/v2/stats/9e8f",
        "/v2/stats",
        "/v4/ENDPOINT",
    ];
    assert_snapshot!(shown(&metadata, &paths).await);
}
