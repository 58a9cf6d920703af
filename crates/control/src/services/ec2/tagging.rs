//! CreateTags, DeleteTags and DescribeTags.

use portcullis_api::ec2::op::{CreateTags, DeleteTags, DescribeTags};
use portcullis_api::ec2::{
    self as api, CreateTagsRequest, DeleteTagsRequest, DescribeTagsRequest, DescribeTagsResult,
};
use portcullis_core::Tags;
use portcullis_wire::Empty;

use super::checks::{Keyed, on, on_all, on_id};
use super::describe::{Found, Wanted, matching, paged};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored};
use super::place::{Place, begin, not_dry};
use super::tags;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ec2::{
    InternetGateway, NetworkInterface, Object, RouteTable, SecurityGroup, Subnet, Tables, Vpc,
};
use crate::world::{Snapshot, Tx};

/// Most resources of one call.
const RESOURCES_MAX: usize = 1_000;

/// The check of one resource, with the tags it has before the change (R168).
fn on_tagged(action: &'static str, tables: &Tables, place: Place<'_>, id: &str) -> Result<Check, Ec2Error> {
    fn of<O: Keyed>(action: &'static str, tables: &Tables, place: Place<'_>, id: &str) -> Check {
        on::<O>(action, tables, place, id)
    }
    Ok(match taggable(id)? {
        Kind::Vpc => of::<Vpc>(action, tables, place, id),
        Kind::Subnet => of::<Subnet>(action, tables, place, id),
        Kind::SecurityGroup => of::<SecurityGroup>(action, tables, place, id),
        Kind::InternetGateway => of::<InternetGateway>(action, tables, place, id),
        Kind::RouteTable => of::<RouteTable>(action, tables, place, id),
        Kind::NetworkInterface => of::<NetworkInterface>(action, tables, place, id),
        kind => {
            let mut check = on_id(action, kind, place, id);
            if let Some((group, index)) = rule(tables, place, id)
                && let Some(rule) = group.rules.get(index)
            {
                add_resource_tags(&mut check.context, "ec2", &rule.tags);
            }
            check
        }
    })
}

/// The kind of a resource that can have tags here.
fn taggable(id: &str) -> Result<Kind, Ec2Error> {
    match Kind::of(id) {
        Some(
            kind @ (Kind::Vpc
            | Kind::Subnet
            | Kind::SecurityGroup
            | Kind::SecurityGroupRule
            | Kind::InternetGateway
            | Kind::RouteTable
            | Kind::NetworkInterface),
        ) => Ok(kind),
        Some(Kind::Instance) => Err(Ec2Error::Unsupported(
            "tags that EC2 gives to instances (give them to container instances)",
        )),
        Some(Kind::NetworkAcl | Kind::DhcpOptions) => Err(Ec2Error::Unsupported(
            "tags of default network ACLs and DHCP options",
        )),
        Some(Kind::Association) | None => Err(Ec2Error::Untaggable(id.to_owned())),
    }
}

/// The group of a rule, and where in it the rule stands.
fn rule<'t>(tables: &'t Tables, place: Place<'_>, id: &str) -> Option<(&'t SecurityGroup, usize)> {
    tables
        .all::<SecurityGroup>(place.region)
        .into_iter()
        .find_map(|group| {
            let index = group.rules.iter().position(|rule| rule.id == id)?;
            Some((&**group, index))
        })
}

pub(super) fn require_create(ask: Ask<'_, CreateTagsRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let wanted: Tags = input.tags.iter().map(tags::from_api).collect();
    let mut checks = Vec::new();
    for id in input.resources.iter().take(RESOURCES_MAX) {
        let mut check = on_tagged("ec2:CreateTags", &tables, place, id)?;
        add_request_tags(&mut check.context, &wanted);
        checks.push(check);
    }
    Ok(checks)
}

/// Gives tags to resources; what has a key already gets the new value.
pub(super) fn create(tx: &mut Tx<'_>, auth: Authorized<'_, CreateTags>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    check_count(&input.resources)?;
    if input.tags.is_empty() {
        return Err(Ec2Error::Missing("Tag").into());
    }
    tags::check(&input.tags)?;
    for id in &input.resources {
        change(tx, place, id, |own| {
            for tag in &input.tags {
                own.set(tags::from_api(tag));
            }
            tags::within_limit(own)
        })?;
    }
    Ok(Empty {})
}

fn check_count(resources: &[String]) -> Result<(), Ec2Error> {
    match resources.len() {
        0 => Err(Ec2Error::Missing("ResourceId")),
        1..=RESOURCES_MAX => Ok(()),
        _ => Err(Ec2Error::Parameter(format!(
            "The maximum number of resources of one call is {RESOURCES_MAX}."
        ))),
    }
}

/// Changes the tags of whatever has this id.
fn change(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    id: &str,
    how: impl Fn(&mut Tags) -> Result<(), Ec2Error>,
) -> Result<(), Ec2Error> {
    match taggable(id)? {
        Kind::Vpc => change_one::<Vpc>(tx, place, id, how),
        Kind::Subnet => change_one::<Subnet>(tx, place, id, how),
        Kind::SecurityGroup => change_one::<SecurityGroup>(tx, place, id, how),
        Kind::InternetGateway => change_one::<InternetGateway>(tx, place, id, how),
        Kind::RouteTable => change_one::<RouteTable>(tx, place, id, how),
        Kind::NetworkInterface => change_one::<NetworkInterface>(tx, place, id, how),
        kind => {
            let missing = || Ec2Error::NotFound(kind, id.to_owned());
            let (group, index) = rule(&tx.view().ec2, place, id).ok_or_else(missing)?;
            let mut group = group.clone();
            if let Some(rule) = group.rules.get_mut(index) {
                how(&mut rule.tags)?;
            }
            tx.put(group);
            Ok(())
        }
    }
}

fn change_one<O: Stored>(
    tx: &mut Tx<'_>,
    place: Place<'_>,
    id: &str,
    how: impl Fn(&mut Tags) -> Result<(), Ec2Error>,
) -> Result<(), Ec2Error> {
    let mut object = O::clone(O::get(&tx.view().ec2, place, id)?);
    how(object.tags_mut())?;
    tx.put(object);
    Ok(())
}

pub(super) fn require_delete(ask: Ask<'_, DeleteTagsRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let keys = input.tags.iter().flatten().filter_map(|tag| tag.key.clone());
    let keys: Vec<String> = keys.collect();
    let mut checks = Vec::new();
    for id in input.resources.iter().take(RESOURCES_MAX) {
        let mut check = on_tagged("ec2:DeleteTags", &tables, place, id)?;
        if !keys.is_empty() {
            check = check.with_many("aws:TagKeys", keys.clone());
        }
        checks.push(check);
    }
    Ok(checks)
}

/// Takes tags away: those of these keys - with these values where there are any -, or all.
pub(super) fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, DeleteTags>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    check_count(&input.resources)?;
    for id in &input.resources {
        change(tx, place, id, |own| {
            match &input.tags {
                None => *own = Tags::new(),
                Some(unwanted) => remove(own, unwanted),
            }
            Ok(())
        })?;
    }
    Ok(Empty {})
}

fn remove(own: &mut Tags, unwanted: &[api::Tag]) {
    for tag in unwanted {
        let key = tag.key.as_deref().unwrap_or_default();
        let is_meant = tag.value.is_none() || own.get(key) == tag.value.as_deref();
        if is_meant {
            own.remove(key);
        }
    }
}

pub(super) fn require_describe(ask: Ask<'_, DescribeTagsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeTags", ask.call.into()))
}

/// All tags of the region's resources.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeTags>,
) -> Result<DescribeTagsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let mut all = Vec::new();
    collect::<Vpc>(&mut all, &tables, place);
    collect::<Subnet>(&mut all, &tables, place);
    collect::<SecurityGroup>(&mut all, &tables, place);
    collect::<InternetGateway>(&mut all, &tables, place);
    collect::<RouteTable>(&mut all, &tables, place);
    collect::<NetworkInterface>(&mut all, &tables, place);
    for group in tables.all::<SecurityGroup>(place.region) {
        for rule in &group.rules {
            add(&mut all, Kind::SecurityGroupRule, &rule.id, &rule.tags);
        }
    }
    all.sort_by_key(key);
    let rows = matching(all, input.filters.as_deref(), |tag, name| match name {
        "key" => Found::some(tag.key.as_ref()),
        "value" => Found::some(tag.value.as_ref()),
        "resource-id" => Found::some(tag.resource_id.as_ref()),
        "resource-type" => Found::some(tag.resource_type.as_ref()),
        _ => match name.strip_prefix("tag:") {
            Some(wanted) => Found::some(tag.value.as_ref().filter(|_| tag.key.as_deref() == Some(wanted))),
            None => Found::Unknown,
        },
    })?;
    let wanted = Wanted {
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ..Wanted::default()
    };
    let (rows, next_token) = paged(rows, wanted, key)?;
    Ok(DescribeTagsResult {
        tags: Some(rows),
        next_token,
    })
}

fn key(tag: &api::TagDescription) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("{}\n{}", text(&tag.resource_id), text(&tag.key))
}

fn collect<O: Stored + Object>(all: &mut Vec<api::TagDescription>, tables: &Tables, place: Place<'_>) {
    for object in tables.all::<O>(place.region) {
        add(all, O::ID, object.id(), object.tags());
    }
}

fn add(all: &mut Vec<api::TagDescription>, kind: Kind, id: &str, tags: &Tags) {
    all.extend(tags.iter().map(|tag| api::TagDescription {
        key: Some(tag.key.clone()),
        value: Some(tag.value.clone()),
        resource_id: Some(id.to_owned()),
        resource_type: Some(kind.resource_type().to_owned()),
    }));
}
