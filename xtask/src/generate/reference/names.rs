//! Ids: which number each service, action, resource type and key gets.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};

use super::fold;
use super::open_points;
use super::source::{GlobalKey, Source};

/// The types of keys, in the order of `KeyType::ALL`.
const KEY_TYPES: [&str; 11] = [
    "String",
    "ARN",
    "Bool",
    "Numeric",
    "Date",
    "IPAddress",
    "ArrayOfString",
    "ArrayOfARN",
    "ArrayOfBool",
    "String or ARN",
    "Date or Numeric",
];

/// The number of a type.
pub fn key_type(name: &str) -> Result<u8> {
    let at = KEY_TYPES.iter().position(|known| *known == name);
    Ok(u8::try_from(
        at.with_context(|| format!("unknown key type {name}"))?,
    )?)
}

/// One condition key.
pub struct Key<'a> {
    pub name: &'a str,
    pub key_type: u8,
    pub global: Option<&'a GlobalKey>,
}

/// The numbers of everything that has a name.
pub struct Names<'a> {
    /// In the order of their ids.
    pub keys: Vec<Key<'a>>,
    /// How many of them reach every action.
    pub everywhere: u16,
    /// By name in small letters.
    key_ids: HashMap<String, u16>,
    /// By qualified name in small letters.
    action_ids: HashMap<String, u16>,
    /// By prefix.
    pub service_ids: HashMap<&'a str, u16>,
}

impl<'a> Names<'a> {
    pub fn new(source: &'a Source) -> Result<Self> {
        let (keys, everywhere) = keys(source)?;
        let mut key_ids = HashMap::new();
        for (id, key) in keys.iter().enumerate() {
            key_ids.insert(key.name.to_ascii_lowercase(), u16::try_from(id)?);
        }
        let (mut action_ids, mut service_ids) = (HashMap::new(), HashMap::new());
        for (id, (prefix, service)) in source.reference.services.iter().enumerate() {
            service_ids.insert(prefix.as_str(), u16::try_from(id)?);
            for name in in_order(service.actions.keys()) {
                let id = u16::try_from(action_ids.len())?;
                let before = action_ids.insert(format!("{prefix}:{name}").to_ascii_lowercase(), id);
                ensure!(before.is_none(), "{prefix}:{name} is there twice");
            }
        }
        Ok(Self {
            keys,
            everywhere,
            key_ids,
            action_ids,
            service_ids,
        })
    }

    pub fn key(&self, name: &str) -> Result<u16> {
        let found = self.key_ids.get(&name.to_ascii_lowercase()).copied();
        found.with_context(|| format!("no service lists the key {name}"))
    }

    pub fn action(&self, qualified: &str) -> Option<u16> {
        self.action_ids.get(&qualified.to_ascii_lowercase()).copied()
    }
}

/// Names in the order of their ids.
pub fn in_order<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.map(String::as_str).collect();
    names.sort_by(|a, b| fold::compare(a.as_bytes(), b.as_bytes()));
    names
}

/// All keys, those that reach every action first, and the number of these.
fn keys(source: &Source) -> Result<(Vec<Key<'_>>, u16)> {
    let mut keys: BTreeMap<String, Key<'_>> = BTreeMap::new();
    for (prefix, service) in &source.reference.services {
        for (name, listed) in &service.keys {
            let key = Key {
                name,
                key_type: key_type(listed)?,
                global: None,
            };
            let small = name.to_ascii_lowercase();
            // The owner's word on a key counts more than another service's.
            let own = small.split(':').next() == Some(prefix.as_str());
            if own || !keys.contains_key(&small) {
                keys.insert(small, key);
            }
        }
    }
    for global in &source.global_keys {
        let name = match global.multi {
            true => format!("ArrayOf{}", global.key_type),
            false => global.key_type.clone(),
        };
        let key = Key {
            name: &global.key,
            key_type: key_type(&name)?,
            global: Some(global),
        };
        keys.insert(global.key.to_ascii_lowercase(), key);
    }
    let (mut first, rest): (Vec<_>, Vec<_>) = keys.into_values().partition(|key| everywhere(source, key));
    let count = u16::try_from(first.len())?;
    first.extend(rest);
    Ok((first, count))
}

/// Whether a key reaches every action: global ones, and what an identity provider said, which stays with the session.
fn everywhere(source: &Source, key: &Key<'_>) -> bool {
    let prefix = key.name.split(':').next().unwrap_or_default();
    let owner = source.reference.key_prefix_owner.get(prefix);
    let is_claim = || owner.is_some_and(|owner| is_provider(owner));
    key.global.is_some() || prefix == "aws" || (is_claim() && open_points::r112_claims_reach_every_action())
}

/// Whether the prefixes of this owner are those of identity providers.
pub fn is_provider(owner: &[String]) -> bool {
    owner.iter().any(|owner| owner == "sts")
}
