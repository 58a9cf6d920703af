//! The room the tests run in, and the tools in it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use portcullis_agent::{Config, EngineChoice, PullBehavior};

use crate::plane::Plane;
use crate::rig::{Agent, config};

pub const IMAGE: &str = "portcullis/busybox:test";
const PATIENCE: Duration = Duration::from_secs(25);

/// The room, held by one test at a time.
pub struct Room {
    _held: File,
    docker_host: String,
}

impl Room {
    /// Takes the room, after making sure that it is one: never the machine's own network.
    #[expect(
        clippy::disallowed_methods,
        reason = "the room tells its Docker Engine through the environment"
    )]
    pub fn enter() -> Self {
        let docker_host = std::env::var("DOCKER_HOST")
            .expect("docker-tests run inside a docker room only: use `cargo xtask docker-room -- cargo nextest run ...`");
        let routes = fs::read_to_string("/proc/net/route").unwrap();
        assert!(
            !routes
                .lines()
                .any(|line| line.split('\t').nth(1) == Some("00000000")),
            "this network has a way out; docker-tests run inside a docker room only"
        );
        for tool in ["nft", "ip", "busybox", "docker"] {
            let found = Command::new("which").arg(tool).output().unwrap().status.success();
            assert!(
                found,
                "docker-tests need `{tool}`; install nftables iproute2 busybox-static docker.io"
            );
        }
        let held = File::create("/run/portcullis-room.lock").unwrap();
        held.lock().unwrap();
        let room = Self {
            _held: held,
            docker_host,
        };
        room.tidy();
        room.import_image(&room.docker_host);
        room
    }

    /// What a failed test may have left must not fail the next.
    fn tidy(&self) {
        for container in self.docker(&["ps", "-aq"]).lines() {
            self.docker(&["rm", "-f", container]);
        }
        let _ = Command::new("ip")
            .args(["addr", "del", "169.254.170.2/32", "dev", "lo"])
            .output();
        let _ = Command::new("nft")
            .args(["delete", "table", "inet", "portcullis"])
            .output();
        for family in ["iptables", "ip6tables"] {
            for side in ["-i", "-o"] {
                let _ = Command::new(family)
                    .args(["-w", "-D", "DOCKER-USER", side, "pcv+", "-j", "ACCEPT"])
                    .output();
            }
        }
    }

    /// A busybox made of the machine's own static one: nothing is downloaded.
    pub fn import_image(&self, docker_host: &str) {
        let folder = tempfile::tempdir().unwrap();
        let tar = folder.path().join("image.tar");
        fs::write(&tar, Self::busybox_layer()).unwrap();
        run(
            "docker",
            &["-H", docker_host, "import", tar.to_str().unwrap(), IMAGE],
        );
    }

    /// Its files, as an archive.
    pub fn busybox_layer() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let busybox = run("which", &["busybox"]);
        fs::copy(busybox.trim(), folder.path().join("bin/busybox")).unwrap();
        let applets = [
            "sh", "wget", "sleep", "env", "tail", "cat", "mkdir", "hostname", "grep", "touch",
        ];
        for applet in applets {
            std::os::unix::fs::symlink("busybox", folder.path().join("bin").join(applet)).unwrap();
        }
        let folder = folder.path().to_str().unwrap();
        let archive = Command::new("tar")
            .args(["-C", folder, "-cf", "-", "."])
            .output()
            .unwrap();
        assert!(archive.status.success(), "{archive:?}");
        archive.stdout
    }

    pub fn docker(&self, arguments: &[&str]) -> String {
        run("docker", &[&["-H", &self.docker_host], arguments].concat())
    }

    /// A host of its own inside a room that another process holds, with an engine of its own.
    pub fn beside(folder: &Path, docker_host: String) -> Self {
        let held = File::create(folder.join("lock")).unwrap();
        let room = Self {
            _held: held,
            docker_host,
        };
        room.import_image(&room.docker_host);
        room
    }

    /// Where the room's Docker Engine listens.
    pub fn docker_host(&self) -> &str {
        &self.docker_host
    }

    /// An agent on Docker.
    pub fn agent(&self, folder: &Path, plane: &Plane, change: impl FnOnce(&mut Config)) -> Agent {
        let mut config = agent_config(folder, &plane.url, &self.docker_host);
        change(&mut config);
        Agent::start(config)
    }

    /// What a container that is not of a task gets from an address.
    pub fn stranger_gets(&self, url: &str) -> Output {
        // busybox's own time limit of wget crashes in static builds; `timeout` cannot end a container's first process.
        let script = format!("busybox timeout 3 wget -q -O - {url}; exit $?");
        let limited = ["sh", "-c", &script];
        let run = ["-H", &self.docker_host, "run", "--rm", IMAGE];
        Command::new("docker")
            .args([&run[..], &limited[..]].concat())
            .output()
            .unwrap()
    }
}

/// What an agent on Docker is told.
pub fn agent_config(folder: &Path, url: &str, docker_host: &str) -> Config {
    let mut config = config(folder, url);
    config.engine = EngineChoice::Docker;
    config.docker_host = Some(docker_host.to_owned());
    config.stop_tasks_on_shutdown = true;
    // Most images of the tests are nowhere but here.
    config.images.behavior = PullBehavior::PreferCached;
    config
}

/// Runs a tool that must succeed; its output.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Whether a tool succeeds.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .unwrap()
        .status
        .success()
}

/// Looks until `check` holds.
pub async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether address and fence are in place.
pub fn traces() -> (bool, bool) {
    let address = run("ip", &["-o", "addr", "show", "dev", "lo"]).contains("169.254.170.2/32");
    (address, succeeds("nft", &["list", "table", "inet", "portcullis"]))
}
