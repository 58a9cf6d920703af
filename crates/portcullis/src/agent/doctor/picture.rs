//! What was seen of a host.

use std::net::IpAddr;

/// A host as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// Whether this program runs as root.
    pub is_root: bool,
    /// Docker Engine.
    pub docker: Docker,
    /// Its socket, when it is a file.
    pub socket: Option<Socket>,
    /// Addresses and TCP ports that somebody listens on.
    pub listening: Vec<(IpAddr, u16)>,
    /// What can make the walls.
    pub firewall: Firewall,
    /// Control groups.
    pub cgroups: Cgroups,
    /// Whether the kernel has network namespaces.
    pub has_network_namespaces: bool,
    /// `net.ipv4.conf.all.route_localnet`
    pub routes_loopback: bool,
    /// Whether this host has the address 169.254.170.2.
    pub has_task_address: bool,
    /// The agent's configuration file, when there is one.
    pub config: Option<ConfigFile>,
    /// Seconds this clock is ahead of the server's; `None` when no server was asked.
    pub clock: Option<Clock>,
    /// Where tasks' files go: what for, how much is free of how much, in bytes.
    pub disks: Vec<(&'static str, u64, u64)>,
}

/// Docker Engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Docker {
    /// It does not answer, and why.
    Away(String),
    /// It does, with the versions it tells.
    There {
        engine: String,
        containerd: Option<String>,
        runc: Option<String>,
    },
}

impl Default for Docker {
    fn default() -> Self {
        Self::Away("nobody looked".to_owned())
    }
}

/// The engine's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    pub path: String,
    /// Permission bits.
    pub mode: u32,
}

/// What can make the walls, and whether they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Firewall {
    pub has_nft: bool,
    pub has_iptables: bool,
    /// Whether our rules are there; `None` when nobody may look.
    pub stands: Option<bool>,
}

/// Control groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Cgroups {
    /// Neither is mounted.
    #[default]
    None,
    /// The first form, and whether packets of a group can be known.
    V1 { net_cls: bool },
    /// The second form.
    V2,
}

/// The agent's configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConfigFile {
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Whether it names credentials.
    pub holds_secrets: bool,
    /// What the agent would warn of.
    pub warnings: Vec<String>,
}

/// How this clock compares with the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Clock {
    /// The server was asked and did not tell.
    Unknown(String),
    /// Seconds ahead of the server's.
    Ahead(i64),
}
