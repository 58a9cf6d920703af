//! Security groups and their rules.

use portcullis_core::{AccountId, Region, Tags};
use serde::{Deserialize, Serialize};

use super::{Tables, object};

/// A security group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Where.
    pub region: Region,
    /// `sg-...`
    pub id: String,
    /// Its name, unique in its VPC.
    pub name: String,
    /// What its maker says of it.
    pub description: String,
    /// The id of its VPC.
    pub vpc: String,
    /// Its rules, in the order they were made.
    pub rules: Vec<Rule>,
    /// Its tags.
    pub tags: Tags,
}

/// What may come in or go out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `sgr-...`
    pub id: String,
    /// Whether it is about what goes out.
    pub egress: bool,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, the number of another protocol, or `-1` for all.
    pub protocol: String,
    /// First port, or ICMP type; -1 for all.
    pub from_port: i32,
    /// Last port, or ICMP code; -1 for all.
    pub to_port: i32,
    /// Who is at the other end.
    pub peer: Peer,
    /// What its maker says of it.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// The other end of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// A range of IPv4 addresses.
    Ipv4(String),
    /// A range of IPv6 addresses.
    Ipv6(String),
    /// A managed prefix list.
    PrefixList(String),
    /// Whatever has another security group.
    Group {
        /// The id of the group.
        id: String,
        /// Whose it is.
        account: AccountId,
    },
}

impl Rule {
    /// Whether two rules say the same, whatever they are called.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.egress == other.egress
            && self.protocol == other.protocol
            && self.from_port == other.from_port
            && self.to_port == other.to_port
            && self.peer == other.peer
    }
}

impl SecurityGroup {
    /// Whether one of its rules speaks of the members of a group.
    pub fn speaks_of(&self, group: &str) -> bool {
        let speaks = |rule: &Rule| matches!(&rule.peer, Peer::Group { id, .. } if id == group);
        self.rules.iter().any(speaks)
    }

    /// The name of the group that each VPC has from the start.
    pub const DEFAULT: &'static str = "default";
}

object!(
    SecurityGroup,
    "ec2-security-group",
    "sg-",
    security_groups,
    |row| {
        let mut parents = vec![row.vpc.as_str()];
        for rule in &row.rules {
            // A group may speak of itself, which keeps nobody from deleting it.
            if let Peer::Group { id, .. } = &rule.peer
                && *id != row.id
            {
                parents.push(id);
            }
        }
        parents
    },
    Tables::index_group
);
