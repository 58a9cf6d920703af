//! What a container definition may ask for, as the container itself sees it; and what is left afterwards: nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use portcullis_agent::{Config, ImageCleanup, PullBehavior};
use serde_json::{Value, json};

use super::registry::Registry;
use super::room::{IMAGE, Room, eventually};
use crate::plane::{Acs, Plane, Registration};
use crate::rig::{Agent, TASK, payload, shell_task};

const WAITING: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";

/// An agent with its control plane, and tasks one after the other.
struct Stage {
    room: Room,
    plane: Plane,
    agent: Agent,
    acs: Acs,
    sent: i64,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn set(change: impl FnOnce(&mut Config)) -> Self {
        let room = Room::enter();
        let folder = tempfile::tempdir().unwrap();
        let mut plane = Plane::start(Registration::Echo).await;
        let mut agent = room.agent(folder.path(), &plane, |config| {
            config.cleanup_wait = Duration::from_secs(1);
            config.containers.cgroup_parent = "portcullis-room-tasks".into();
            change(config);
        });
        agent.connected().await;
        let (_, acs) = plane.acs().await;
        Self {
            room,
            plane,
            agent,
            acs,
            sent: 0,
            _folder: folder,
        }
    }

    async fn send(&mut self, task: Value) {
        self.sent += 1;
        let message = payload(&format!("m{}", self.sent), self.sent, task);
        self.acs.send("PayloadMessage", message).await;
    }

    async fn change(&mut self) -> Value {
        self.plane.call("SubmitTaskStateChange").await
    }

    /// Runs a script to its end: the report of that.
    async fn outcome(&mut self, task: Value) -> Value {
        self.send(task).await;
        self.plane.stopped().await
    }

    fn containers(&self, arn: &str) -> String {
        let label = format!("label=com.amazonaws.ecs.task-arn={arn}");
        self.room.docker(&["ps", "-aq", "--no-trunc", "--filter", &label])
    }

    /// The agent removes what is left of a task.
    async fn cleaned_up(&self, arn: &str) {
        eventually("the task is cleaned up", || self.containers(arn).is_empty()).await;
    }

    async fn end(self) {
        self.agent.end().await.unwrap();
    }
}

fn task(id: &str, image: &str, script: &str) -> Value {
    let mut task = shell_task(image, script, "RUNNING", None);
    task["arn"] = json!(arn(id));
    task["networkMode"] = json!("bridge");
    task
}

fn arn(id: &str) -> String {
    format!("{}{id}", TASK.trim_end_matches('a'))
}

fn reason(change: &Value) -> &str {
    change["containers"][0]["reason"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_6_an_image_comes_from_its_registry_by_digest_and_falls_back_to_the_hosts() {
    let mut stage = Stage::set(|config| {
        config.images.behavior = PullBehavior::Default;
        config.images.cleanup = None;
    })
    .await;
    let registry = Registry::serve(Room::busybox_layer(), &["AWS_REGION=eu-central-9", "PATH=/bin"]);
    let image = registry.image("1");
    let script = format!("env; {WAITING}");
    stage.send(task("p1", &image, &script)).await;
    let pending = stage.change().await;
    assert_eq!(pending["status"], "PENDING", "{pending}");
    assert_eq!(pending["containers"][0]["imageDigest"], registry.digest.as_str());
    let running = stage.change().await;
    assert_eq!(running["status"], "RUNNING", "{running}");
    assert!(
        running["pullStartedAt"].is_number() && running["pullStoppedAt"].is_number(),
        "{running}"
    );
    let by_digest = |line: &String| line.ends_with(&format!("/manifests/{}", registry.digest));
    assert!(registry.asked().iter().any(by_digest), "{:?}", registry.asked());
    let id = stage.containers(&arn("p1"));
    eventually("the container says its environment", || {
        stage
            .room
            .docker(&["logs", id.trim()])
            .contains("AWS_REGION=eu-central-9")
    })
    .await;
    let environment = stage.room.docker(&["logs", id.trim()]);
    assert!(!environment.contains("AWS_DEFAULT_REGION="), "{environment}");

    drop(registry);
    stage.send(task("p2", &image, WAITING)).await;
    let running = stage.change().await;
    assert_eq!(
        running["status"], "RUNNING",
        "the image of the host will do: {running}"
    );
    let unknown = task("p3", &image.replace(":1", ":2"), WAITING);
    let stopped = stage.outcome(unknown).await;
    assert!(
        reason(&stopped).starts_with("CannotPullImageManifestError: "),
        "{stopped}"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_7_always_means_always_and_once_means_once() {
    let mut stage = Stage::set(|config| config.images.behavior = PullBehavior::Always).await;
    let stopped = stage.outcome(task("a1", IMAGE, "true")).await;
    assert!(
        reason(&stopped).starts_with("CannotPullImageManifestError: "),
        "{stopped}"
    );
    stage.end().await;
    let mut stage = Stage::set(|config| config.images.behavior = PullBehavior::Once).await;
    let registry = Registry::serve(Room::busybox_layer(), &[]);
    let stopped = stage.outcome(task("o1", &registry.image("1"), "exit 0")).await;
    assert_eq!(stopped["containers"][0]["exitCode"], 0, "{stopped}");
    let asked = registry.asked();
    let has = |end: &str| asked.iter().any(|line| line.ends_with(end));
    assert!(
        has("/manifests/1") && asked.iter().any(|line| line.contains("/blobs/")),
        "{asked:?}"
    );
    let stopped = stage.outcome(task("o2", &registry.image("1"), "exit 0")).await;
    assert_eq!(stopped["containers"][0]["exitCode"], 0, "{stopped}");
    assert_eq!(registry.asked(), asked, "nothing is asked a second time");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_7_unused_images_go_and_those_in_use_stay() {
    let mut stage = Stage::set(|config| {
        config.images.cleanup = Some(ImageCleanup {
            interval: Duration::from_secs(1),
            minimum_age: Duration::ZERO,
            per_cycle: 5,
        })
    })
    .await;
    let registry = Registry::serve(Room::busybox_layer(), &[]);
    let (used, unused) = (registry.image("used"), registry.image("unused"));
    stage.send(task("i1", &used, WAITING)).await;
    while stage.change().await["status"] != "RUNNING" {}
    let stopped = stage.outcome(task("i2", &unused, "exit 0")).await;
    assert_eq!(stopped["containers"][0]["exitCode"], 0, "{stopped}");
    let images = |room: &Room| room.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    // Both names are of one image: while one task has it, no name goes.
    stage.cleaned_up(&arn("i2")).await;
    assert!(images(&stage.room).contains(&used));
    let mut stop = task("i1", &used, WAITING);
    stop["desiredStatus"] = json!("STOPPED");
    stage.outcome(stop).await;
    eventually("unused images go", || {
        let images = images(&stage.room);
        !images.contains(&used) && !images.contains(&unused)
    })
    .await;
    assert!(
        images(&stage.room).contains(IMAGE),
        "what no task brought is none of the agent's business"
    );
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_8_a_container_with_a_restart_policy_starts_again_until_its_code_is_ignored() {
    let mut stage = Stage::set(|_| {}).await;
    let script = "echo x >> /tmp/runs; [ $(grep -c x /tmp/runs) -ge 3 ] && exit 7; exit 1";
    let mut restarting = task("r1", IMAGE, script);
    restarting["containers"][0]["restartPolicy"] =
        json!({"enabled": true, "ignoredExitCodes": [7], "restartAttemptPeriod": 0});
    stage.send(restarting).await;
    assert_eq!(stage.change().await["status"], "RUNNING");
    let stopped = stage.plane.stopped().await;
    assert_eq!(stopped["containers"][0]["exitCode"], 7, "{stopped}");
    assert_eq!(
        stage.containers(&arn("r1")).lines().count(),
        1,
        "one container, started three times"
    );
    stage.cleaned_up(&arn("r1")).await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_5_2_volumes_of_every_kind() {
    let mut stage = Stage::set(|_| {}).await;
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("f"), "from the host\n").unwrap();
    let script = "set -e; grep -q host /h/f; ! touch /h/x 2>/dev/null; echo own > /own/f; echo shared > /shared/f; echo plain > /plain/f; \
                  grep -q 'tmpfs /tmpfs' /proc/mounts; exit 0";
    let mut writing = task("v1", IMAGE, script);
    writing["volumes"] = json!([
        {"name": "h", "type": "host", "host": {"sourcePath": host.path()}},
        {"name": "plain", "type": "host", "host": {"sourcePath": ""}},
        {"name": "own", "type": "docker", "dockerVolumeConfiguration": {"scope": "task", "driver": "local", "labels": {"mine": "1"}}},
        {"name": "portcullis-shared", "type": "docker",
            "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": true, "driver": "local", "labels": {"mine": "2"}}},
    ]);
    writing["containers"][0]["mountPoints"] = json!([
        {"sourceVolume": "h", "containerPath": "/h", "readOnly": true},
        {"sourceVolume": "plain", "containerPath": "/plain", "readOnly": false},
        {"sourceVolume": "own", "containerPath": "/own", "readOnly": false},
        {"sourceVolume": "portcullis-shared", "containerPath": "/shared", "readOnly": false},
    ]);
    writing["containers"][0]["dockerConfig"]["hostConfig"] =
        json!("{\"NetworkMode\":\"bridge\",\"Tmpfs\":{\"/tmpfs\":\"size=1m\"}}");
    let mut reading = writing["containers"][0].clone();
    reading["name"] = json!("reader");
    reading["command"] = json!(["grep -q own /own/f && grep -q plain /plain/f"]);
    reading["mountPoints"] = json!([]);
    reading["volumesFrom"] = json!([{"sourceContainer": "app", "readOnly": true}]);
    reading["dependsOn"] = json!([{"containerName": "app", "condition": "SUCCESS"}]);
    writing["containers"][0]["essential"] = json!(false);
    writing["containers"].as_array_mut().unwrap().push(reading);
    let stopped = stage.outcome(writing.clone()).await;
    for container in stopped["containers"].as_array().unwrap() {
        assert_eq!(container["exitCode"], 0, "{stopped}");
    }
    let volumes = |room: &Room| room.docker(&["volume", "ls", "-q"]);
    assert!(volumes(&stage.room).contains("-own"), "{}", volumes(&stage.room));
    stage.cleaned_up(&arn("v1")).await;
    eventually("the task's own volumes go", || {
        let left = volumes(&stage.room);
        !left.contains("-own") && !left.contains("-plain") && left.contains("portcullis-shared")
    })
    .await;

    let shared = |autoprovision: bool, label: &str, name: &str| {
        json!([{"name": name, "type": "docker",
            "dockerVolumeConfiguration": {"scope": "shared", "autoprovision": autoprovision, "driver": "local", "labels": {"mine": label}}}])
    };
    let cases = [
        (
            shared(false, "2", "portcullis-ghost"),
            "portcullis-ghost",
            "is not there and autoprovision is off",
        ),
        (
            shared(true, "3", "portcullis-shared"),
            "portcullis-shared",
            "with another driver, options or labels",
        ),
    ];
    for (index, (wanted, name, text)) in cases.into_iter().enumerate() {
        let mut refused = task(&format!("v{}", index + 2), IMAGE, "exit 0");
        refused["volumes"] = wanted;
        refused["containers"][0]["mountPoints"] =
            json!([{"sourceVolume": name, "containerPath": "/s", "readOnly": false}]);
        let stopped = stage.outcome(refused).await;
        assert!(
            reason(&stopped).starts_with("InvalidVolumeError: ") && reason(&stopped).contains(text),
            "{stopped}"
        );
    }
    stage.room.docker(&["volume", "rm", "portcullis-shared"]);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_5_2_linux_parameters_limits_hosts_and_ports() {
    let mut stage = Stage::set(|config| {
        config.containers.metadata_file = true;
        config.containers.dynamic_ports = Some((41000, 41100));
    })
    .await;
    let script = "set -e; [ $(ulimit -n) = 123 ]; [ $(cat /proc/sys/net/core/somaxconn) = 321 ]; grep -q '10.9.8.7.*db' /etc/hosts; \
         grep -q 10.1.2.3 /etc/resolv.conf; grep -q 'shm .*size=2048k' /proc/mounts; [ -c /dev/mine ]; \
         until grep -q READY $ECS_CONTAINER_METADATA_FILE; do sleep 0.1; done; \
         [ $(grep CapEff /proc/self/status | tail -c 17) != 0000003fffffffff ]; trap 'exit 0' TERM; echo good; while :; do sleep 0.1; done";
    let mut whole = task("l1", IMAGE, script);
    (whole["cpu"], whole["memory"]) = (json!(0.25), json!(64));
    let container = &mut whole["containers"][0];
    container["portMappings"] = json!([
        {"containerPortRange": "8080-8082", "protocol": "tcp"}, {"containerPort": 90, "hostPort": 0, "protocol": "udp"},
    ]);
    let host_config = json!({
        "NetworkMode": "bridge", "Dns": ["10.1.2.3"], "ExtraHosts": ["db:10.9.8.7"], "Ulimits": [{"Name": "nofile", "Soft": 123, "Hard": 123}],
        "Sysctls": {"net.core.somaxconn": "321"}, "ShmSize": 2_097_152, "Init": false, "CapDrop": ["NET_RAW"], "CapAdd": ["SYS_PTRACE"],
        "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "rwm"}],
    });
    container["dockerConfig"]["hostConfig"] = json!(host_config.to_string());
    stage.send(whole.clone()).await;
    let running = stage.change().await;
    assert_eq!(running["status"], "RUNNING", "{running}");
    let id = stage.containers(&arn("l1"));
    eventually("all is as asked", || {
        stage.room.docker(&["logs", id.trim()]).contains("good")
    })
    .await;
    let bindings = running["containers"][0]["networkBindings"]
        .as_array()
        .unwrap()
        .clone();
    let range = bindings
        .iter()
        .find(|one| one["containerPortRange"] == "8080-8082")
        .unwrap();
    let (first, last) = range["hostPortRange"].as_str().unwrap().split_once('-').unwrap();
    let (first, last): (u16, u16) = (first.parse().unwrap(), last.parse().unwrap());
    assert!(last - first == 2 && (41000..=41098).contains(&first), "{range}");
    let single = bindings.iter().find(|one| one["containerPort"] == 90).unwrap();
    assert!(
        (41000..=41100).contains(&single["hostPort"].as_u64().unwrap()),
        "{single}"
    );
    let limit = format!(
        "/sys/fs/cgroup/memory/portcullis-room-tasks/{}/memory.limit_in_bytes",
        arn("l1").rsplit('/').next().unwrap()
    );
    if Path::new("/sys/fs/cgroup/memory").exists() {
        assert_eq!(fs::read_to_string(&limit).unwrap().trim(), "67108864");
    }
    whole["desiredStatus"] = json!("STOPPED");
    assert_eq!(stage.outcome(whole).await["containers"][0]["exitCode"], 0);
    stage.cleaned_up(&arn("l1")).await;
    eventually("its cgroup goes", || !Path::new(&limit).exists()).await;
    stage.end().await;
}

/// Without any `dependsOn`: links say the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tasks_containers_share_what_pid_mode_and_ipc_mode_say_and_start_after_those_they_link_to() {
    let mut stage = Stage::set(|_| {}).await;
    let app = "trap 'exit 0' TERM; echo told > /dev/shm/word; MARK=peer; while :; do sleep 0.1; done";
    let mut sharing = task("n1", IMAGE, app);
    (sharing["pidMode"], sharing["ipcMode"]) = (json!("task"), json!("task"));
    let script = "set -e; grep -q peer /etc/hosts; until grep -q told /dev/shm/word; do sleep 0.1; done; \
                  cat /proc/[0-9]*/cmdline | grep -q 'MARK[=]peer'; grep -q pause /proc/1/comm; exit 0";
    let mut side = sharing["containers"][0].clone();
    (side["name"], side["command"], side["links"]) = (json!("side"), json!([script]), json!(["app:peer"]));
    sharing["containers"].as_array_mut().unwrap().insert(0, side);
    let stopped = stage.outcome(sharing).await;
    let containers = stopped["containers"].as_array().unwrap();
    assert_eq!(
        containers.len(),
        2,
        "nobody is told of the pause container: {stopped}"
    );
    for container in containers {
        assert_eq!(container["exitCode"], 0, "{stopped}");
    }

    let script = format!(
        "busybox readlink /proc/self/ns/pid; grep -q ' /dev/shm ' /proc/mounts || echo alone; {WAITING}"
    );
    let mut exposed = task("n2", IMAGE, &script);
    (exposed["pidMode"], exposed["ipcMode"]) = (json!("host"), json!("none"));
    (exposed["networkMode"], exposed["memory"]) = (json!("host"), json!(64));
    exposed["containers"][0]["dockerConfig"]["hostConfig"] = json!("{\"NetworkMode\":\"host\"}");
    stage.send(exposed).await;
    while stage.change().await["status"] != "RUNNING" {}
    let id = stage.containers(&arn("n2"));
    let ours = fs::read_link("/proc/self/ns/pid").unwrap();
    eventually("it says what it sees", || {
        let said = stage.room.docker(&["logs", id.trim()]);
        said.contains(ours.to_str().unwrap()) && said.contains("alone")
    })
    .await;
    let limit = Path::new("/sys/fs/cgroup/memory/portcullishost")
        .join(arn("n2").rsplit('/').next().unwrap())
        .join("memory.limit_in_bytes");
    if Path::new("/sys/fs/cgroup/memory").exists() {
        assert_eq!(fs::read_to_string(&limit).unwrap().trim(), "67108864");
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_7_privileged_containers_are_refused_where_they_are_disabled() {
    let mut stage = Stage::set(|config| config.containers.privileged_disabled = true).await;
    let mut privileged = task("d1", IMAGE, "exit 0");
    privileged["containers"][0]["privileged"] = json!(true);
    let stopped = stage.outcome(privileged).await;
    assert!(reason(&stopped).contains("ECS_DISABLE_PRIVILEGED"), "{stopped}");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agent_8_health_checks_release_dependents_and_travel_over_tcs() {
    let mut stage = Stage::set(|_| {}).await;
    let mut healthy = task("h1", IMAGE, WAITING);
    let check = json!({"Healthcheck": {"Test": ["CMD-SHELL", "[ -f /tmp/ok ] || touch /tmp/ok"], "Interval": 200_000_000, "Timeout": 5_000_000_000_i64, "Retries": 3}});
    healthy["containers"][0]["dockerConfig"]["config"] = json!(check.to_string());
    healthy["containers"][0]["healthCheckType"] = json!("docker");
    let mut dependent = shell_task(IMAGE, WAITING, "RUNNING", None)["containers"][0].clone();
    dependent["name"] = json!("dependent");
    dependent["dependsOn"] = json!([{"containerName": "app", "condition": "HEALTHY"}]);
    healthy["containers"].as_array_mut().unwrap().push(dependent);
    stage.send(healthy).await;
    let running = stage.change().await;
    assert_eq!(running["status"], "RUNNING", "{running}");
    let health = stage.plane.telemetry("PublishHealthRequest").await;
    assert_eq!(
        health["tasks"][0]["containers"][0]["containerName"], "app",
        "{health}"
    );
    stage.end().await;
}
