//! Services, and the ranges of actions, resource types and keys that are theirs.

use std::fmt;

use crate::action::ActionId;
use crate::blob::{self, Fields, Text};
use crate::fold;
use crate::key::{KeyId, KeyType};
use crate::lookup;
use crate::resource::ResourceTypeId;

/// A service of the reference; ids are in the order of the prefixes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub(crate) u16);

/// The service with this prefix, such as `ecs`, in any case.
pub fn service(prefix: &str) -> Option<ServiceId> {
    hashed_service(prefix.as_bytes(), fold::hash(prefix.as_bytes()))
}

fn hashed_service(prefix: &[u8], hash: u64) -> Option<ServiceId> {
    let is = |id| lookup::equal(ServiceId(id).prefix().as_bytes(), prefix);
    lookup::find(blob::SERVICE_SLOTS, hash, is).map(ServiceId)
}

/// Every service, by prefix.
pub fn services() -> impl ExactSizeIterator<Item = ServiceId> + DoubleEndedIterator + Clone {
    (0..blob::SERVICE_COUNT as u16).map(ServiceId)
}

/// The action with this qualified name, such as `ecs:RunTask`, in any case. Constant time, no allocation.
pub fn action(qualified: &str) -> Option<ActionId> {
    let (prefix, name) = qualified.split_once(':')?;
    let hash = fold::action_hash(fold::hash(prefix.as_bytes()), fold::hash(name.as_bytes()));
    lookup::find(blob::ACTION_SLOTS, hash, |id| {
        let action = ActionId(id);
        lookup::equal(action.name().as_bytes(), name.as_bytes())
            && lookup::equal(action.service().prefix().as_bytes(), prefix.as_bytes())
    })
    .map(ActionId)
}

impl ServiceId {
    fn record(self) -> Fields<'static> {
        self.fields(0)
    }

    fn fields(self, skip: usize) -> Fields<'static> {
        let record = blob::SERVICES.get(usize::from(self.0)).unwrap_or(&[0; 16]);
        Fields::new(record, skip)
    }

    /// Where the service's part begins and ends, of the ids that stand at byte `skip` of its record.
    fn range(self, skip: usize) -> std::ops::Range<u16> {
        self.fields(skip).u16()..Self(self.0 + 1).fields(skip).u16()
    }

    /// `ecs`: what stands before the colon of actions and condition keys.
    pub fn prefix(self) -> &'static str {
        self.record().text().get()
    }

    /// `Amazon Elastic Container Service`.
    pub fn title(self) -> &'static str {
        self.fields(4).text().get()
    }

    /// The service's actions: ids without a gap, in the order of the names in small letters.
    pub fn actions(self) -> impl ExactSizeIterator<Item = ActionId> + DoubleEndedIterator + Clone {
        self.range(8).map(ActionId)
    }

    /// The actions whose names begin with `start`, in any case: a part of [`ServiceId::actions`], found without a walk.
    pub fn actions_starting_with(
        self,
        start: &str,
    ) -> impl ExactSizeIterator<Item = ActionId> + DoubleEndedIterator + Clone {
        let all = self.range(8);
        let cut = |id: u16| {
            let name = ActionId(id).name().as_bytes();
            name.get(..start.len()).unwrap_or(name)
        };
        let first = partition(all.clone(), |id| fold::compare(cut(id), start.as_bytes()).is_lt());
        let after = partition(first..all.end, |id| {
            fold::compare(cut(id), start.as_bytes()).is_eq()
        });
        (first..after).map(ActionId)
    }

    /// The service's action with this name, such as `RunTask`, in any case.
    pub fn action(self, name: &str) -> Option<ActionId> {
        let hash = fold::action_hash(fold::hash(self.prefix().as_bytes()), fold::hash(name.as_bytes()));
        lookup::find(blob::ACTION_SLOTS, hash, |id| {
            let action = ActionId(id);
            action.service() == self && lookup::equal(action.name().as_bytes(), name.as_bytes())
        })
        .map(ActionId)
    }

    /// The kinds of resources the service has.
    pub fn resource_types(
        self,
    ) -> impl ExactSizeIterator<Item = ResourceTypeId> + DoubleEndedIterator + Clone {
        self.range(10).map(ResourceTypeId)
    }

    /// The service's resource type with this name, such as `task-definition`, in any case.
    pub fn resource_type(self, name: &str) -> Option<ResourceTypeId> {
        self.resource_types()
            .find(|found| found.name().eq_ignore_ascii_case(name))
    }

    /// Every condition key that the service's page lists, with its type there. The global ones among them are only those that
    /// AWS names on the page; all of them apply.
    pub fn condition_keys(self) -> impl ExactSizeIterator<Item = (KeyId, KeyType)> + Clone {
        let range = self.range(12);
        let listed = blob::SERVICE_KEYS.get(usize::from(range.start)..usize::from(range.end));
        listed.unwrap_or_default().iter().map(|record| {
            let mut fields = Fields::new(record, 0);
            (KeyId(fields.u16()), KeyType::from_byte(fields.u8()))
        })
    }

    /// Whether resource control policies act on the service (R116).
    pub fn supports_rcp(self) -> bool {
        self.fields(14).u16() & 1 != 0
    }

    /// The service that owns condition keys with this prefix, where the two differ: `catalog` is `aws-marketplace`'s, `saml` and
    /// the identity providers' are `sts`'s. As AWS spells it, placeholders (`token.actions.${Domain}.ghe.com`) included.
    pub fn of_key_prefix(prefix: &str) -> Option<Self> {
        service(prefix).or_else(|| foreign_prefix(prefix).map(|(owner, _)| owner))
    }
}

/// Who owns a key prefix that is no service's own, and whether it is an identity provider's.
pub(crate) fn foreign_prefix(prefix: &str) -> Option<(ServiceId, bool)> {
    blob::KEY_PREFIXES.iter().find_map(|record| {
        let mut fields = Fields::new(record, 0);
        let name: Text = fields.text();
        let found = name.get().eq_ignore_ascii_case(prefix);
        found.then(|| (ServiceId(fields.u16()), fields.u16() != 0))
    })
}

/// The first id of the range for which `before` no longer holds.
fn partition(range: std::ops::Range<u16>, before: impl Fn(u16) -> bool) -> u16 {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.prefix())
    }
}
