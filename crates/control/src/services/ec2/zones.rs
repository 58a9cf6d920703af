//! DescribeRegions and DescribeAvailabilityZones.

use portcullis_api::ec2::op::{DescribeAvailabilityZones, DescribeRegions};
use portcullis_api::ec2::{
    self as api, DescribeAvailabilityZonesRequest, DescribeAvailabilityZonesResult, DescribeRegionsRequest,
    DescribeRegionsResult,
};
use portcullis_core::Region;
use portcullis_reference as reference;

use super::checks::on_all;
use super::describe::{Found, matching};
use super::errors::Ec2Error;
use super::place::{Place, not_dry};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::ec2::zones;

/// Zones and regions that nobody has to ask for: here all are.
const OPTED_IN: &str = "opt-in-not-required";

pub(super) fn require_regions(ask: Ask<'_, DescribeRegionsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeRegions", ask.call.into()))
}

/// The regions of the partition.
pub(super) fn regions(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeRegions>,
) -> Result<DescribeRegionsResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let partition = reference::partition(auth.call().region.partition().as_str());
    let suffix = partition.map_or("amazonaws.com", reference::Partition::dns_suffix);
    let known: Vec<&str> = partition
        .into_iter()
        .flat_map(reference::Partition::regions)
        .map(|(name, _)| name)
        .filter(|name| !name.ends_with("-global"))
        .collect();
    let names = input.region_names.as_deref().unwrap_or_default();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Ec2Error::Parameter(format!("Invalid region names: [{unknown}]")).into());
    }
    let wanted = known
        .into_iter()
        .filter(|name| names.is_empty() || names.iter().any(|named| named == name));
    let rows = wanted.map(|name| api::Region {
        region_name: Some(name.to_owned()),
        endpoint: Some(format!("ec2.{name}.{suffix}")),
        opt_in_status: Some(OPTED_IN.to_owned()),
        ..api::Region::default()
    });
    let found = matching(rows.collect(), input.filters.as_deref(), |row, name| match name {
        "region-name" => Found::some(row.region_name.clone()),
        "endpoint" => Found::some(row.endpoint.clone()),
        "opt-in-status" => Found::one(OPTED_IN),
        _ => Found::Unknown,
    })?;
    Ok(DescribeRegionsResult { regions: Some(found) })
}

pub(super) fn require_zones(
    ask: Ask<'_, DescribeAvailabilityZonesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeAvailabilityZones", ask.call.into()))
}

/// The zones of the region.
pub(super) fn describe(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeAvailabilityZones>,
) -> Result<DescribeAvailabilityZonesResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let all: Vec<String> = zones(place.region).collect();
    let (names, ids) = (
        input.zone_names.as_deref().unwrap_or_default(),
        input.zone_ids.as_deref().unwrap_or_default(),
    );
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        return Err(Ec2Error::Parameter(format!("Invalid availability zone: [{unknown}]")).into());
    }
    if let Some(unknown) = ids.iter().find(|id| !all.iter().any(|zone| id_of(zone) == **id)) {
        return Err(Ec2Error::Parameter(format!("Invalid availability zone-id: [{unknown}]")).into());
    }
    let is_wanted = |zone: &&String| {
        (names.is_empty() || names.contains(zone)) && (ids.is_empty() || ids.contains(&id_of(zone)))
    };
    let rows = all.iter().filter(is_wanted).map(|zone| shown(place.region, zone));
    let found = matching(rows.collect(), input.filters.as_deref(), |row, name| match name {
        "zone-name" => Found::some(row.zone_name.clone()),
        "zone-id" => Found::some(row.zone_id.clone()),
        "region-name" | "group-name" => Found::one(place.region.as_str()),
        "state" => Found::one("available"),
        "zone-type" => Found::one("availability-zone"),
        "opt-in-status" => Found::one(OPTED_IN),
        "message" | "parent-zone-id" | "parent-zone-name" => Found::some(None::<String>),
        _ => Found::Unknown,
    })?;
    Ok(DescribeAvailabilityZonesResult {
        availability_zones: Some(found),
    })
}

fn shown(region: &Region, zone: &str) -> api::AvailabilityZone {
    api::AvailabilityZone {
        zone_name: Some(zone.to_owned()),
        zone_id: Some(id_of(zone)),
        region_name: Some(region.to_string()),
        group_name: Some(region.to_string()),
        network_border_group: Some(region.to_string()),
        zone_type: Some("availability-zone".to_owned()),
        opt_in_status: Some(OPTED_IN.to_owned()),
        state: Some("available".to_owned()),
        messages: Some(Vec::new()),
        ..api::AvailabilityZone::default()
    }
}

/// The id of a zone, which AWS has to tell zones apart across accounts: `use1-az1` of `us-east-1a`.
pub(super) fn id_of(zone: &str) -> String {
    let mut id = String::new();
    let mut parts = zone.split('-').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            let digits: String = part.chars().filter(char::is_ascii_digit).collect();
            let letter = part.bytes().last().unwrap_or(b'a');
            let number = letter.saturating_sub(b'a').saturating_add(1);
            id.push_str(&format!("{digits}-az{number}"));
        } else {
            id.push_str(short(part));
        }
    }
    id
}

/// A part of a region's name in a zone's id.
fn short(part: &str) -> &str {
    match part {
        "north" => "n",
        "south" => "s",
        "east" => "e",
        "west" => "w",
        "central" => "c",
        "northeast" => "ne",
        "northwest" => "nw",
        "southeast" => "se",
        "southwest" => "sw",
        "gov" => "g",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_ids_are_made_as_awss_are() {
        for (zone, id) in [
            ("us-east-1a", "use1-az1"),
            ("ap-northeast-1c", "apne1-az3"),
            ("us-gov-west-1b", "usgw1-az2"),
            ("eu-central-2a", "euc2-az1"),
        ] {
            assert_eq!(id_of(zone), id);
        }
    }
}
