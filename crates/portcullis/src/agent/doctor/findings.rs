//! What a picture of a host means, and what to do about it: a pure function, so that every host can be tried.

use super::picture::{Cgroups, Clock, Docker, Picture};
use super::version::{Version, containerd_shim_is_open, docker_passes_plugins, runc_lets_out};

/// Signatures are refused when clocks differ by more than five minutes; warn long before.
const CLOCK_WARN_SECONDS: i64 = 30;
const CLOCK_BAD_SECONDS: i64 = 300;
/// Below so much of a disk images cannot be pulled for long.
const DISK_BAD_BYTES: u64 = 1024 * 1024 * 1024;
const DISK_WARN_PERCENT: u64 = 10;
/// Ports of Docker's API over TCP.
const DOCKER_PORTS: [u16; 2] = [2375, 2376];
/// Introspection and credentials of an agent, which only this host may reach (CVE-2025-9039).
const AGENT_PORTS: [u16; 2] = [51678, 51679];

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Good,
    Warning,
    Bad,
}

/// One thing about a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub level: Level,
    what: String,
    advice: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>) -> Self {
        Self {
            level: Level::Good,
            what: what.into(),
            advice: None,
        }
    }

    fn of(level: Level, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            level,
            what: what.into(),
            advice: Some(advice.into()),
        }
    }

    /// One line for a terminal.
    pub fn line(&self) -> String {
        let level = match self.level {
            Level::Good => "ok  ",
            Level::Warning => "warn",
            Level::Bad => "BAD ",
        };
        match &self.advice {
            Some(advice) => format!("{level}  {}: {advice}", self.what),
            None => format!("{level}  {}", self.what),
        }
    }
}

/// All findings, in the order an operator mends them.
pub(super) fn of(picture: &Picture) -> Vec<Finding> {
    let mut all = vec![root(picture)];
    all.extend(engine(picture));
    all.extend(socket(picture));
    all.extend(ports(picture));
    all.extend(network(picture));
    all.extend(host_mode(picture));
    all.extend(config(picture));
    all.extend(clock(picture));
    all.extend(disks(picture));
    all
}

fn root(picture: &Picture) -> Finding {
    match picture.is_root {
        true => Finding::good("root"),
        false => Finding::of(
            Level::Bad,
            "not root",
            "run the agent as root: without it there are no walls around containers and only the process engine runs",
        ),
    }
}

fn engine(picture: &Picture) -> Vec<Finding> {
    let (engine, containerd, runc) = match &picture.docker {
        Docker::Away(why) => {
            let advice =
                "start Docker Engine, or name it with --docker-host; without it only the process engine runs";
            return vec![Finding::of(
                Level::Bad,
                format!("Docker does not answer ({why})"),
                advice,
            )];
        }
        Docker::There {
            engine,
            containerd,
            runc,
        } => (engine, containerd, runc),
    };
    let docker = match Version::parse(engine) {
        Some(version) if docker_passes_plugins(version) => Finding::of(
            Level::Warning,
            format!(
                "Docker {engine} lets requests past authorization plugins (CVE-2024-41110, CVE-2026-34040)"
            ),
            "update to 29.3.1; harmless as long as no such plugin protects this engine",
        ),
        Some(_) => Finding::good(format!("Docker {engine}")),
        None => unknown("Docker", Some(engine)),
    };
    let escapes = "a container can get out (CVE-2025-31133, CVE-2025-52565, CVE-2025-52881)";
    let runc_finding = judged(
        "runc",
        runc.as_deref(),
        runc_lets_out,
        escapes,
        "update to 1.2.8, 1.3.3 or 1.4.0",
    );
    let shim = "a container in host mode reaches the shim's socket (CVE-2020-15257)";
    let containerd = judged(
        "containerd",
        containerd.as_deref(),
        containerd_shim_is_open,
        shim,
        "update to 1.4.3 or newer",
    );
    vec![docker, runc_finding, containerd]
}

fn judged(name: &str, told: Option<&str>, is_open: fn(Version) -> bool, why: &str, advice: &str) -> Finding {
    let Some((told, version)) = told.and_then(|told| Some((told, Version::parse(told)?))) else {
        return unknown(name, told);
    };
    match (is_open(version), version.is_distribution) {
        (false, _) => Finding::good(format!("{name} {told}")),
        (true, false) => Finding::of(Level::Bad, format!("{name} {told}: {why}"), advice),
        (true, true) => Finding::of(
            Level::Warning,
            format!("{name} {told}: {why}"),
            format!("{advice}, unless your distribution mended this build: look into its changelog"),
        ),
    }
}

fn unknown(name: &str, told: Option<&str>) -> Finding {
    let told = told.unwrap_or("nothing");
    Finding::of(
        Level::Warning,
        format!("{name} does not tell its version ({told})"),
        "compare it with the list in docs/run.md by hand",
    )
}

fn socket(picture: &Picture) -> Option<Finding> {
    let socket = picture.socket.as_ref()?;
    let path = &socket.path;
    Some(if socket.mode & 0o007 != 0 {
        Finding::of(
            Level::Bad,
            format!("{path} is open to every user (mode {:o})", socket.mode & 0o777),
            format!("chmod 0660 {path}: whoever may write there is root"),
        )
    } else {
        Finding::good(format!(
            "{path} is closed to others (mode {:o})",
            socket.mode & 0o777
        ))
    })
}

fn ports(picture: &Picture) -> Vec<Finding> {
    let open = |ports: &'static [u16]| {
        let listening = picture.listening.iter();
        listening.filter(move |(address, port)| ports.contains(port) && !address.is_loopback())
    };
    let docker = open(&DOCKER_PORTS).map(|(address, port)| {
        let advice =
            "remove -H tcp:// from the engine's configuration: whoever reaches it, a container too, is root";
        Finding::of(
            Level::Bad,
            format!("Docker's API listens on {address} port {port}"),
            advice,
        )
    });
    let agent = open(&AGENT_PORTS).map(|(address, port)| {
        let advice =
            "close it to all but this host (CVE-2025-9039); update an Amazon ECS agent before 1.97.1";
        Finding::of(
            Level::Bad,
            format!("an agent's own port {port} listens on {address}"),
            advice,
        )
    });
    let mut all: Vec<_> = docker.chain(agent).collect();
    // Docker on this host's loopback is still open to containers in host mode.
    let own = picture.listening.iter();
    let own = own.filter(|(address, port)| DOCKER_PORTS.contains(port) && address.is_loopback());
    all.extend(own.map(|(address, port)| {
        let advice = "use the socket alone: tasks in host mode reach it";
        Finding::of(
            Level::Warning,
            format!("Docker's API listens on {address} port {port}"),
            advice,
        )
    }));
    if all.is_empty() {
        all.push(Finding::good(
            "no port of an engine or an agent is open to others",
        ));
    }
    all
}

fn network(picture: &Picture) -> Vec<Finding> {
    let firewall = &picture.firewall;
    let tool = match (firewall.has_nft, firewall.has_iptables) {
        (true, _) => Finding::good("nft is there"),
        (false, true) => Finding::of(
            Level::Warning,
            "iptables is there, nft is not",
            "install nftables: security groups of awsvpc tasks need it",
        ),
        (false, false) => Finding::of(
            Level::Bad,
            "neither nft nor iptables is there",
            "install nftables: without it the agent refuses to start containers",
        ),
    };
    let mut all = vec![tool];
    all.push(match picture.has_network_namespaces {
        true => Finding::good("the kernel has network namespaces"),
        false => Finding::of(
            Level::Bad,
            "the kernel has no network namespaces",
            "boot one with CONFIG_NET_NS: containers are not kept apart without",
        ),
    });
    if picture.routes_loopback {
        all.push(Finding::of(
            Level::Bad,
            "net.ipv4.conf.all.route_localnet is on (CVE-2020-8558)",
            "sysctl -w net.ipv4.conf.all.route_localnet=0: neighbours reach this host's loopback; our agent does not need it",
        ));
    }
    all.push(walls(picture));
    all
}

fn walls(picture: &Picture) -> Finding {
    match (picture.has_task_address, picture.firewall.stands) {
        (true, Some(true)) => Finding::good("169.254.170.2 is here, and the walls around it stand"),
        (true, Some(false)) => Finding::of(
            Level::Bad,
            "169.254.170.2 is here and our rules are not",
            "is this our agent's address? If so restart the agent; if it is the Amazon ECS agent's, stop that one first",
        ),
        (false, Some(true)) => Finding::of(
            Level::Warning,
            "our rules are here without 169.254.170.2",
            "an agent is starting, or ended badly: start it once, and it puts its things in order",
        ),
        (false, Some(false)) => {
            Finding::good("no agent runs here: neither 169.254.170.2 nor our rules are there")
        }
        (_, None) => Finding::of(
            Level::Warning,
            "whether the walls stand cannot be seen",
            "run this command as root",
        ),
    }
}

fn host_mode(picture: &Picture) -> Option<Finding> {
    let why = "packets of tasks in host mode cannot be told from the host's own";
    match picture.cgroups {
        Cgroups::V2 => Some(Finding::good("cgroup v2")),
        Cgroups::V1 { net_cls: true } => Some(Finding::good("cgroup v1 with net_cls")),
        Cgroups::V1 { net_cls: false } => Some(Finding::of(
            Level::Warning,
            format!("cgroup v1 without net_cls: {why}"),
            "mount net_cls or boot with cgroup v2, or give tasks in host mode no role",
        )),
        Cgroups::None => Some(Finding::of(
            Level::Bad,
            "no control groups are mounted",
            "mount cgroup2 on /sys/fs/cgroup: limits of containers need it",
        )),
    }
}

fn config(picture: &Picture) -> Vec<Finding> {
    let Some(file) = &picture.config else {
        return Vec::new();
    };
    let path = &file.path;
    let mut all: Vec<_> = file
        .warnings
        .iter()
        .map(|warning| Finding::of(Level::Warning, path.clone(), warning.clone()))
        .collect();
    if file.holds_secrets && file.mode & 0o077 != 0 {
        all.push(Finding::of(
            Level::Bad,
            format!(
                "{path} holds credentials and others may read it (mode {:o})",
                file.mode & 0o777
            ),
            format!("chmod 0600 {path}"),
        ));
    }
    if all.is_empty() {
        all.push(Finding::good(format!("{path} says nothing unknown")));
    }
    all
}

fn clock(picture: &Picture) -> Option<Finding> {
    Some(match picture.clock.as_ref()? {
        Clock::Unknown(why) => Finding::of(
            Level::Warning,
            format!("the server's clock is not known ({why})"),
            "is --endpoint right, and does the server run?",
        ),
        Clock::Ahead(seconds) if seconds.abs() >= CLOCK_BAD_SECONDS => Finding::of(
            Level::Bad,
            format!("this clock differs from the server's by {} s", seconds.abs()),
            "set both by NTP: signatures are refused from five minutes on",
        ),
        Clock::Ahead(seconds) if seconds.abs() >= CLOCK_WARN_SECONDS => Finding::of(
            Level::Warning,
            format!("this clock differs from the server's by {} s", seconds.abs()),
            "set both by NTP before it becomes five minutes",
        ),
        Clock::Ahead(_) => Finding::good("this clock and the server's agree"),
    })
}

fn disks(picture: &Picture) -> Vec<Finding> {
    let finding = |&(what, free, whole): &(&'static str, u64, u64)| {
        let gib = |bytes: u64| format!("{}.{}", bytes >> 30, ((bytes & 0x3fff_ffff) * 10) >> 30);
        let told = format!("{what}: {} of {} GiB are free", gib(free), gib(whole));
        if free < DISK_BAD_BYTES {
            Finding::of(
                Level::Bad,
                told,
                "make room: images and checkpoints cannot be kept",
            )
        } else if free < whole / 100 * DISK_WARN_PERCENT {
            Finding::of(Level::Warning, told, "make room before images cannot be pulled")
        } else {
            Finding::good(told)
        }
    };
    picture.disks.iter().map(finding).collect()
}
