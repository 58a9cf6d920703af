//! The smaller sections: keys, principals, partitions, operations without an action.

use anyhow::{Context, Result, bail, ensure};

use super::build::Builder;
use super::fold::{self, HEAD_MAX};
use super::names::is_provider;
use super::output::{Record, slots};
use super::source::Mapping;

/// The groups of global keys, in the order of `Group::ALL`.
const GROUPS: [&str; 5] = ["principal", "role-session", "network", "resource", "request"];

impl Builder<'_> {
    /// The keys, the table of their names, and that of what stands before their placeholders.
    pub fn keys(&mut self) -> Result<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let (mut records, mut table, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
        for (id, key) in (0..).zip(&self.names.keys) {
            let (head, tail) = around_placeholder(key.name)?.unwrap_or_default();
            let (flags, group) = match key.global {
                Some(global) => (1 | u8::from(global.sensitive) << 1, group(&global.group)?),
                None => (0, 0),
            };
            let record = Record::default()
                .u32(self.texts.place(key.name)?)
                .u8(key.key_type)
                .u8(flags)
                .u8(group)
                .u8(u8::try_from(head.len())?)
                .u8(u8::try_from(tail.len())?);
            records.extend(record.0);
            table.push((fold::hash(key.name.as_bytes()), id));
            if !head.is_empty() {
                patterns.push((tail.len(), fold::hash(head.as_bytes()), id));
            }
        }
        // Of patterns with the same beginning, the one that says most comes first.
        patterns.sort_by_key(|(tail, ..)| std::cmp::Reverse(*tail));
        let heads: Vec<_> = patterns.into_iter().map(|(_, hash, id)| (hash, id)).collect();
        Ok((records, slots(&table)?, slots(&heads)?))
    }

    /// The prefixes of keys that are no service's own.
    pub fn key_prefixes(&mut self) -> Result<Vec<u8>> {
        let mut records = Vec::new();
        for (prefix, owner) in &self.source.reference.key_prefix_owner {
            let [service] = owner.as_slice() else {
                bail!("{prefix} has several owners");
            };
            let service = self.names.service_ids.get(service.as_str());
            let record = Record::default()
                .u32(self.texts.place(prefix)?)
                .u16(*service.context("a service")?)
                .u16(u16::from(is_provider(owner)));
            records.extend(record.0);
        }
        Ok(records)
    }

    /// The service principals, by name, with a bit for each thing known of them.
    pub fn principals(&mut self) -> Result<Vec<u8>> {
        let principals = &self.source.principals;
        let mut names: Vec<_> = principals
            .derived
            .keys()
            .chain(principals.ecs_related.keys())
            .collect();
        names.sort_unstable();
        names.dedup();
        let mut records = Vec::new();
        for name in names {
            let uses = principals.derived.get(name);
            let has = |word: &str| uses.is_some_and(|uses| uses.iter().any(|known| known == word));
            let bits = u16::from(principals.ecs_related.contains_key(name))
                | u16::from(has("passed")) << 1
                | u16::from(has("slr")) << 2;
            records.extend(Record::default().u32(self.texts.place(name)?).u16(bits).0);
        }
        Ok(records)
    }

    pub fn linked_roles(&mut self) -> Result<Vec<u8>> {
        let mut records = Vec::new();
        for (role, principal) in &self.source.principals.service_linked_roles {
            let record = Record::default()
                .u32(self.texts.place(role)?)
                .u32(self.texts.place(principal)?);
            records.extend(record.0);
        }
        Ok(records)
    }

    /// The partitions, and the Regions of all of them.
    pub fn partitions(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut records, mut regions) = (Vec::new(), Vec::new());
        let mut first = 0;
        for partition in &self.source.partitions {
            let count = u16::try_from(partition.regions.len())?;
            let record = Record::default()
                .u32(self.texts.place(&partition.id)?)
                .u32(self.texts.place(&partition.dns_suffix)?)
                .u32(self.texts.place(&partition.dual_stack_dns_suffix)?)
                .u32(self.texts.place(&partition.implicit_global_region)?)
                .u32(self.texts.place(&partition.region_regex)?)
                .u16(first)
                .u16(count);
            records.extend(record.0);
            for region in &partition.regions {
                let ecs = u16::from(partition.ecs_regions.contains(region));
                regions.extend(Record::default().u32(self.texts.place(region)?).u16(ecs).0);
            }
            first += count;
        }
        Ok((records, regions))
    }

    /// Operations without an action of their own name, with the actions they need where that is known.
    pub fn operations(&mut self) -> Result<Vec<u8>> {
        let gaps = &self.source.gaps;
        let mut records = Vec::new();
        for (model, service) in &gaps.services {
            let mapping = match gaps.known_mappings.get(model) {
                Some(Mapping::Operations(mapping)) => Some(mapping),
                _ => None,
            };
            for operation in &service.operations_without_same_named_action {
                let needed = mapping.and_then(|mapping| mapping.get(operation));
                let needed = needed.iter().flat_map(|names| names.split(" and "));
                let needed = needed.map(|name| {
                    let id = self.names.action(name);
                    id.with_context(|| format!("{operation} is said to need {name}, which does not exist"))
                });
                let needed = needed.collect::<Result<_>>()?;
                let owner = self.names.service_ids.get(service.prefix.as_str());
                let record = Record::default()
                    .u32(self.texts.place(operation)?)
                    .u16(*owner.with_context(|| format!("{model} is no service"))?)
                    .u16(self.action_lists.place(needed, 1)?);
                records.extend(record.0);
            }
        }
        Ok(records)
    }
}

fn group(name: &str) -> Result<u8> {
    let at = GROUPS.iter().position(|known| *known == name);
    Ok(u8::try_from(
        at.with_context(|| format!("unknown group {name}"))?,
    )?)
}

/// What stands before and after the placeholder, `${TagKey}` or `<key>`, of a key that is a pattern.
fn around_placeholder(key: &str) -> Result<Option<(&str, &str)>> {
    let marks = [("${", "}"), ("<", ">")];
    let found = marks.iter().find_map(|(open, close)| {
        let (head, rest) = key.split_once(open)?;
        Some((head, rest.split_once(close)?.1))
    });
    let Some((head, tail)) = found else {
        return Ok(None);
    };
    ensure!(
        !tail.contains(['$', '<']),
        "{key} has several placeholders, of which the look-up knows nothing"
    );
    ensure!(
        head.ends_with(['/', ':', '.', '-']) && head.len() <= HEAD_MAX,
        "the look-up would not cut {key} before its placeholder"
    );
    Ok(Some((head, tail)))
}
