//! Everything that `models/authz-reference.json` says is what the library says, item by item, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use portcullis_reference::{
    AccessLevel, ActionId, KeyId, KeyType, ResourceTypeId, ServiceId, risk, service, services,
};
use serde_json::Value;

/// The model, with one spelling for keys that stand for any tag.
pub static MODEL: LazyLock<Value> = LazyLock::new(|| {
    let mut model = read("authz-reference.json");
    add(&mut model, read("overlays/authz-reference.json"));
    name_tag_keys(&mut model);
    model
});

/// Adds what an overlay has beside the members of a model.
fn add(model: &mut Value, overlay: Value) {
    match (model, overlay) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, member) in more {
                add(members.entry(name).or_insert(Value::Null), member);
            }
        }
        (model, overlay) => *model = overlay,
    }
}

/// `x/tag-key` is `x/${TagKey}`, and so is `ResourceTag/` alone.
fn name_tag_keys(value: &mut Value) {
    match value {
        Value::String(text) => *text = named(text),
        Value::Array(items) => items.iter_mut().for_each(name_tag_keys),
        Value::Object(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut member)| {
                    name_tag_keys(&mut member);
                    (named(&name), member)
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn named(text: &str) -> String {
    match text.strip_suffix("tag-key").unwrap_or(text) {
        start if start.ends_with(":ResourceTag/") || start.ends_with(":resourceTag/") => {
            format!("{start}${{TagKey}}")
        }
        _ => text.to_owned(),
    }
}

pub fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The members of an object, none where there is no object.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn texts(value: &Value) -> BTreeSet<String> {
    let texts = value.as_array().into_iter().flatten();
    texts
        .map(|text| text.as_str().unwrap().to_ascii_lowercase())
        .collect()
}

fn names(keys: impl Iterator<Item = KeyId>) -> BTreeSet<String> {
    keys.map(|key| key.name().to_ascii_lowercase()).collect()
}

#[test]
fn nothing_is_missing_and_nothing_is_made_up() {
    let of_model = |part: &str| -> usize {
        members(&MODEL["services"])
            .map(|(_, service)| members(&service[part]).count())
            .sum()
    };
    assert_eq!(services().len(), 456);
    assert_eq!(services().len(), members(&MODEL["services"]).count());
    assert_eq!(ActionId::COUNT, 22_093);
    assert_eq!(ActionId::COUNT, of_model("a"));
    assert_eq!(ResourceTypeId::COUNT, of_model("r"));
    assert_eq!(
        services()
            .map(|service| service.condition_keys().len())
            .sum::<usize>(),
        of_model("k")
    );
}

#[test]
fn every_service_is_as_its_page_says() {
    let rcp = texts(&MODEL["rcp_services"]);
    for (prefix, page) in members(&MODEL["services"]) {
        let found = service(prefix).unwrap();
        assert_eq!(found.prefix(), prefix);
        assert_eq!(found.title(), page["n"]);
        assert_eq!(found.supports_rcp(), rcp.contains(prefix), "{prefix}");
        let keys: BTreeMap<_, _> = found
            .condition_keys()
            .map(|(key, key_type)| (key.name().to_ascii_lowercase(), key_type.name()))
            .collect();
        let listed = members(&page["k"]);
        let listed = listed.map(|(key, key_type)| (key.to_ascii_lowercase(), key_type.as_str().unwrap()));
        assert_eq!(keys, listed.collect(), "{prefix}");
        for (name, resource_type) in members(&page["r"]) {
            let id = found.resource_type(name).unwrap();
            assert_eq!((id.name(), id.service()), (name.as_str(), found));
            assert_eq!(id.arn_format(), resource_type["a"]);
            assert_eq!(names(id.keys()), texts(&resource_type["k"]), "{id:?}");
        }
    }
}

#[test]
fn every_action_is_as_its_row_says() {
    for (prefix, page) in members(&MODEL["services"]) {
        for (name, row) in members(&page["a"]) {
            check_action(service(prefix).unwrap(), name, row);
        }
    }
}

fn check_action(service: ServiceId, name: &str, row: &Value) {
    let action = service.action(name).unwrap();
    assert_eq!((action.name(), action.service()), (name, service));
    assert_eq!(action.folded_name(), name.to_ascii_lowercase());
    let letters = action.access_levels().map(|level| match level {
        AccessLevel::List => 'L',
        AccessLevel::Read => 'R',
        AccessLevel::Write => 'W',
        AccessLevel::Tagging => 'T',
        AccessLevel::PermissionsManagement => 'P',
    });
    let levels: BTreeSet<char> = row["l"].as_str().unwrap().chars().collect();
    assert_eq!(letters.collect::<BTreeSet<_>>(), levels, "{action}");
    assert_eq!(names(action.keys()), texts(&row["k"]), "{action}");
    let dependents = action
        .dependent_actions()
        .map(|action| action.to_string().to_ascii_lowercase());
    assert_eq!(dependents.collect::<BTreeSet<_>>(), texts(&row["d"]), "{action}");
    let listed = members(&row["r"]);
    let listed = listed.map(|(name, use_)| (name.clone(), use_["q"] == 1, texts(&use_["k"])));
    let uses = action.resource_types().map(|used| {
        (
            used.resource_type.name().to_owned(),
            used.required,
            names(used.keys()),
        )
    });
    assert_eq!(uses.collect::<BTreeSet<_>>(), listed.collect(), "{action}");
    assert_eq!(
        action.has_resource_level(),
        members(&row["r"]).count() > 0,
        "{action}"
    );
}

#[test]
fn every_key_has_the_type_of_its_owner_or_of_the_global_list() {
    for (prefix, page) in members(&MODEL["services"]) {
        for (key, key_type) in members(&page["k"]) {
            let found = portcullis_reference::key(key).unwrap();
            assert!(found.name().eq_ignore_ascii_case(key), "{key} is {found}");
            let own = key.split(':').next() == Some(prefix);
            if own && found.global().is_none() {
                assert_eq!(found.key_type().name(), key_type.as_str().unwrap(), "{key}");
            }
        }
    }
}

#[test]
fn risks_are_those_of_the_public_lists() {
    let tags = &read("action-risk-tags.json")["tags"];
    for risk in risk::Risk::ALL {
        let known = |name: &&String| portcullis_reference::action(name).is_some();
        let listed = texts(&tags[risk.name()]);
        let found: BTreeSet<_> = risk
            .actions()
            .map(|action| action.to_string().to_ascii_lowercase())
            .collect();
        assert_eq!(found, listed.iter().filter(known).cloned().collect(), "{risk:?}");
    }
    assert_eq!(members(tags).count(), risk::Risk::ALL.len());
}

#[test]
fn types_of_values() {
    for key_type in KeyType::ALL {
        assert_eq!(key_type.is_multi_valued(), key_type.name().starts_with("ArrayOf"));
        assert!(!key_type.element().is_multi_valued());
    }
}
