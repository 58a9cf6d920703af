//! PutAttributes, DeleteAttributes and ListAttributes (ecs.md 5).

use std::collections::BTreeMap;

use portcullis_api::ecs::op::{DeleteAttributes, ListAttributes, PutAttributes};
use portcullis_api::ecs::{
    Attribute, DeleteAttributesRequest, DeleteAttributesResponse, ListAttributesRequest,
    ListAttributesResponse, PutAttributesRequest, PutAttributesResponse,
};

use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::checks::{on_cluster, on_instance};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{ClusterRef, Kind, MemberRef, Scope};
use crate::services::ecs::paging::{HUNDRED, Pager, at_most};
use crate::world::records::ecs::ContainerInstance;
use crate::world::{Snapshot, Tx};

const BATCH_MAX: usize = 10;
const CUSTOM_MAX: usize = 10;
const CHARS_MAX: usize = 128;
const RESERVED: [&str; 2] = ["ecs.", "com.amazonaws."];

/// Each target once.
pub fn require_put_attributes(ask: Ask<'_, PutAttributesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    require_targets(ask.view, "ecs:PutAttributes", &cluster, &ask.input.attributes)
}

/// Each target once.
pub fn require_delete_attributes(ask: Ask<'_, DeleteAttributesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    require_targets(ask.view, "ecs:DeleteAttributes", &cluster, &ask.input.attributes)
}

fn require_targets(
    view: &Snapshot,
    action: &'static str,
    cluster: &ClusterRef,
    attributes: &[Attribute],
) -> Result<Vec<Check>, ServiceError> {
    let targets = by_target(cluster, attributes)?;
    if targets.is_empty() {
        return Err(EcsError::AttributesEmpty.into());
    }
    Ok(targets
        .values()
        .map(|(target, _)| on_instance(view, action, cluster, target))
        .collect())
}

type ByTarget<'a> = BTreeMap<String, (MemberRef, Vec<&'a Attribute>)>;

/// The attributes of a request by the instance they are for.
fn by_target<'a>(cluster: &ClusterRef, attributes: &'a [Attribute]) -> Result<ByTarget<'a>, EcsError> {
    let mut targets = ByTarget::new();
    for attribute in attributes {
        let id = attribute
            .target_id
            .as_deref()
            .filter(|id| !id.is_empty())
            .ok_or(EcsError::AttributeTarget)?;
        let target = MemberRef::resolve(cluster, Kind::ContainerInstance, id)?;
        targets
            .entry(target.key.clone())
            .or_insert_with(|| (target, Vec::new()))
            .1
            .push(attribute);
    }
    Ok(targets)
}

fn open<'v>(view: &'v Snapshot, target: &MemberRef) -> Result<&'v ContainerInstance, EcsError> {
    let found = target
        .container_instance(view)
        .filter(|instance| instance.is_registered());
    found.map(AsRef::as_ref).ok_or(EcsError::TargetNotFound)
}

/// Sets attributes; existing ones of the name get the new value.
pub fn put_attributes(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, PutAttributes>,
) -> Result<PutAttributesResponse, ServiceError> {
    let attributes = &auth.input().attributes;
    let cluster = ClusterRef::resolve(auth.call().into(), auth.input().cluster.as_deref())?;
    cluster.active(tx.view())?;
    at_most("attributes", BATCH_MAX, attributes.len())?;
    attributes.iter().try_for_each(check_attribute)?;
    for (target, wanted) in by_target(&cluster, attributes)?.into_values() {
        let mut instance = open(tx.view(), &target)?.clone();
        for attribute in wanted {
            instance
                .attributes
                .insert(attribute.name.clone(), attribute.value.clone());
        }
        let is_custom = |name: &&String| !instance.registered_attributes.contains(*name);
        if instance.attributes.keys().filter(is_custom).count() > CUSTOM_MAX {
            return Err(EcsError::AttributeLimit.into());
        }
        tx.put(instance);
    }
    Ok(PutAttributesResponse {
        attributes: Some(attributes.clone()),
    })
}

/// Removes attributes by name; absent ones are passed over.
pub fn delete_attributes(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteAttributes>,
) -> Result<DeleteAttributesResponse, ServiceError> {
    let attributes = &auth.input().attributes;
    let cluster = ClusterRef::resolve(auth.call().into(), auth.input().cluster.as_deref())?;
    cluster.active(tx.view())?;
    at_most("attributes", BATCH_MAX, attributes.len())?;
    attributes
        .iter()
        .try_for_each(|attribute| check_name(&attribute.name))?;
    for (target, wanted) in by_target(&cluster, attributes)?.into_values() {
        let mut instance = open(tx.view(), &target)?.clone();
        for attribute in wanted {
            instance.attributes.remove(&attribute.name);
            instance.registered_attributes.remove(&attribute.name);
        }
        tx.put(instance);
    }
    Ok(DeleteAttributesResponse {
        attributes: Some(attributes.clone()),
    })
}

fn check_attribute(attribute: &Attribute) -> Result<(), EcsError> {
    check_name(&attribute.name)?;
    match attribute.value.as_deref() {
        Some(value) if !is_value(value) => Err(EcsError::AttributeValue(value.to_owned())),
        _ => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), EcsError> {
    if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
        return Err(EcsError::AttributeReserved(name.to_owned()));
    }
    let known = |b: u8| b.is_ascii_alphanumeric() || b"_.-/\\".contains(&b);
    if (1..=CHARS_MAX).contains(&name.len()) && name.bytes().all(known) {
        Ok(())
    } else {
        Err(EcsError::AttributeName(name.to_owned()))
    }
}

/// 1 to 128 characters, with spaces only inside.
fn is_value(value: &str) -> bool {
    let known = |c: char| c.is_alphanumeric() || "-_.@/\\: ".contains(c);
    (1..=CHARS_MAX).contains(&value.chars().count()) && value.trim() == value && value.chars().all(known)
}

/// The cluster.
pub fn require_list_attributes(ask: Ask<'_, ListAttributesRequest>) -> Result<Vec<Check>, ServiceError> {
    let cluster = ClusterRef::resolve(ask.call.into(), ask.input.cluster.as_deref())?;
    Ok(vec![on_cluster(ask.view, "ecs:ListAttributes", &cluster)])
}

/// Attributes of all instances of a cluster, filtered by name and value.
pub fn list_attributes(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListAttributes>,
) -> Result<ListAttributesResponse, ServiceError> {
    let input = auth.input();
    let cluster = ClusterRef::resolve(Scope::from(auth.call()), input.cluster.as_deref())?;
    cluster.known(view)?;
    if input.attribute_value.is_some() && input.attribute_name.is_none() {
        return Err(EcsError::AttributeFilter.into());
    }
    let prefix = cluster.prefix();
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    // A page may end between the attributes of one instance: `INSTANCE-KEY#NAME`.
    let last = pager
        .after
        .as_deref()
        .map(|token| token.split_once('#').unwrap_or((token, "")));
    let instances = &view.ecs.container_instances;
    let cut = last.and_then(|(key, name)| Some((key, instances.get(key)?, Some(name))));
    let rest = instances
        .after(&prefix, last.map(|(key, _)| key))
        .map(|(key, instance)| (key, instance, None));
    let rows = cut
        .into_iter()
        .chain(rest)
        .filter(|(_, instance, _)| instance.is_registered());
    let rows = rows.flat_map(|(key, instance, seen)| {
        let unseen = instance
            .attributes
            .iter()
            .filter(move |(name, _)| seen.is_none_or(|seen| name.as_str() > seen));
        unseen
            .filter(|(name, value)| matches(input, name, value.as_deref()))
            .map(move |(name, value)| {
                let found = Attribute {
                    name: name.clone(),
                    value: value.clone(),
                    target_id: Some(instance.arn.to_string()),
                    ..Attribute::default()
                };
                (format!("{key}#{name}"), found)
            })
    });
    let (attributes, next_token) = pager.page(rows);
    Ok(ListAttributesResponse {
        attributes: Some(attributes),
        next_token,
    })
}

fn matches(input: &ListAttributesRequest, name: &str, value: Option<&str>) -> bool {
    input
        .attribute_name
        .as_deref()
        .is_none_or(|wanted| wanted == name)
        && input
            .attribute_value
            .as_deref()
            .is_none_or(|wanted| Some(wanted) == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_of_attributes_are_checked() {
        let attribute = |name: &str, value: Option<&str>| Attribute {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            ..Attribute::default()
        };
        let long = "x".repeat(129);
        let cases = [
            (attribute("stack", Some("pro duction")), None),
            (attribute("a/b\\c.d-e_f", None), None),
            (
                attribute("ecs.os-type", Some("x")),
                Some(EcsError::AttributeReserved("ecs.os-type".to_owned())),
            ),
            (
                attribute("a b", None),
                Some(EcsError::AttributeName("a b".to_owned())),
            ),
            (attribute("", None), Some(EcsError::AttributeName(String::new()))),
            (
                attribute(&long, None),
                Some(EcsError::AttributeName(long.clone())),
            ),
            (
                attribute("a", Some(" x")),
                Some(EcsError::AttributeValue(" x".to_owned())),
            ),
            (
                attribute("a", Some("")),
                Some(EcsError::AttributeValue(String::new())),
            ),
            (
                attribute("a", Some("x=y")),
                Some(EcsError::AttributeValue("x=y".to_owned())),
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(check_attribute(&given).err(), expected, "{given:?}");
        }
    }
}
