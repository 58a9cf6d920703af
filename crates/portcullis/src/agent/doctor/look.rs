//! Looks at this host. Nothing is changed, and no address that tasks talk to is contacted.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use portcullis_agent::settings::Variables;
use portcullis_agent::{Config, CredentialsSource};
use portcullis_core::{Clock as _, Region, SystemClock, Timestamp};

use super::Options;
use super::picture::{Cgroups, Clock, ConfigFile, Docker, Firewall, Picture, Socket};
use crate::client::{Client, Credentials};
use crate::image;

/// Longest wait for anybody.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where Docker keeps its images unless it was told otherwise.
const DOCKER_ROOT: &str = "/var/lib/docker";
/// Variables of the configuration file that hold secrets.
const SECRETS: &[&str] = &[
    "ECS_ENGINE_AUTH_DATA",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// A picture of this host.
pub(super) async fn at_this_host(options: &Options) -> Picture {
    let socket = options
        .docker_host
        .strip_prefix("unix://")
        .unwrap_or(&options.docker_host);
    let clock = match &options.endpoint {
        None => None,
        Some(endpoint) => Some(match server_time(endpoint).await {
            Ok(there) => Clock::Ahead(SystemClock.now().seconds_since(there)),
            Err(error) => Clock::Unknown(format!("{error:#}")),
        }),
    };
    let disks = [
        ("Docker's images", Path::new(DOCKER_ROOT)),
        ("the agent's state", &options.state_dir),
    ];
    Picture {
        is_root: rustix::process::geteuid().is_root(),
        docker: docker(&options.docker_host).await,
        socket: mode(Path::new(socket)).map(|mode| Socket {
            path: socket.to_owned(),
            mode,
        }),
        listening: listening(),
        firewall: firewall(),
        cgroups: cgroups(Path::new("/sys/fs/cgroup")),
        has_network_namespaces: Path::new("/proc/self/ns/net").exists(),
        routes_loopback: read("/proc/sys/net/ipv4/conf/all/route_localnet").trim() == "1",
        has_task_address: has_address(&read("/proc/net/fib_trie"), "169.254.170.2"),
        config: config(&options.config_file),
        clock,
        disks: disks.iter().filter_map(|(what, path)| disk(what, path)).collect(),
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode())
}

async fn docker(host: &str) -> Docker {
    let asked = async {
        let docker = image::connect(Some(host))?;
        let docker = docker.negotiate_version().await?;
        let version = docker.version().await?;
        let component = |name: &str| {
            let mut all = version.components.iter().flatten();
            let found = all.find(|one| one.name.eq_ignore_ascii_case(name))?;
            Some(found.version.clone())
        };
        anyhow::Ok(Docker::There {
            engine: version.version.clone().unwrap_or_default(),
            containerd: component("containerd"),
            runc: component("runc"),
        })
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => Docker::Away(format!("{error:#}")),
        Err(_) => Docker::Away("no answer in 5 s".to_owned()),
    }
}

/// What the server's clock says, by the header of any answer.
async fn server_time(endpoint: &str) -> Result<Timestamp> {
    let nobody = Credentials::new("", Default::default(), None);
    let client = Client::new(endpoint, Region::us_east_1(), nobody);
    let date = tokio::time::timeout(PATIENCE, client.date())
        .await
        .context("no answer in 5 s")??;
    date.as_deref()
        .and_then(parse_date)
        .context("the answer has no date")
}

/// `Sun, 22 Nov 2026 14:02:11 GMT`
pub(super) fn parse_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_ascii_whitespace().skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    format!("{year}-{month:02}-{day:0>2}T{time}Z").parse().ok()
}

/// Whoever listens, from the kernel's tables.
fn listening() -> Vec<(IpAddr, u16)> {
    let mut all = parse_listening(&read("/proc/net/tcp"));
    all.extend(parse_listening(&read("/proc/net/tcp6")));
    all.sort_unstable();
    all.dedup();
    all
}

/// Rows in state LISTEN (0A) of `/proc/net/tcp` and `/proc/net/tcp6`.
pub(super) fn parse_listening(table: &str) -> Vec<(IpAddr, u16)> {
    let row = |line: &str| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let (address, port) = words.next()?.split_once(':')?;
        let state = words.nth(1)?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (state == "0A").then_some((parse_address(address)?, port))
    };
    table.lines().filter_map(row).collect()
}

/// The kernel writes addresses as words of 32 bits, each in the machine's own order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok();
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?.to_ne_bytes()).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// Whether the routing table knows an address as this host's own.
pub(super) fn has_address(fib_trie: &str, address: &str) -> bool {
    let mut lines = fib_trie.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line.strip_prefix("|-- ") == Some(address) {
            return lines.next().is_some_and(|kind| kind.contains("host LOCAL"));
        }
    }
    false
}

fn firewall() -> Firewall {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().ok().map(|status| status.success())
    };
    let has_nft = runs("nft", &["--version"]) == Some(true);
    let has_iptables = runs("iptables", &["--version"]) == Some(true);
    let by_nft = has_nft
        .then(|| runs("nft", &["list", "table", "inet", "portcullis"]))
        .flatten();
    let by_iptables = has_iptables
        .then(|| runs("iptables", &["-S", "PORTCULLIS-INPUT"]))
        .flatten();
    let stands = match (by_nft, by_iptables) {
        (None, None) => None,
        (one, other) => Some(one == Some(true) || other == Some(true)),
    };
    Firewall {
        has_nft,
        has_iptables,
        // Who is not root sees no rule, be it there or not.
        stands: stands.filter(|_| rustix::process::geteuid().is_root()),
    }
}

fn cgroups(mount: &Path) -> Cgroups {
    if mount.join("cgroup.controllers").exists() {
        return Cgroups::V2;
    }
    let has = |names: &[&str]| names.iter().any(|name| mount.join(name).is_dir());
    if !has(&["memory", "cpu", "cpu,cpuacct"]) {
        return Cgroups::None;
    }
    Cgroups::V1 {
        net_cls: has(&["net_cls", "net_cls,net_prio"]),
    }
}

fn config(path: &Path) -> Option<ConfigFile> {
    let text = fs::read_to_string(path).ok()?;
    let variables = Variables::gather(|_| None, Some(&text));
    let nobody = CredentialsSource::File(path.to_owned());
    let mut scratch = Config::new("default", Region::us_east_1(), "", nobody, ".");
    Some(ConfigFile {
        path: path.display().to_string(),
        mode: mode(path)?,
        holds_secrets: SECRETS.iter().any(|name| variables.get(name).is_some()),
        warnings: variables.apply(&mut scratch),
    })
}

/// Free and whole size of the disk a path is on, or would be.
fn disk(what: &'static str, path: &Path) -> Option<(&'static str, u64, u64)> {
    let there = path
        .ancestors()
        .find(|one| one.exists())
        .unwrap_or(Path::new("."));
    let found = rustix::fs::statvfs(there).ok()?;
    Some((
        what,
        found.f_bavail.saturating_mul(found.f_frsize),
        found.f_blocks.saturating_mul(found.f_frsize),
    ))
}
