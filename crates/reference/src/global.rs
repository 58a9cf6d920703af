//! Global condition keys (R105-R107), and those of single services that travel with a session everywhere (`ec2:RoleDelivery`).

use crate::key::{KeyId, KeyType};

/// A condition key that every service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalKey {
    /// Its place among all keys.
    pub id: KeyId,
    /// `aws:PrincipalArn`, `aws:PrincipalTag/${TagKey}`.
    pub name: &'static str,
    /// The type of its values; an array if there can be several.
    pub key_type: KeyType,
    /// Whether there can be several values.
    pub multi_valued: bool,
    /// Whether AWS warns against wildcards in its values (R107).
    pub sensitive: bool,
    /// What it speaks of.
    pub group: Group,
}

/// What a global key speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Who calls.
    Principal,
    /// The session the caller is in.
    RoleSession,
    /// Where the call comes from.
    Network,
    /// What it is about.
    Resource,
    /// The call itself.
    Request,
}

impl Group {
    /// All of them, in the order of their numbers in the data.
    pub const ALL: [Self; 5] = [
        Self::Principal,
        Self::RoleSession,
        Self::Network,
        Self::Resource,
        Self::Request,
    ];

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::Request)
    }

    /// `role-session`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::RoleSession => "role-session",
            Self::Network => "network",
            Self::Resource => "resource",
            Self::Request => "request",
        }
    }
}

/// Every global key.
pub fn keys() -> impl Iterator<Item = GlobalKey> + Clone {
    KeyId::all().filter_map(KeyId::global)
}

/// The global key that this name stands for, in any case: `aws:PrincipalTag/Team` is `aws:PrincipalTag/${TagKey}`.
pub fn key(name: &str) -> Option<GlobalKey> {
    crate::key(name).and_then(KeyId::global)
}
