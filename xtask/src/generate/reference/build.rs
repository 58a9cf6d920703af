//! Builds the sections in the order that `crates/reference/src/blob.rs` reads them in.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::fold;
use super::names::{self, Names, in_order};
use super::output::{Lists, Record, Texts, slots, tables};
use super::source::{Action, Service, Source};

/// The access levels' letters, in the order of `AccessLevel::ALL`.
const LEVELS: &str = "LRWTP";
/// The risks, in the order of `Risk::ALL`.
const RISKS: [&str; 4] = ["CredentialExposure", "DataAccess", "PrivEsc", "ResourceExposure"];

/// The file of texts and the file of tables.
pub fn files(source: &Source) -> Result<(String, Vec<u8>)> {
    let services = source.reference.services.values();
    let names = services.flat_map(|service| service.actions.keys().map(String::as_str));
    let builder = Builder {
        source,
        names: Names::new(source)?,
        texts: Texts::new(names.collect())?,
        key_lists: Lists::default(),
        applying_lists: Lists::default(),
        resource_lists: Lists::default(),
        action_lists: Lists::default(),
    };
    builder.sections()
}

pub struct Builder<'a> {
    pub source: &'a Source,
    pub names: Names<'a>,
    pub texts: Texts,
    key_lists: Lists,
    applying_lists: Lists,
    resource_lists: Lists,
    pub action_lists: Lists,
}

impl Builder<'_> {
    fn sections(mut self) -> Result<(String, Vec<u8>)> {
        let numbers = Record::default()
            .u32(u32::from(self.names.everywhere))
            .u32(self.texts.folded);
        let (services, service_keys, service_slots) = self.services()?;
        let (actions, action_slots) = self.actions()?;
        let resource_types = self.resource_types()?;
        let (keys, key_slots, head_slots) = self.keys()?;
        let key_prefixes = self.key_prefixes()?;
        let principals = self.principals()?;
        let linked_roles = self.linked_roles()?;
        let (partitions, regions) = self.partitions()?;
        let operations = self.operations()?;
        let sections = [
            numbers.0,
            services,
            service_slots,
            actions,
            action_slots,
            resource_types,
            keys,
            key_slots,
            head_slots,
            service_keys,
            self.key_lists.bytes(),
            self.applying_lists.bytes(),
            self.resource_lists.bytes(),
            self.action_lists.bytes(),
            key_prefixes,
            principals,
            linked_roles,
            partitions,
            regions,
            operations,
        ];
        Ok((self.texts.into_text(), tables(&sections)?))
    }

    /// The services, the keys each one lists, and the table of prefixes.
    fn services(&mut self) -> Result<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let (mut records, mut listed, mut table) = (Vec::new(), Vec::new(), Vec::new());
        let (mut actions, mut resource_types) = (0, 0);
        let rcp = &self.source.reference.rcp_services;
        for (id, (prefix, service)) in self.source.reference.services.iter().enumerate() {
            let record = Record::default()
                .u32(self.texts.place(prefix)?)
                .u32(self.texts.place(&service.title)?)
                .u16(u16::try_from(actions)?)
                .u16(u16::try_from(resource_types)?)
                .u16(u16::try_from(listed.len() / 4)?)
                .u16(u16::from(rcp.contains(prefix)));
            records.extend(record.0);
            for (key, key_type) in &service.keys {
                let record = Record::default()
                    .u16(self.names.key(key)?)
                    .u16(u16::from(names::key_type(key_type)?));
                listed.extend(record.0);
            }
            actions += service.actions.len();
            resource_types += service.resource_types.len();
            table.push((fold::hash(prefix.as_bytes()), u16::try_from(id)?));
        }
        let end = Record::default()
            .u32(0)
            .u32(0)
            .u16(u16::try_from(actions)?)
            .u16(u16::try_from(resource_types)?)
            .u16(u16::try_from(listed.len() / 4)?)
            .u16(0);
        records.extend(end.0);
        Ok((records, listed, slots(&table)?))
    }

    fn actions(&mut self) -> Result<(Vec<u8>, Vec<u8>)> {
        let source = self.source;
        let risky = risks(source, &self.names)?;
        let (mut records, mut table) = (Vec::new(), Vec::new());
        let mut first_resource_type = 0;
        for (id, (prefix, service)) in (0..).zip(&source.reference.services) {
            let hash = fold::hash(prefix.as_bytes());
            for name in in_order(service.actions.keys()) {
                let action = service.actions.get(name).context("its own name")?;
                let number = u16::try_from(table.len())?;
                let risks = risky.iter().filter(|(_, action)| *action == number);
                let risks = risks.fold(0, |bits, (risk, _)| bits | 1 << (8 + risk));
                let record = Record::default()
                    .u32(self.texts.place(name)?)
                    .u16(id)
                    .u16(levels(&action.levels)? | risks)
                    .u16(self.key_list(&action.keys)?)
                    .u16(self.applying(service, action)?)
                    .u16(self.resources(service, action, first_resource_type)?)
                    .u16(self.dependents(action)?);
                records.extend(record.0);
                table.push((fold::action_hash(hash, fold::hash(name.as_bytes())), number));
            }
            first_resource_type += service.resource_types.len();
        }
        Ok((records, slots(&table)?))
    }

    fn key_list(&mut self, keys: &[String]) -> Result<u16> {
        let ids = keys.iter().map(|key| self.names.key(key));
        let ids = ids.collect::<Result<_>>()?;
        self.key_lists.place(ids, 1)
    }

    /// The service keys that the action or one of its resource types lists (R112); where `aws:ResourceTag` is among them, the
    /// service's own name for it is, too (R166).
    fn applying(&mut self, service: &Service, action: &Action) -> Result<u16> {
        let mut keys: BTreeSet<&str> = action.keys.iter().map(String::as_str).collect();
        for (name, resource) in &action.resources {
            let resource_type = service.resource_types.get(name).context("a resource type")?;
            keys.extend(
                resource
                    .keys
                    .iter()
                    .chain(&resource_type.keys)
                    .map(String::as_str),
            );
        }
        let is_resource_tag = |key: &&str| {
            let small = key.to_ascii_lowercase();
            small.ends_with(":resourcetag/${tagkey}")
        };
        if keys.contains("aws:ResourceTag/${TagKey}") {
            keys.extend(service.keys.keys().map(String::as_str).filter(is_resource_tag));
        }
        let ids = keys.into_iter().map(|key| self.names.key(key));
        let ids: BTreeSet<u16> = ids.collect::<Result<_>>()?;
        let ids = ids.into_iter().filter(|id| *id >= self.names.everywhere);
        self.applying_lists.place(ids.collect(), 1)
    }

    fn resources(&mut self, service: &Service, action: &Action, first: usize) -> Result<u16> {
        let types = in_order(service.resource_types.keys());
        let mut list = Vec::new();
        for (name, resource) in &action.resources {
            let at = types.iter().position(|known| known == name);
            let id = u16::try_from(first + at.context("a resource type")?)?;
            ensure!(id < 0x8000, "too many resource types");
            list.push(id | u16::from(resource.required != 0) << 15);
            list.push(self.key_list(&resource.keys)?);
        }
        self.resource_lists.place(list, 2)
    }

    fn dependents(&mut self, action: &Action) -> Result<u16> {
        let ids = action.dependents.iter().map(|name| {
            let id = self.names.action(name);
            id.with_context(|| format!("the dependent action {name} does not exist"))
        });
        let ids = ids.collect::<Result<_>>()?;
        self.action_lists.place(ids, 1)
    }

    fn resource_types(&mut self) -> Result<Vec<u8>> {
        let mut records = Vec::new();
        for (id, service) in (0..).zip(self.source.reference.services.values()) {
            for name in in_order(service.resource_types.keys()) {
                let resource_type = service.resource_types.get(name).context("its own name")?;
                let record = Record::default()
                    .u32(self.texts.place(name)?)
                    .u32(self.texts.place(&resource_type.arn_format)?)
                    .u16(id)
                    .u16(self.key_list(&resource_type.keys)?);
                records.extend(record.0);
            }
        }
        Ok(records)
    }
}

fn levels(letters: &str) -> Result<u16> {
    let bits = letters.chars().map(|letter| {
        let bit = LEVELS.find(letter);
        bit.with_context(|| format!("unknown access level {letter}"))
    });
    bits.into_iter().try_fold(0, |levels, bit| Ok(levels | 1 << bit?))
}

/// Pairs of risk and action. The lists name some actions that are long gone; those are passed over.
fn risks(source: &Source, names: &Names<'_>) -> Result<Vec<(usize, u16)>> {
    let mut pairs = Vec::new();
    for (risk, actions) in &source.risks {
        let bit = RISKS.iter().position(|known| known == risk);
        let bit = bit.with_context(|| format!("unknown risk {risk}"))?;
        pairs.extend(
            actions
                .iter()
                .filter_map(|action| Some((bit, names.action(action)?))),
        );
    }
    Ok(pairs)
}
