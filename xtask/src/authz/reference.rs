//! What the service authorisation reference says of ECS's actions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

const MODEL: &str = "models/authz-reference.json";

/// The actions of ECS.
#[derive(Debug)]
pub struct Reference {
    /// By name.
    pub actions: BTreeMap<String, Action>,
}

/// What an action can be limited to; keys of tags without the tag's own key.
#[derive(Debug)]
pub struct Action {
    /// Resource types with the keys that are valid with them.
    pub resources: BTreeMap<String, BTreeSet<String>>,
    /// The keys that are valid whatever the resource.
    pub keys: BTreeSet<String>,
}

impl Reference {
    /// Reads the model.
    pub fn read() -> Result<Self> {
        let text =
            fs::read_to_string(shell::root().join(MODEL)).with_context(|| format!("reading {MODEL}"))?;
        Self::parse(&text)
    }

    /// The same from its text.
    pub fn parse(text: &str) -> Result<Self> {
        let model: Value = serde_json::from_str(text)?;
        let actions = model.pointer("/services/ecs/a").and_then(Value::as_object);
        let actions = actions.with_context(|| format!("{MODEL} has no actions of ecs"))?;
        let actions = actions
            .iter()
            .map(|(name, value)| (name.clone(), Action::of(value)));
        Ok(Self {
            actions: actions.collect(),
        })
    }
}

impl Action {
    fn of(value: &Value) -> Self {
        let resources = value.get("r").and_then(Value::as_object).into_iter().flatten();
        Self {
            resources: resources.map(|(name, one)| (name.clone(), keys(one))).collect(),
            keys: keys(value),
        }
    }
}

fn keys(value: &Value) -> BTreeSet<String> {
    let listed = value.get("k").and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(Value::as_str).map(plain).collect()
}

/// `aws:ResourceTag/${TagKey}` and `aws:ResourceTag/Team` are both `aws:ResourceTag`.
pub fn plain(key: &str) -> String {
    key.split_once('/').map_or(key, |(name, _)| name).to_owned()
}
