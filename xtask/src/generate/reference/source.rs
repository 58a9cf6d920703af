//! The files of `models/` that the reference is made from.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;

use super::super::{model, read_json};
use super::spelling::name_tag_keys;

/// Everything, as the files have it.
pub struct Source {
    pub reference: Reference,
    pub global_keys: Vec<GlobalKey>,
    /// Risk to qualified actions.
    pub risks: BTreeMap<String, Vec<String>>,
    pub principals: Principals,
    pub partitions: Vec<Partition>,
    pub gaps: Gaps,
}

impl Source {
    pub fn read(models: &Path) -> Result<Self> {
        let global: GlobalKeys = read_json(&models.join("global-condition-keys.json"))?;
        let risks: Risks = read_json(&models.join("action-risk-tags.json"))?;
        let partitions: Partitions = read_json(&models.join("partitions.json"))?;
        let mut reference: Value = read_json(&models.join("authz-reference.json"))?;
        model::merge(
            &mut reference,
            read_json(&models.join("overlays/authz-reference.json"))?,
        );
        let mut reference: Reference = serde_json::from_value(reference)?;
        name_tag_keys(&mut reference)?;
        Ok(Self {
            reference,
            global_keys: global.keys,
            risks: risks.tags,
            principals: read_json(&models.join("service-principals.json"))?,
            partitions: partitions.partitions,
            gaps: read_json(&models.join("op-action-gaps.json"))?,
        })
    }
}

/// `authz-reference.json`; its own `legend` explains the short names.
#[derive(Deserialize)]
pub struct Reference {
    pub rcp_services: Vec<String>,
    pub key_prefix_owner: BTreeMap<String, Vec<String>>,
    pub services: BTreeMap<String, Service>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    #[serde(rename = "n")]
    pub title: String,
    #[serde(rename = "a")]
    pub actions: BTreeMap<String, Action>,
    #[serde(rename = "r")]
    pub resource_types: BTreeMap<String, ResourceType>,
    #[serde(rename = "k")]
    pub keys: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    #[serde(rename = "l")]
    pub levels: String,
    #[serde(rename = "r", default)]
    pub resources: BTreeMap<String, ActionResource>,
    #[serde(rename = "k", default)]
    pub keys: Vec<String>,
    #[serde(rename = "d", default)]
    pub dependents: Vec<String>,
    /// Which resources go together in which of five actions' uses; nobody asks for it yet.
    #[serde(rename = "s", default)]
    _scenarios: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionResource {
    #[serde(rename = "q", default)]
    pub required: u8,
    #[serde(rename = "k", default)]
    pub keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceType {
    #[serde(rename = "a")]
    pub arn_format: String,
    #[serde(rename = "k", default)]
    pub keys: Vec<String>,
}

#[derive(Deserialize)]
struct GlobalKeys {
    keys: Vec<GlobalKey>,
}

#[derive(Deserialize)]
pub struct GlobalKey {
    pub key: String,
    #[serde(rename = "type")]
    pub key_type: String,
    pub multi: bool,
    pub group: String,
    #[serde(default)]
    pub sensitive: bool,
}

#[derive(Deserialize)]
struct Risks {
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
pub struct Principals {
    /// Principal to what it does.
    pub ecs_related: BTreeMap<String, String>,
    /// Principal to `slr`, `passed`, `other`.
    pub derived: BTreeMap<String, Vec<String>>,
    /// Role to principal.
    pub service_linked_roles: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Partitions {
    partitions: Vec<Partition>,
}

#[derive(Deserialize)]
pub struct Partition {
    pub id: String,
    pub region_regex: String,
    pub dns_suffix: String,
    pub dual_stack_dns_suffix: String,
    pub implicit_global_region: String,
    pub regions: Vec<String>,
    pub ecs_regions: Vec<String>,
}

#[derive(Deserialize)]
pub struct Gaps {
    pub services: BTreeMap<String, ServiceGaps>,
    /// Service to operation to the actions it needs, `A and B`; beside them, a remark.
    pub known_mappings: BTreeMap<String, Mapping>,
}

#[derive(Deserialize)]
pub struct ServiceGaps {
    pub prefix: String,
    pub operations_without_same_named_action: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Mapping {
    Operations(BTreeMap<String, String>),
    Remark(serde::de::IgnoredAny),
}
