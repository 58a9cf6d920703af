//! What EC2's operations require: resources and the keys of the reference.

use portcullis_core::Tags;

use super::ids::{Kind, Stored};
use super::place::Place;
use super::zones;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::operation::Check;
use crate::open_points;
use crate::world::records::ec2::{
    InternetGateway, NetworkInterface, RouteTable, SecurityGroup, Subnet, Tables, Vpc,
};

/// A check of an action that has no resource: of all that describe.
pub(super) fn on_all(action: &'static str, place: Place<'_>) -> Vec<Check> {
    vec![Check::new(action, "*").with("ec2:Region", place.region.as_str())]
}

/// An action on an object that the call makes, with the tags it will have.
pub(super) fn on_new(action: &'static str, kind: Kind, place: Place<'_>, tags: &Tags) -> Check {
    let mut check =
        Check::new(action, kind.arn(place, "*").as_str()).with("ec2:Region", place.region.as_str());
    add_request_tags(&mut check.context, tags);
    check
}

/// `ec2:CreateTags` for the tags given at creation; none when there are no tags (R148).
pub(super) fn tag_on_create(
    operation: &'static str,
    kind: Kind,
    place: Place<'_>,
    tags: &Tags,
) -> Option<Check> {
    if tags.is_empty() || !open_points::r148_tags_need_permission() {
        return None;
    }
    let mut check = on_new("ec2:CreateTags", kind, place, tags).with("ec2:CreateAction", operation);
    add_resource_tags(&mut check.context, "ec2", tags);
    Some(check)
}

/// The two checks of a call that makes an object: the making, and the tagging if there are tags.
pub(super) fn on_made(
    (action, operation): (&'static str, &'static str),
    kind: Kind,
    place: Place<'_>,
    tags: &Tags,
) -> Vec<Check> {
    let make = on_new(action, kind, place, tags);
    std::iter::once(make)
        .chain(tag_on_create(operation, kind, place, tags))
        .collect()
}

/// An action on an object by id. One that is not there is checked without tags (R181).
pub(super) fn on<O: Keyed>(action: &'static str, tables: &Tables, place: Place<'_>, id: &str) -> Check {
    let check = on_id(action, O::ID, place, id);
    match tables.find::<O>(place.region, id) {
        Some(object) => {
            let mut check = object.keys(check, place);
            add_resource_tags(&mut check.context, "ec2", object.tags());
            check
        }
        None => open_points::r181_check_on_missing(check),
    }
}

/// An action on an object that was found by something else than its id; on a literal `*` when none was.
pub(super) fn on_found<O: Keyed>(
    action: &'static str,
    tables: &Tables,
    place: Place<'_>,
    found: Option<&str>,
) -> Check {
    let check = on::<O>(action, tables, place, found.unwrap_or("*"));
    open_points::refusal_names_what_was_named(check, O::ID.arn(place, "*"))
}

/// An action on whatever has this id.
pub(super) fn on_id(action: &'static str, kind: Kind, place: Place<'_>, id: &str) -> Check {
    let check = Check::new(action, kind.arn(place, id).as_str()).with("ec2:Region", place.region.as_str());
    check.with_some(id_key(kind).unwrap_or_default(), id_key(kind).map(|_| id))
}

/// The key that holds a resource's own id.
fn id_key(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Vpc => "ec2:VpcID",
        Kind::Subnet => "ec2:SubnetID",
        Kind::SecurityGroup => "ec2:SecurityGroupID",
        Kind::InternetGateway => "ec2:InternetGatewayID",
        Kind::RouteTable => "ec2:RouteTableID",
        Kind::NetworkInterface => "ec2:NetworkInterfaceID",
        Kind::Instance => "ec2:InstanceID",
        Kind::NetworkAcl => "ec2:NetworkAclID",
        Kind::DhcpOptions => "ec2:DhcpOptionsID",
        Kind::SecurityGroupRule | Kind::Association => return None,
    })
}

/// Kinds whose properties are condition keys.
pub(super) trait Keyed: Stored {
    /// Adds the keys that every check of such an object has.
    fn keys(&self, check: Check, place: Place<'_>) -> Check;
}

impl Keyed for Vpc {
    fn keys(&self, check: Check, _place: Place<'_>) -> Check {
        check.with("ec2:Tenancy", self.tenancy.as_str())
    }
}

impl Keyed for Subnet {
    fn keys(&self, check: Check, place: Place<'_>) -> Check {
        in_vpc(check, place, &self.vpc)
            .with("ec2:AvailabilityZone", self.zone.as_str())
            .with("ec2:AvailabilityZoneId", zones::id_of(&self.zone))
    }
}

impl Keyed for SecurityGroup {
    fn keys(&self, check: Check, place: Place<'_>) -> Check {
        in_vpc(check, place, &self.vpc)
    }
}

impl Keyed for InternetGateway {
    fn keys(&self, check: Check, _place: Place<'_>) -> Check {
        check
    }
}

impl Keyed for RouteTable {
    fn keys(&self, check: Check, place: Place<'_>) -> Check {
        in_vpc(check, place, &self.vpc)
    }
}

impl Keyed for NetworkInterface {
    fn keys(&self, check: Check, place: Place<'_>) -> Check {
        in_vpc(check, place, &self.vpc)
            .with("ec2:AvailabilityZone", self.zone.as_str())
            .with("ec2:Subnet", Kind::Subnet.arn(place, &self.subnet).as_str())
    }
}

fn in_vpc(check: Check, place: Place<'_>, vpc: &str) -> Check {
    check.with("ec2:Vpc", Kind::Vpc.arn(place, vpc).as_str())
}

/// The keys of a change of attributes: their names, and of each its new value.
pub(super) fn with_attributes(check: Check, attributes: &[(&'static str, Option<String>)]) -> Check {
    let mut check = check;
    for (name, value) in attributes {
        if let Some(value) = value {
            check = check
                .with("ec2:Attribute", *name)
                .with(&format!("ec2:Attribute/{name}"), value.as_str());
        }
    }
    check
}
