//! The disk of the agent's state folder is full, for real: a file system of its own, small and filled up. Nothing that runs is
//! touched, nothing new is begun, and all goes on when there is room again.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use portcullis_agent::UpdateSettings;
use portcullis_core::{Clock, SeededRandom, SystemClock, SystemRandom, Timestamp};
use portcullis_wire::agent_build::{SignedBuild, own_architecture};
use portcullis_wire::agent_proof::{AgentKey, digest};
use serde_json::{Value, json};

use super::awsvpc::{arn, container, inside, running};
use super::registry::Registry;
use super::room::{IMAGE, Room, agent_config, eventually, run};
use crate::plane::{Acs, Plane, Question, Registration};
use crate::rig::{Agent, payload, role, shell_task};

/// A file system in memory, gone when dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn of(size: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("fd").tempdir_in("/run").unwrap();
        let (options, path) = (format!("size={size}"), folder.path().to_str().unwrap());
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", path]);
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
    }

    /// Makes a little room again.
    fn give_back(&self, bytes: u64) {
        let filler = File::options().write(true).open(self.filler()).unwrap();
        let length = filler.metadata().unwrap().len();
        filler.set_len(length - bytes).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .output();
    }
}

/// The system's clock, put forward at will.
#[derive(Debug, Default)]
struct LeapingClock(AtomicI64);

impl Clock for LeapingClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_seconds(self.0.load(Ordering::SeqCst))
    }
}

fn task(letter: char, code: i32) -> Value {
    let script = format!("trap 'exit {code}' TERM; echo ready; while :; do sleep 0.1; done");
    let keys = role(&format!("c{letter}"), &format!("AK{letter}"));
    let mut task = shell_task(IMAGE, &script, "RUNNING", Some(keys));
    task["arn"] = json!(arn(letter));
    task
}

/// Fetches its credentials so often that no page of the log can hold it.
fn fetches(room: &Room, letter: char) -> usize {
    let script = "for n in $(busybox seq 1 30); do wget -q -O - http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI; echo; done";
    let (_, text) = inside(room, letter, script);
    text.matches("AccessKeyId").count()
}

async fn change_of(plane: &mut Plane, letter: char) -> Value {
    loop {
        let change = plane.call("SubmitTaskStateChange").await;
        if change["task"] == arn(letter) && change["status"] != "PENDING" {
            return change;
        }
    }
}

fn send(letter: char, number: i64) -> Value {
    payload(&format!("m{number}"), number, task(letter, 0))
}

/// A build of the agent, larger than the room that is left, and its operator's signature.
struct Build {
    key: AgentKey,
    signed: SignedBuild,
}

static BUILD: [u8; 150_000] = [b'x'; 150_000];

impl Build {
    fn sign() -> Self {
        let key = AgentKey::generate(&SeededRandom::new(1)).unwrap();
        let hash = portcullis_core::hex(&digest(&BUILD));
        let version = "9.0.0".parse().unwrap();
        let signed = SignedBuild::sign(&key, version, own_architecture(), &hash).unwrap();
        Self { key, signed }
    }

    fn take(&self, settings: &mut UpdateSettings) {
        (settings.enabled, settings.supervised) = (true, true);
        settings.set_public_key(&self.key.public().to_string()).unwrap();
    }

    /// A part of it, as the server gives them.
    fn part(question: &Question) -> (u16, String) {
        let (_, offset) = question.asked.split_once("&offset=").unwrap();
        let rest = &BUILD[offset.parse().unwrap()..];
        let part = &rest[..rest.len().min(16 * 1_024)];
        (200, String::from_utf8(part.to_vec()).unwrap())
    }

    /// Has it staged; the agent's answer.
    async fn staged(&self, acs: &mut Acs, message: &str) -> Value {
        let info = json!({"location": format!("/portcullis/agent-builds/{}", self.signed.file_name()), "signature": self.signed.sha256,
            "portcullisVersion": "9.0.0", "portcullisArchitecture": self.signed.architecture,
            "portcullisSignature": self.signed.signature, "portcullisSize": BUILD.len()});
        let staging =
            json!({"clusterArn": "c", "containerInstanceArn": "i", "messageId": message, "updateInfo": info});
        acs.send("StageUpdateMessage", staging).await;
        loop {
            let answer = acs.receive().await;
            if answer["message"]["messageId"] == message {
                return answer;
            }
        }
    }

    /// Fills the disk, but for some of it: nothing of the build stays. Then the rest.
    async fn does_not_fit(&self, disk: &Disk, acs: &mut Acs) {
        disk.fill();
        disk.give_back(64 * 1_024);
        let refused = self.staged(acs, "u1").await;
        let reason = refused["message"]["reason"].as_str().unwrap_or_default();
        assert!(
            reason.starts_with("The update cannot be stored: ") && reason.contains("No space left on device"),
            "{refused}"
        );
        assert_eq!(fs::read_dir(disk.path().join("updates")).unwrap().count(), 0);
        disk.fill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_begins_nothing_stops_nothing_and_is_got_over() {
    let room = Room::enter();
    let disk = Disk::of("512k");
    let build = Build::sign();
    let mut plane = Plane::with_services(Registration::Echo, Arc::new(Build::part)).await;
    let clock = Arc::new(LeapingClock::default());
    let mut config = agent_config(disk.path(), &plane.url, room.docker_host());
    config.stop_timeout = Duration::from_secs(1);
    build.take(&mut config.updates);
    let mut agent = Agent::start_by(config, clock.clone(), Arc::new(SystemRandom));
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    running(&mut plane, &mut acs, 1, task('b', 0)).await;
    running(&mut plane, &mut acs, 2, task('c', 7)).await;
    let before = container(&room, 'b', "app");
    eventually("it is ready", || {
        room.docker(&["logs", &container(&room, 'c', "app")])
            .contains("ready")
    })
    .await;
    build.does_not_fit(&disk, &mut acs).await;

    assert_eq!(fetches(&room, 'b'), 30, "a log that is full holds nobody up");
    // An end is told although it cannot be saved.
    room.docker(&["kill", "-s", "TERM", &container(&room, 'c', "app")]);
    let stopped = change_of(&mut plane, 'c').await;
    let end = (&stopped["status"], &stopped["containers"][0]["exitCode"]);
    assert_eq!(end, (&json!("STOPPED"), &json!(7)), "{stopped}");
    // A new task is given up after a minute.
    acs.send("PayloadMessage", send('d', 3)).await;
    eventually("the agent knows it", || {
        agent_knows(&room, 'd') || {
            clock.0.fetch_add(1, Ordering::SeqCst);
            clock.0.load(Ordering::SeqCst) > 70
        }
    })
    .await;
    let refused = change_of(&mut plane, 'd').await;
    let reason = refused["containers"][0]["reason"].as_str().unwrap_or_default();
    assert!(
        refused["status"] == "STOPPED"
            && reason.starts_with("ResourceInitializationError: the agent cannot save its state: ")
            && reason.contains("No space left on device"),
        "{refused}"
    );
    // Another waits, and starts when there is room.
    acs.send("PayloadMessage", send('e', 4)).await;
    assert_eq!(container(&room, 'd', "app"), "");
    disk.free();
    assert_eq!(change_of(&mut plane, 'e').await["status"], "RUNNING");
    let staged = build.staged(&mut acs, "u2").await;
    assert_eq!(staged["type"], "AckRequest", "{staged}");

    assert_eq!(fetches(&room, 'b'), 30);
    whole_lines(&disk.path().join("audit.log"));
    let left: Vec<_> = fs::read_dir(disk.path().join("checkpoint/tasks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".json"))
        .collect();
    assert!(left.is_empty(), "nothing half written stays: {left:?}");
    // What was saved meanwhile is what is true: the next agent takes over, and starts nothing again.
    agent.abandon().await;
    drop(acs);
    let mut second = room.agent(disk.path(), &plane, |_| {});
    second.connected().await;
    assert_eq!(container(&room, 'b', "app"), before);
    assert_eq!(room.docker(&["ps", "-q"]).lines().count(), 2, "b and e");
    second.end().await.unwrap();
}

/// Whether Docker has a container of the task.
fn agent_knows(room: &Room, letter: char) -> bool {
    !container(room, letter, "app").is_empty()
}

/// But for one that the full disk cut short, which ends where the next begins.
fn whole_lines(log: &Path) {
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    let begin_well = lines.iter().all(|line| line.starts_with("20"));
    assert!(begin_well, "{text}");
    let whole = lines
        .iter()
        .filter(|line| line.contains(" GetCredentials 2 probe "));
    let count = whole.count();
    assert!(count + 1 >= lines.len(), "{text}");
    assert!(count >= 30, "those after the gap are there: {count}");
}

/// The room's own file system, on which its engine has its data, as large as what is in it; large again when dropped.
struct NoRoom;

impl NoRoom {
    fn left() -> Self {
        let used = run("df", &["--output=used", "-k", "/run"]);
        let used = used.lines().last().unwrap().trim();
        run("mount", &["-o", &format!("remount,size={used}k"), "/run"]);
        Self
    }
}

impl Drop for NoRoom {
    fn drop(&mut self) {
        let _ = std::process::Command::new("mount")
            .args(["-o", "remount,size=6g", "/run"])
            .output();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_without_room_for_an_image_is_a_failed_pull() {
    let room = Room::enter();
    let registry = Registry::serve(Room::busybox_layer(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let mut plane = Plane::start(Registration::Echo).await;
    let mut agent = room.agent(folder.path(), &plane, |_| {});
    agent.connected().await;
    let (_, mut acs) = plane.acs().await;
    running(&mut plane, &mut acs, 1, task('b', 0)).await;
    let pulled = |letter| {
        let mut wire = task(letter, 0);
        wire["containers"][0]["image"] = json!(registry.image("full"));
        wire
    };
    let full = NoRoom::left();
    acs.send("PayloadMessage", payload("m2", 2, pulled('c'))).await;
    let stopped = change_of(&mut plane, 'c').await;
    let reason = stopped["containers"][0]["reason"].as_str().unwrap_or_default();
    assert!(
        stopped["status"] == "STOPPED"
            && reason.starts_with("CannotPullContainerError: ")
            && reason.contains("no space left on device"),
        "{stopped}"
    );
    drop(full);
    acs.send("PayloadMessage", payload("m3", 3, pulled('d'))).await;
    assert_eq!(change_of(&mut plane, 'd').await["status"], "RUNNING");
    assert_eq!(
        room.docker(&["ps", "-q"]).lines().count(),
        2,
        "the first was left alone"
    );
    agent.end().await.unwrap();
}
