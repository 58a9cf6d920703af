//! Security groups.

mod authorize;
mod change;
mod permission;
mod revoke;
mod show;

use portcullis_api::ec2::op::{CreateSecurityGroup, DeleteSecurityGroup};
use portcullis_api::ec2::{
    CreateSecurityGroupRequest, CreateSecurityGroupResult, DeleteSecurityGroupRequest,
    DeleteSecurityGroupResult,
};

use super::checks::{on, on_found, on_made};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _};
use super::place::{Place, begin};
use super::tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::Record as _;
use crate::world::records::ec2::{Rule, SecurityGroup, Tables, Vpc};

pub(super) use authorize::{
    authorize_egress, authorize_ingress, require_authorize_egress, require_authorize_ingress,
};
pub(super) use change::{
    describe_egress, describe_ingress, modify_rules, require_describe_egress, require_describe_ingress,
    require_modify_rules,
};
pub(super) use revoke::{require_revoke_egress, require_revoke_ingress, revoke_egress, revoke_ingress};
pub(super) use show::{describe, describe_rules, require_describe, require_describe_rules};

/// Longest name and description, in characters.
const NAME_MAX: usize = 255;

/// The VPC of a group: the one named, or the default one.
fn wanted_vpc<'t>(tables: &'t Tables, place: Place<'_>, id: Option<&str>) -> Result<&'t Vpc, Ec2Error> {
    match id {
        Some(id) => Vpc::get(tables, place, id).map(|vpc| &**vpc),
        None => tables
            .default_vpc(place.region)
            .map(|vpc| &**vpc)
            .ok_or(Ec2Error::NoDefaultVpc),
    }
}

/// The group that a call names: by id, or by its name in the default VPC.
fn named<'t>(
    tables: &'t Tables,
    place: Place<'_>,
    id: Option<&str>,
    name: Option<&str>,
) -> Result<&'t SecurityGroup, Ec2Error> {
    match (id, name) {
        (Some(id), _) => SecurityGroup::get(tables, place, id).map(|group| &**group),
        (None, Some(name)) => by_name(tables, place, name),
        (None, None) => Err(Ec2Error::Missing("groupName or groupId")),
    }
}

/// A group as a call names it: by its id or by its name.
type Named<'a> = (Option<&'a str>, Option<&'a str>);

fn by_name<'t>(tables: &'t Tables, place: Place<'_>, name: &str) -> Result<&'t SecurityGroup, Ec2Error> {
    let vpc = wanted_vpc(tables, place, None)?;
    let groups = tables.children::<SecurityGroup>(place.region, &vpc.id);
    let mut groups = groups.into_iter().filter(|group| group.vpc == vpc.id);
    groups
        .find(|group| group.name == name)
        .map(|group| &**group)
        .ok_or_else(|| Ec2Error::GroupName {
            name: name.to_owned(),
            vpc: vpc.id.clone(),
        })
}

/// An action on the group that a call names; on a literal `*` when it names none that is there by its name.
fn on_named(
    action: &'static str,
    tables: &Tables,
    place: Place<'_>,
    id: Option<&str>,
    name: Option<&str>,
) -> Check {
    if let Some(id) = id {
        return on::<SecurityGroup>(action, tables, place, id);
    }
    let found = name.and_then(|name| by_name(tables, place, name).ok());
    on_found::<SecurityGroup>(action, tables, place, found.map(|group| group.id.as_str()))
}

pub(super) fn require_create(ask: Ask<'_, CreateSecurityGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tags = tags::requested(input.tag_specifications.as_deref(), Kind::SecurityGroup);
    let names = ("ec2:CreateSecurityGroup", "CreateSecurityGroup");
    let mut checks = on_made(names, Kind::SecurityGroup, place, &tags);
    let tables = place.tables(ask.view);
    let default = || tables.default_vpc(place.region).map(|vpc| vpc.id.as_str());
    if let Some(vpc) = input.vpc_id.as_deref().or_else(default) {
        checks.insert(1, on::<Vpc>("ec2:CreateSecurityGroup", &tables, place, vpc));
    }
    Ok(checks)
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateSecurityGroup>,
) -> Result<CreateSecurityGroupResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    check_name(&input.group_name)?;
    check_text("GroupDescription", &input.description)?;
    let tables = &tx.view().ec2;
    let vpc = wanted_vpc(tables, place, input.vpc_id.as_deref())?;
    let mut others = tables
        .children::<SecurityGroup>(place.region, &vpc.id)
        .into_iter();
    if others.any(|other| other.vpc == vpc.id && other.name == input.group_name) {
        return Err(Ec2Error::DuplicateGroup {
            name: input.group_name.clone(),
            vpc: vpc.id.clone(),
        }
        .into());
    }
    let group = SecurityGroup {
        region: place.region.clone(),
        id: Kind::SecurityGroup.make(tx.random),
        name: input.group_name.clone(),
        description: input.description.clone(),
        vpc: vpc.id.clone(),
        rules: vec![Rule::to_anywhere(Kind::SecurityGroupRule.make(tx.random))],
        tags: tags::checked(input.tag_specifications.as_deref(), Kind::SecurityGroup)?,
    };
    let result = CreateSecurityGroupResult {
        group_id: Some(group.id.clone()),
        security_group_arn: Some(Kind::SecurityGroup.arn(place, &group.id).to_string()),
        tags: tags::shown(&group.tags),
    };
    tx.put(group);
    Ok(result)
}

fn check_name(name: &str) -> Result<(), Ec2Error> {
    check_text("GroupName", name)?;
    if name.starts_with("sg-") {
        let text = format!(
            "Value ({name}) for parameter GroupName is invalid. Group names may not be in the format sg-*."
        );
        return Err(Ec2Error::Parameter(text));
    }
    if name == SecurityGroup::DEFAULT {
        let text = "Cannot use reserved security group name: default";
        return Err(Ec2Error::Parameter(text.to_owned()));
    }
    Ok(())
}

/// Names and descriptions of groups and rules have these characters only.
fn check_text(parameter: &'static str, text: &str) -> Result<(), Ec2Error> {
    let known = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    let length = text.chars().count();
    let reason = if length == 0 {
        "The value must not be empty."
    } else if length > NAME_MAX {
        "Character sets beyond ASCII or more than 255 characters are not supported."
    } else if !text.chars().all(known) {
        "Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"
    } else {
        return Ok(());
    };
    Err(Ec2Error::Value {
        value: text.to_owned(),
        parameter,
        reason: reason.to_owned(),
    })
}

pub(super) fn require_delete(ask: Ask<'_, DeleteSecurityGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    Ok(vec![on_named(
        "ec2:DeleteSecurityGroup",
        &place.tables(ask.view),
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    )])
}

/// Deletes a group that no network interface has and no other group speaks of.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteSecurityGroup>,
) -> Result<DeleteSecurityGroupResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let group = named(
        tables,
        place,
        input.group_id.as_deref(),
        input.group_name.as_deref(),
    )?;
    let (id, key) = (group.id.clone(), group.key());
    if group.name == SecurityGroup::DEFAULT {
        let name = group.name.clone();
        return Err(Ec2Error::DefaultGroup { id, name }.into());
    }
    if !tables.children_ids(place.region, &id).is_empty() {
        return Err(Ec2Error::InUse(Kind::SecurityGroup, id).into());
    }
    tx.delete::<SecurityGroup>(&key);
    Ok(DeleteSecurityGroupResult {
        r#return: Some(true),
        group_id: Some(id),
    })
}
