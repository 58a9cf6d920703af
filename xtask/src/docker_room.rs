//! A Docker Engine of its own for one command, in a place that vanishes with it.
//!
//! The room is three new kernel namespaces. *Network*: the engine's bridge and our firewall rules touch nothing of
//! the machine's, and there is no route out. *Mount*: a private tmpfs over `/run` holds the engine's data, sockets
//! and pid file. *Process*: when the room's first process ends, for whatever reason, the kernel ends all others;
//! that first process is told to die with whoever started it, so even a kill -9 of this program leaves nothing
//! but empty cgroups, which the next room removes.
//!
//! What was found out the hard way, on Debian's docker.io 20.10.24, cgroup v1, overlay2 on tmpfs:
//! * `ip netns exec` will not do: it remounts `/sys`, the cgroup mounts vanish, and dockerd ends with "Devices cgroup
//!   isn't mounted". `unshare --net` leaves `/sys` alone.
//! * containerd's shims put their sockets under `/run/containerd` whatever `--exec-root` says: hence the tmpfs on `/run`.
//! * an empty `--config-file` keeps the machine's `/etc/docker/daemon.json` out.
//! * without `--shutdown-timeout` a container that ignores SIGTERM holds up the end for 10 s.
//! * an address put on `lo` (169.254.170.2/32) is reached from containers by their default route, without NAT.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::shell;

const ROOM: &str = "/run/docker-room";
const CGROUPS: &str = "/sys/fs/cgroup";
const CGROUP_PREFIX: &str = "portcullis-room-";
/// The agent's cgroup of host-mode tasks.
const HOST_TASKS: &str = "portcullishost";
const READY_WITHIN: Duration = Duration::from_secs(30);

/// `docker-room COMMAND...`: builds the room and runs the command in it; or, called again by ourselves, is the inside.
pub fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [] => bail!("docker-room needs a command to run"),
        [dashes, command @ ..] if dashes == "--" => run(command),
        [inside, cgroup, command @ ..] if inside == "--inside" => run_inside(cgroup, command),
        [name, rest @ ..] => {
            let status = around(shell::program(name).args(rest))?
                .status()
                .context("cannot start the room")?;
            leave();
            Ok(if status.success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}

/// The path of this program. A build in between may have put a new file in its place; that one does as well, and the
/// kernel marks the old one.
fn our_program() -> Result<PathBuf> {
    let path = std::env::current_exe().context("cannot find our own program")?;
    let text = path.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map_or_else(|| path.clone(), PathBuf::from))
}

/// The command that runs another one inside a new room. Call [`leave`] when it has ended.
pub fn around(inner: &Command) -> Result<Command> {
    remove_cgroups(|owner| !Path::new("/proc").join(owner).exists())?;
    let ourselves = our_program()?;
    let mut room = shell::program("setpriv");
    room.args(["--pdeathsig", "KILL"]);
    room.args([
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    room.args(["docker-init", "--"])
        .arg(ourselves)
        .args(["docker-room", "--inside"]);
    room.arg(format!("{CGROUP_PREFIX}{}", std::process::id()));
    room.arg(inner.get_program()).args(inner.get_args());
    Ok(room)
}

/// Removes the empty cgroups our room's containers left: the one thing that outlives the namespaces.
pub fn leave() {
    let ourselves = std::process::id().to_string();
    if let Err(error) = remove_cgroups(|owner| owner == ourselves) {
        eprintln!("warning: {error:#}");
    }
}

/// Why no room can be built here, if none can.
pub fn obstacle() -> Option<String> {
    let missing: Vec<_> = [
        "unshare",
        "setpriv",
        "ip",
        "dockerd",
        "docker-init",
        "iptables",
        "nft",
    ]
    .into_iter()
    .filter(|name| !shell::has(name))
    .collect();
    if !missing.is_empty() {
        return Some(format!("not installed: {}", missing.join(", ")));
    }
    let mut probe = shell::program("unshare");
    probe.args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "true"]);
    match probe.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!(
            "no namespaces here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Some(format!("no namespaces here: {error}")),
    }
}

fn run_inside(cgroup: &str, command: &[String]) -> Result<ExitCode> {
    let Some((name, arguments)) = command.split_first() else {
        bail!("docker-room needs a command to run")
    };
    shell::run(shell::program("mount").args(["-t", "tmpfs", "-o", "size=6g,mode=755", "tmpfs", "/run"]))?;
    shell::run(shell::program("ip").args(["link", "set", "lo", "up"]))?;
    mount_net_cls()?;
    let mut engine = start_engine(cgroup)?;
    let status = shell::program(name)
        .args(arguments)
        .env("DOCKER_HOST", format!("unix://{ROOM}/docker.sock"))
        .env("PORTCULLIS_DOCKER_ROOM", ROOM)
        .status()
        .with_context(|| format!("cannot start `{name}`"))?;
    engine
        .kill()
        .and_then(|()| engine.wait())
        .context("cannot end the engine")?;
    // Only the room sees net_cls: what is empty there goes now.
    let _ = remove_empty(&Path::new(CGROUPS).join("net_cls").join(cgroup));
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Machines with cgroup v1 have net_cls, whether or not this one has it mounted: by it the agent tells host-mode tasks
/// from the host. The mount is the room's own.
fn mount_net_cls() -> Result<()> {
    let unified = Path::new(CGROUPS).join("cgroup.controllers").exists();
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?;
    if unified || mounts.contains("net_cls") {
        return Ok(());
    }
    let folder = Path::new(CGROUPS).join("net_cls");
    fs::create_dir_all(&folder)?;
    shell::run(
        shell::program("mount")
            .args(["-t", "cgroup", "-o", "net_cls", "net_cls"])
            .arg(&folder),
    )
}

/// Starts dockerd by a script of its own, so that a test which kills the engine can start it again just so.
fn start_engine(cgroup: &str) -> Result<Child> {
    fs::create_dir_all(ROOM)?;
    let room = Path::new(ROOM);
    fs::write(room.join("daemon.json"), "{}\n")?;
    let log = shell::target().join("docker-room.log");
    let script = format!(
        "#!/bin/sh\nexec dockerd --config-file {ROOM}/daemon.json --data-root {ROOM}/data --exec-root {ROOM}/exec \\\n  \
         --pidfile {ROOM}/docker.pid --host unix://{ROOM}/docker.sock --cgroup-parent /{cgroup} --shutdown-timeout 2 \\\n  \
         >>'{}' 2>&1\n",
        log.display()
    );
    let start = room.join("start-docker");
    fs::write(&start, script)?;
    fs::set_permissions(&start, fs::Permissions::from_mode(0o755))?;
    fs::create_dir_all(shell::target())?;
    fs::File::create(&log)?;
    let mut engine = shell::program(&start).spawn().context("cannot start dockerd")?;
    let deadline = Instant::now() + READY_WITHIN;
    while !answers(&room.join("docker.sock")) {
        if let Some(status) = engine.try_wait()? {
            bail!("dockerd ended with {status}; its log is {}", log.display());
        }
        if Instant::now() > deadline {
            bail!(
                "dockerd did not answer within {} s; its log is {}",
                READY_WITHIN.as_secs(),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(engine)
}

fn answers(socket: &Path) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply.contains(" 200 "))
    };
    ping().unwrap_or(false)
}

/// Removes the cgroups of rooms whose owner (the pid in the name) `gone` holds for.
fn remove_cgroups(gone: impl Fn(&str) -> bool) -> Result<()> {
    let mut hierarchies = vec![PathBuf::from(CGROUPS)];
    hierarchies.extend(folders(Path::new(CGROUPS)));
    for group in hierarchies.iter().flat_map(|hierarchy| folders(hierarchy)) {
        // Of agents that were killed; what another room uses cannot be removed.
        if group.ends_with(HOST_TASKS) {
            let _ = remove_empty(&group);
        }
        let owner = group
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix(CGROUP_PREFIX));
        if owner.is_some_and(&gone) {
            remove_empty(&group).with_context(|| format!("cannot remove the cgroup {}", group.display()))?;
        }
    }
    Ok(())
}

fn remove_empty(group: &Path) -> std::io::Result<()> {
    for child in folders(group) {
        remove_empty(&child)?;
    }
    fs::remove_dir(group)
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}
