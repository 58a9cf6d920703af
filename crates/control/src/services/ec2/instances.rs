//! DescribeInstances: the hosts of container instances.

use portcullis_api::ec2::op::DescribeInstances;
use portcullis_api::ec2::{self as api, DescribeInstancesRequest, DescribeInstancesResult};

use super::checks::on_all;
use super::describe::{Found, Wanted, matching, of_tags, paged};
use super::errors::Ec2Error;
use super::ids::Kind;
use super::place::{Place, not_dry};
use super::{tags, zones};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::ec2;
use crate::world::records::ecs::ContainerInstance;

/// AWS's number for instances that run.
const RUNNING: i32 = 16;

pub(super) fn require_describe(ask: Ask<'_, DescribeInstancesRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeInstances", ask.call.into()))
}

/// A host as EC2 shows it, and what of it is asked for often.
struct Host<'a> {
    id: String,
    zone: String,
    row: &'a ContainerInstance,
}

impl Host<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        self.row.attributes.get(name).cloned().flatten()
    }
}

/// Every host that is registered with a cluster is an instance; there are no others.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeInstances>,
) -> Result<DescribeInstancesResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let prefix = format!("{}/", place.region);
    let registered = view.ecs.container_instances.prefix(&prefix);
    let mut hosts: Vec<Host<'_>> = registered
        .filter(|(_, row)| row.is_registered())
        .map(|(_, row)| Host {
            id: row.host_id(),
            zone: zone_of(place, row),
            row,
        })
        .collect();
    hosts.sort_by(|one, other| one.id.cmp(&other.id));
    // One host may have registered with several clusters.
    hosts.dedup_by(|one, other| one.id == other.id);
    let ids = input.instance_ids.as_deref().unwrap_or_default();
    for id in ids {
        Kind::Instance.check(id)?;
        if !hosts.iter().any(|host| host.id == *id) {
            return Err(Ec2Error::NotFound(Kind::Instance, id.clone()).into());
        }
    }
    hosts.retain(|host| ids.is_empty() || ids.contains(&host.id));
    let rows = matching(hosts, input.filters.as_deref(), |host, name| {
        property(place, host, name)
    })?;
    let wanted = Wanted {
        ids: Some(ids),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "instancesSet",
        ..Wanted::default()
    };
    let (rows, next_token) = paged(rows, wanted, |host| host.id.clone())?;
    Ok(DescribeInstancesResult {
        reservations: Some(rows.iter().map(|host| reservation(place, host)).collect()),
        next_token,
    })
}

fn zone_of(place: Place<'_>, row: &ContainerInstance) -> String {
    let own = row.attributes.get("ecs.availability-zone").cloned().flatten();
    let first = || ec2::zones(place.region).next().unwrap_or_default();
    own.unwrap_or_else(first)
}

fn property(place: Place<'_>, host: &Host<'_>, name: &str) -> Found {
    match name {
        "instance-id" => Found::one(&host.id),
        "instance-state-name" => Found::one("running"),
        "instance-state-code" => Found::one(RUNNING.to_string()),
        "availability-zone" => Found::one(&host.zone),
        "availability-zone-id" => Found::one(zones::id_of(&host.zone)),
        "instance-type" => Found::some(host.attribute("ecs.instance-type")),
        "image-id" => Found::some(host.attribute("ecs.ami-id")),
        "vpc-id" => Found::some(host.attribute("ecs.vpc-id")),
        "subnet-id" => Found::some(host.attribute("ecs.subnet-id")),
        "architecture" => Found::some(host.attribute("ecs.cpu-architecture")),
        "owner-id" => Found::one(place.account.as_str()),
        "reservation-id" => Found::one(reservation_id(host)),
        "tenancy" => Found::one("default"),
        "instance-lifecycle"
        | "platform"
        | "key-name"
        | "private-ip-address"
        | "ip-address"
        | "dns-name"
        | "private-dns-name"
        | "iam-instance-profile.arn"
        | "instance.group-id"
        | "instance.group-name" => Found::some(None::<String>),
        _ => of_tags(&host.row.tags, name),
    }
}

fn reservation_id(host: &Host<'_>) -> String {
    format!("r-{}", host.id.trim_start_matches("i-"))
}

fn reservation(place: Place<'_>, host: &Host<'_>) -> api::Reservation {
    let instance = api::Instance {
        instance_id: Some(host.id.clone()),
        image_id: host.attribute("ecs.ami-id"),
        instance_type: host.attribute("ecs.instance-type"),
        architecture: host.attribute("ecs.cpu-architecture"),
        ami_launch_index: Some(0),
        launch_time: Some(host.row.registered_at),
        state: Some(api::InstanceState {
            code: Some(RUNNING),
            name: Some("running".to_owned()),
        }),
        placement: Some(api::Placement {
            availability_zone: Some(host.zone.clone()),
            availability_zone_id: Some(zones::id_of(&host.zone)),
            group_name: Some(String::new()),
            tenancy: Some("default".to_owned()),
            ..api::Placement::default()
        }),
        monitoring: Some(api::Monitoring {
            state: Some("disabled".to_owned()),
            ..api::Monitoring::default()
        }),
        vpc_id: host.attribute("ecs.vpc-id"),
        subnet_id: host.attribute("ecs.subnet-id"),
        network_interfaces: Some(Vec::new()),
        security_groups: Some(Vec::new()),
        block_device_mappings: Some(Vec::new()),
        tags: tags::shown(&host.row.tags),
        ..api::Instance::default()
    };
    api::Reservation {
        reservation_id: Some(reservation_id(host)),
        owner_id: Some(place.account.to_string()),
        groups: Some(Vec::new()),
        instances: Some(vec![instance]),
        ..api::Reservation::default()
    }
}
