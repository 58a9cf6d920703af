//! Condition keys: their types, and which actions they reach (R105-R112).

use std::fmt;

use crate::blob::{self, Fields};
use crate::fold::{self, HEAD_MAX};
use crate::global::{GlobalKey, Group};
use crate::lookup;
use crate::open_points;
use crate::service::{foreign_prefix, service};

/// A condition key of the reference, or a pattern of keys such as `aws:ResourceTag/${TagKey}`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) u16);

/// The type of a condition key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// A text.
    String,
    /// An ARN.
    Arn,
    /// `true` or `false`.
    Bool,
    /// A number.
    Numeric,
    /// A point in time.
    Date,
    /// An address or a range of them.
    Ip,
    /// Several texts.
    ArrayOfString,
    /// Several ARNs.
    ArrayOfArn,
    /// Several truth values.
    ArrayOfBool,
    /// An ARN in some cases, another text in the others (`aws:FederatedProvider`).
    StringOrArn,
    /// Compared as a date or as a number (`aws:EpochTime`).
    DateOrNumeric,
}

impl KeyType {
    /// All of them, in the order of their numbers in the data.
    pub const ALL: [Self; 11] = [
        Self::String,
        Self::Arn,
        Self::Bool,
        Self::Numeric,
        Self::Date,
        Self::Ip,
        Self::ArrayOfString,
        Self::ArrayOfArn,
        Self::ArrayOfBool,
        Self::StringOrArn,
        Self::DateOrNumeric,
    ];

    pub(crate) fn from_byte(byte: u8) -> Self {
        Self::ALL.get(usize::from(byte)).copied().unwrap_or(Self::String)
    }

    /// Whether a key of this type needs a set operator (R89).
    pub fn is_multi_valued(self) -> bool {
        matches!(self, Self::ArrayOfString | Self::ArrayOfArn | Self::ArrayOfBool)
    }

    /// The type of one value.
    pub fn element(self) -> Self {
        match self {
            Self::ArrayOfString => Self::String,
            Self::ArrayOfArn => Self::Arn,
            Self::ArrayOfBool => Self::Bool,
            other => other,
        }
    }

    /// As AWS's tables write it: `ArrayOfString`.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Arn => "ARN",
            Self::Bool => "Bool",
            Self::Numeric => "Numeric",
            Self::Date => "Date",
            Self::Ip => "IPAddress",
            Self::ArrayOfString => "ArrayOfString",
            Self::ArrayOfArn => "ArrayOfARN",
            Self::ArrayOfBool => "ArrayOfBool",
            Self::StringOrArn => "String or ARN",
            Self::DateOrNumeric => "Date or Numeric",
        }
    }
}

/// Which actions a key's name can be present for (R112): the part of the question that does not depend on the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every action: a global key, a claim of an identity provider, or a name whose prefix is no service's.
    Everywhere,
    /// The actions that list it; ask [`ActionId::applies_id`](crate::ActionId::applies_id).
    Listed(KeyId),
    /// No action that the reference knows: a service's prefix, but none of its keys.
    Nowhere,
}

/// How far a key of this name reaches, in any case (R112). No allocation.
///
/// Claims of identity providers (`saml:sub`, `www.amazon.com:user_id`) are listed for the STS actions that take the token, but
/// belong to the session from then on, so they reach every action, too.
pub fn reach(name: &str) -> Reach {
    if is_global(name) {
        return Reach::Everywhere;
    }
    match key(name) {
        Some(found) if found.is_everywhere() => Reach::Everywhere,
        Some(found) => Reach::Listed(found),
        None if belongs_to_a_service(name) => Reach::Nowhere,
        None if open_points::r112_keys_of_no_service_reach_every_action() => Reach::Everywhere,
        None => Reach::Nowhere,
    }
}

/// Whether a name that is no key of the reference has the prefix of a service all the same.
fn belongs_to_a_service(name: &str) -> bool {
    let Some((prefix, _)) = name.split_once(':') else {
        return false;
    };
    let reaches_all = |claims| claims && open_points::r112_claims_reach_every_action();
    service(prefix).is_some() || foreign_prefix(prefix).is_some_and(|(_, claims)| !reaches_all(claims))
}

/// Whether it begins with `aws:`; known or newer than the reference, such a key applies.
fn is_global(name: &str) -> bool {
    let prefix = name.as_bytes().first_chunk::<4>();
    prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"aws:"))
}

/// The key of the reference that this name stands for, in any case: `aws:ResourceTag/Owner` is `aws:ResourceTag/${TagKey}`.
/// No allocation.
pub fn key(name: &str) -> Option<KeyId> {
    let bytes = name.as_bytes();
    let is = |id: u16| lookup::equal(KeyId(id).name().as_bytes(), bytes);
    lookup::find(blob::KEY_SLOTS, fold::hash(bytes), is)
        .or_else(|| pattern(bytes))
        .map(KeyId)
}

/// The pattern that the name fits: what stands before each placeholder ends in one of these four marks.
fn pattern(name: &[u8]) -> Option<u16> {
    let starts = name.iter().take(HEAD_MAX).enumerate();
    let cuts = starts.filter(|(_, byte)| matches!(byte, b'/' | b':' | b'.' | b'-'));
    cuts.filter_map(|(at, _)| name.split_at_checked(at + 1))
        .find_map(|(head, rest)| {
            let fits = |id| KeyId(id).fits(head, rest);
            lookup::find(blob::HEAD_SLOTS, fold::hash(head), fits)
        })
}

/// The type of the key that this name stands for.
pub fn key_type(name: &str) -> Option<KeyType> {
    key(name).map(KeyId::key_type)
}

impl KeyId {
    /// How many keys there are.
    pub const COUNT: usize = blob::KEYS.len();

    /// Every key: those that reach every action first, then by name.
    pub fn all() -> impl ExactSizeIterator<Item = Self> + DoubleEndedIterator + Clone {
        (0..Self::COUNT as u16).map(Self)
    }

    /// The key's number, below [`KeyId::COUNT`].
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    fn fields(self, skip: usize) -> Fields<'static> {
        let record = blob::KEYS.get(self.index()).unwrap_or(&[0; 9]);
        Fields::new(record, skip)
    }

    pub(crate) fn list(start: u16) -> impl ExactSizeIterator<Item = Self> + Clone {
        let entries = blob::list(blob::KEY_LISTS, start, 1);
        entries.iter().map(|id| Self(u16::from_le_bytes(*id)))
    }

    /// Whether `head` is all before the placeholder and `rest` is something for it and what stands behind it.
    fn fits(self, head: &[u8], rest: &[u8]) -> bool {
        let mut sizes = self.fields(7);
        let (before, after) = (usize::from(sizes.u8()), usize::from(sizes.u8()));
        let name = self.name().as_bytes();
        let behind = name.len().checked_sub(after).and_then(|at| name.get(at..));
        let filled = rest.len().checked_sub(after).filter(|filled| *filled > 0);
        before == head.len()
            && name.get(..before).is_some_and(|start| lookup::equal(start, head))
            && filled
                .and_then(|filled| rest.get(filled..))
                .zip(behind)
                .is_some_and(|(end, behind)| lookup::equal(end, behind))
    }

    /// The name or pattern as AWS spells it: `ecs:cluster`, `aws:ResourceTag/${TagKey}`.
    pub fn name(self) -> &'static str {
        self.fields(0).text().get()
    }

    /// Whether it is a pattern: many names, with a tag key or the like of the caller's choice.
    pub fn is_pattern(self) -> bool {
        self.fields(7).u8() != 0
    }

    /// Whether it reaches every action.
    #[inline]
    pub fn is_everywhere(self) -> bool {
        self.0 < blob::EVERYWHERE
    }

    /// The type of its values; multi-valued global keys are arrays.
    pub fn key_type(self) -> KeyType {
        KeyType::from_byte(self.fields(4).u8())
    }

    /// What is said of it among the global keys, if it is one.
    pub fn global(self) -> Option<GlobalKey> {
        let mut fields = self.fields(5);
        let (flags, group) = (fields.u8(), fields.u8());
        (flags & 1 != 0).then(|| GlobalKey {
            id: self,
            name: self.name(),
            key_type: self.key_type(),
            multi_valued: self.key_type().is_multi_valued(),
            sensitive: flags & 2 != 0,
            group: Group::from_byte(group),
        })
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
