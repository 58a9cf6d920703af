//! One spelling for the keys that stand for any tag: some pages write `ResourceTag/${TagKey}`, some the example
//! `ResourceTag/tag-key`, some `ResourceTag/`, and some two of them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::source::Reference;

/// Gives every such key its placeholder. What is listed twice then is listed once.
pub fn name_tag_keys(reference: &mut Reference) -> Result<()> {
    for (prefix, service) in &mut reference.services {
        let mut keys = BTreeMap::new();
        for (key, key_type) in std::mem::take(&mut service.keys) {
            let before = keys.insert(with_placeholder(key), key_type.clone());
            ensure!(
                before.is_none_or(|before| before == key_type),
                "{prefix} lists the key of a tag with two types"
            );
        }
        service.keys = keys;
        for action in service.actions.values_mut() {
            rename(&mut action.keys);
            for resource in action.resources.values_mut() {
                rename(&mut resource.keys);
            }
        }
        for resource_type in service.resource_types.values_mut() {
            rename(&mut resource_type.keys);
        }
    }
    Ok(())
}

fn rename(keys: &mut Vec<String>) {
    let mut renamed: Vec<String> = Vec::new();
    for key in keys.drain(..).map(with_placeholder) {
        if !renamed.contains(&key) {
            renamed.push(key);
        }
    }
    *keys = renamed;
}

fn with_placeholder(key: String) -> String {
    match key.strip_suffix("tag-key").unwrap_or(&key) {
        start if start.ends_with('/') => format!("{start}${{TagKey}}"),
        _ => key,
    }
}
