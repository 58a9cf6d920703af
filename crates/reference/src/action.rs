//! Actions: what each one acts on, which condition keys it has, what it needs besides.

use std::fmt;

use crate::blob::{self, Fields};
use crate::key::{KeyId, Reach, reach};
use crate::resource::ResourceTypeId;
use crate::risk::Risk;
use crate::service::ServiceId;

/// An action of the reference. Ids count from 0 without a gap, services in the order of their prefixes, so that they can number
/// the bits of a set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub(crate) u16);

/// What kind of access an action gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessLevel {
    /// Sees that something exists.
    List,
    /// Sees what is in it.
    Read,
    /// Makes, changes or removes it.
    Write,
    /// Changes its tags only.
    Tagging,
    /// Changes who may do what.
    PermissionsManagement,
}

impl AccessLevel {
    /// All of them, in the order of their bits in the data.
    pub const ALL: [Self; 5] = [
        Self::List,
        Self::Read,
        Self::Write,
        Self::Tagging,
        Self::PermissionsManagement,
    ];

    /// As AWS's tables write it: `Permissions management`.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "List",
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Tagging => "Tagging",
            Self::PermissionsManagement => "Permissions management",
        }
    }
}

/// A resource type that an action can be limited to.
#[derive(Clone, Copy, Debug)]
pub struct ActionResource {
    /// The type.
    pub resource_type: ResourceTypeId,
    /// Whether a statement about the action must name such a resource (or `*`) to have an effect.
    pub required: bool,
    keys: u16,
}

impl ActionResource {
    /// The condition keys that go with this resource of this action, besides the action's and the resource type's own.
    pub fn keys(self) -> impl ExactSizeIterator<Item = KeyId> + Clone {
        KeyId::list(self.keys)
    }
}

impl ActionId {
    /// How many actions there are.
    pub const COUNT: usize = blob::ACTIONS.len();

    /// Every action, by service and name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + Clone {
        (0..Self::COUNT as u16).map(Self)
    }

    /// The action's number, below [`ActionId::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The action with this number.
    pub fn from_index(index: usize) -> Option<Self> {
        let id = u16::try_from(index).ok()?;
        (index < Self::COUNT).then_some(Self(id))
    }

    fn fields(self, skip: usize) -> Fields<'static> {
        let record = blob::ACTIONS.get(self.index()).unwrap_or(&[0; 16]);
        Fields::new(record, skip)
    }

    /// `RunTask`, as AWS spells it.
    pub fn name(self) -> &'static str {
        self.fields(0).text().get()
    }

    /// `runtask`.
    pub fn folded_name(self) -> &'static str {
        self.fields(0).text().folded()
    }

    /// The service whose action it is.
    pub fn service(self) -> ServiceId {
        ServiceId(self.fields(4).u16())
    }

    /// The kinds of access it gives: one or two.
    pub fn access_levels(self) -> impl Iterator<Item = AccessLevel> + Clone {
        AccessLevel::ALL
            .into_iter()
            .filter(move |level| self.has_access_level(*level))
    }

    /// Whether it gives this kind of access.
    pub fn has_access_level(self, level: AccessLevel) -> bool {
        self.fields(6).u16() & (1 << level as u16) != 0
    }

    /// What is dangerous about it.
    pub fn risks(self) -> impl Iterator<Item = Risk> + Clone {
        Risk::ALL.into_iter().filter(move |risk| self.has_risk(*risk))
    }

    /// Whether this is dangerous about it.
    pub fn has_risk(self, risk: Risk) -> bool {
        self.fields(6).u16() & (1 << (8 + risk as u16)) != 0
    }

    /// The condition keys listed for the action whatever its resource.
    pub fn keys(self) -> impl ExactSizeIterator<Item = KeyId> + Clone {
        KeyId::list(self.fields(8).u16())
    }

    /// The resource types it can be limited to; none where only `*` makes sense as a resource (R140).
    pub fn resource_types(self) -> impl ExactSizeIterator<Item = ActionResource> + Clone {
        let entries = blob::list(blob::RESOURCE_LISTS, self.fields(12).u16(), 2);
        entries.as_chunks::<2>().0.iter().map(|[resource, keys]| {
            let resource = u16::from_le_bytes(*resource);
            ActionResource {
                resource_type: ResourceTypeId(resource & 0x7fff),
                required: resource & 0x8000 != 0,
                keys: u16::from_le_bytes(*keys),
            }
        })
    }

    /// Whether it can be limited to resources at all.
    pub fn has_resource_level(self) -> bool {
        self.resource_types().len() != 0
    }

    /// Actions that the caller usually needs as well (of April 2026, and not complete: see R149 for `iam:PassRole`).
    pub fn dependent_actions(self) -> impl ExactSizeIterator<Item = Self> + Clone {
        let entries = blob::list(blob::ACTION_LISTS, self.fields(14).u16(), 1);
        entries.iter().map(|id| Self(u16::from_le_bytes(*id)))
    }

    /// The service keys that can be present when this action is decided, in the order of their ids: those listed for it or for one
    /// of its resource types (R112). Keys that reach every action ([`Reach::Everywhere`]) are not among them.
    pub fn applying_keys(self) -> impl ExactSizeIterator<Item = KeyId> + Clone {
        self.applying().iter().map(|id| KeyId(u16::from_le_bytes(*id)))
    }

    fn applying(self) -> &'static [[u8; 2]] {
        blob::list(blob::APPLYING_LISTS, self.fields(10).u16(), 1)
    }

    /// Whether a key of this name can be present when this action is decided (R112). On a busy path resolve the name once with
    /// [`reach`] and ask [`ActionId::reached_by`].
    pub fn applies(self, key: &str) -> bool {
        self.reached_by(reach(key))
    }

    /// Whether a key that reaches so far can be present when this action is decided (R112).
    #[inline]
    pub fn reached_by(self, reach: Reach) -> bool {
        match reach {
            Reach::Everywhere => true,
            Reach::Listed(key) => self.applies_id(key),
            Reach::Nowhere => false,
        }
    }

    /// Whether this key can be present when this action is decided (R112).
    #[inline]
    pub fn applies_id(self, key: KeyId) -> bool {
        key.is_everywhere()
            || self
                .applying()
                .binary_search_by_key(&key.0, |id| u16::from_le_bytes(*id))
                .is_ok()
    }
}

impl fmt::Debug for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `ecs:RunTask`.
impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.service(), self.name())
    }
}
