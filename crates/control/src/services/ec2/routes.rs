//! Routes.

use portcullis_api::ec2::op::{CreateRoute, DeleteRoute, ReplaceRoute};
use portcullis_api::ec2::{
    self as api, CreateRouteRequest, CreateRouteResult, DeleteRouteRequest, ReplaceRouteRequest,
};
use portcullis_wire::Empty;

use super::checks::on;
use super::cidr::{Cidr, parse_ipv6};
use super::errors::Ec2Error;
use super::ids::Stored as _;
use super::place::{Place, begin};
use super::vpcs::not_a_range;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::ec2::{InternetGateway, NetworkInterface, Route, RouteTable, Tables, Vpc};

/// Where a route leads, as a request says it.
#[derive(Debug, Clone, Copy)]
struct Target<'a> {
    gateway: Option<&'a str>,
    interface: Option<&'a str>,
    /// Whether it is something we do not have.
    other: bool,
}

const OTHER_TARGET: Ec2Error =
    Ec2Error::Unsupported("routes to other targets than internet gateways and network interfaces");

/// The target of a request: those of two operations have the same members and no type in common.
macro_rules! target {
    ($input:expr) => {
        Target {
            gateway: $input.gateway_id.as_deref(),
            interface: $input.network_interface_id.as_deref(),
            other: $input.vpc_endpoint_id.is_some()
                || $input.transit_gateway_id.is_some()
                || $input.local_gateway_id.is_some()
                || $input.carrier_gateway_id.is_some()
                || $input.core_network_arn.is_some()
                || $input.odb_network_arn.is_some()
                || $input.egress_only_internet_gateway_id.is_some()
                || $input.instance_id.is_some()
                || $input.vpc_peering_connection_id.is_some()
                || $input.nat_gateway_id.is_some(),
        }
    };
}

/// The destination of a request, likewise of three operations.
macro_rules! destination {
    ($input:expr) => {
        destination(
            $input.destination_cidr_block.as_deref(),
            $input.destination_ipv6_cidr_block.as_deref(),
            $input.destination_prefix_list_id.as_deref(),
        )
    };
}

/// The destination of a request as it is kept.
fn destination(ipv4: Option<&str>, ipv6: Option<&str>, list: Option<&str>) -> Result<String, Ec2Error> {
    match (ipv4, ipv6, list) {
        (Some(text), None, None) => Cidr::parse(text)
            .map(|cidr| cidr.to_string())
            .ok_or_else(|| not_a_range(text, "destinationCidrBlock")),
        (None, Some(text), None) => {
            parse_ipv6(text).ok_or_else(|| not_a_range(text, "destinationIpv6CidrBlock"))
        }
        (None, None, Some(_)) => Err(Ec2Error::Unsupported("prefix lists")),
        (None, None, None) => Err(Ec2Error::Missing("destinationCidrBlock")),
        _ => Err(Ec2Error::Combination(
            "Only one destination may be specified.".to_owned(),
        )),
    }
}

/// A route of a VPC to a gateway attached to it, or to a network interface in it.
fn route(
    tables: &Tables,
    place: Place<'_>,
    (table, destination): (&RouteTable, String),
    target: Target<'_>,
) -> Result<Route, Ec2Error> {
    if target.other {
        return Err(OTHER_TARGET);
    }
    let mut route = Route {
        destination,
        gateway: None,
        interface: None,
    };
    match (target.gateway, target.interface) {
        (Some(id), None) => {
            let gateway = InternetGateway::get(tables, place, id)?;
            if gateway.vpc.as_ref() != Some(&table.vpc) {
                let text = format!(
                    "route table {} and network gateway {id} belong to different networks",
                    table.id
                );
                return Err(Ec2Error::Parameter(text));
            }
            route.gateway = Some(id.to_owned());
        }
        (None, Some(id)) => {
            let interface = NetworkInterface::get(tables, place, id)?;
            if interface.vpc != table.vpc {
                let text = format!(
                    "route table {} and interface {id} belong to different networks",
                    table.id
                );
                return Err(Ec2Error::Parameter(text));
            }
            route.interface = Some(id.to_owned());
        }
        (None, None) => return Err(Ec2Error::Missing("gatewayId")),
        _ => {
            let text = "The request must contain exactly one of gatewayId and networkInterfaceId";
            return Err(Ec2Error::Combination(text.to_owned()));
        }
    }
    Ok(route)
}

fn on_table(
    action: &'static str,
    view: &crate::world::Snapshot,
    place: Place<'_>,
    table: &str,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![on::<RouteTable>(action, &place.tables(view), place, table)])
}

pub(super) fn require_create(ask: Ask<'_, CreateRouteRequest>) -> Result<Vec<Check>, ServiceError> {
    on_table(
        "ec2:CreateRoute",
        ask.view,
        ask.call.into(),
        &ask.input.route_table_id,
    )
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateRoute>,
) -> Result<CreateRouteResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let table = RouteTable::get(tables, place, &input.route_table_id)?;
    let destination = destination!(input)?;
    let is_known = table.routes.iter().any(|known| known.destination == destination);
    let to_interface = input.network_interface_id.is_some() && input.gateway_id.is_none();
    check_stays(tables, place, (table, &destination), to_interface)?;
    if is_known || is_local(tables, place, table, &destination) {
        return Err(Ec2Error::RouteExists(destination).into());
    }
    let target = target!(input);
    let route = route(tables, place, (table, destination), target)?;
    let mut table = RouteTable::clone(table);
    table.routes.push(route);
    tx.put(table);
    Ok(CreateRouteResult { r#return: Some(true) })
}

pub(super) fn require_replace(ask: Ask<'_, ReplaceRouteRequest>) -> Result<Vec<Check>, ServiceError> {
    on_table(
        "ec2:ReplaceRoute",
        ask.view,
        ask.call.into(),
        &ask.input.route_table_id,
    )
}

pub(super) fn replace(tx: &mut Tx<'_>, auth: Authorized<'_, ReplaceRoute>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let table = RouteTable::get(tables, place, &input.route_table_id)?;
    let destination = destination!(input)?;
    let index = index_of(table, &destination)?;
    let to_interface = input.network_interface_id.is_some() && input.gateway_id.is_none();
    check_stays(tables, place, (table, &destination), to_interface)?;
    if input.local_target.unwrap_or_default() {
        return Err(OTHER_TARGET.into());
    }
    let target = target!(input);
    let route = route(tables, place, (table, destination), target)?;
    let mut table = RouteTable::clone(table);
    if let Some(known) = table.routes.get_mut(index) {
        *known = route;
    }
    tx.put(table);
    Ok(Empty {})
}

pub(super) fn require_delete(ask: Ask<'_, DeleteRouteRequest>) -> Result<Vec<Check>, ServiceError> {
    on_table(
        "ec2:DeleteRoute",
        ask.view,
        ask.call.into(),
        &ask.input.route_table_id,
    )
}

pub(super) fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, DeleteRoute>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let table = RouteTable::get(tables, place, &input.route_table_id)?;
    let destination = destination!(input)?;
    if is_local(tables, place, table, &destination) {
        let text = format!(
            "cannot remove local route {destination} in route table {}",
            table.id
        );
        return Err(Ec2Error::Parameter(text).into());
    }
    let index = index_of(table, &destination)?;
    let mut table = RouteTable::clone(table);
    table.routes.remove(index);
    tx.put(table);
    Ok(Empty {})
}

fn index_of(table: &RouteTable, destination: &str) -> Result<usize, Ec2Error> {
    let mut routes = table.routes.iter();
    routes
        .position(|known| known.destination == destination)
        .ok_or_else(|| Ec2Error::RouteNotFound {
            destination: destination.to_owned(),
            table: table.id.clone(),
        })
}

fn is_local(tables: &Tables, place: Place<'_>, table: &RouteTable, destination: &str) -> bool {
    let vpc = tables.find::<Vpc>(place.region, &table.vpc);
    vpc.is_some_and(|vpc| vpc.cidr == destination)
}

/// Refuses to lead out of a VPC what lies in its range: only an interface may stand in between.
fn check_stays(
    tables: &Tables,
    place: Place<'_>,
    (table, destination): (&RouteTable, &str),
    to_interface: bool,
) -> Result<(), Ec2Error> {
    let vpc = tables.find::<Vpc>(place.region, &table.vpc);
    let whole = vpc.and_then(|vpc| Cidr::parse(&vpc.cidr));
    match (whole, Cidr::parse(destination)) {
        (Some(whole), Some(wanted)) if whole.contains(wanted) && !to_interface => {
            let text =
                "Route target is not supported. This route only supports interface and instance targets.";
            Err(Ec2Error::Parameter(text.to_owned()))
        }
        _ => Ok(()),
    }
}

/// The routes of a table, the local one first.
pub(super) fn shown(place: Place<'_>, tables: &Tables, table: &RouteTable) -> Vec<api::Route> {
    let local = tables
        .find::<Vpc>(place.region, &table.vpc)
        .map(|vpc| api::Route {
            destination_cidr_block: Some(vpc.cidr.clone()),
            gateway_id: Some("local".to_owned()),
            origin: Some("CreateRouteTable".to_owned()),
            state: Some("active".to_owned()),
            ..api::Route::default()
        });
    let made = table.routes.iter().map(|route| {
        let (ipv4, ipv6) = match route.destination.contains(':') {
            true => (None, Some(route.destination.clone())),
            false => (Some(route.destination.clone()), None),
        };
        let state = if leads_somewhere(place, tables, table, route) {
            "active"
        } else {
            "blackhole"
        };
        api::Route {
            destination_cidr_block: ipv4,
            destination_ipv6_cidr_block: ipv6,
            gateway_id: route.gateway.clone(),
            network_interface_id: route.interface.clone(),
            origin: Some("CreateRoute".to_owned()),
            state: Some(state.to_owned()),
            ..api::Route::default()
        }
    });
    local.into_iter().chain(made).collect()
}

fn leads_somewhere(place: Place<'_>, tables: &Tables, table: &RouteTable, route: &Route) -> bool {
    let gateway = route.gateway.as_deref();
    let gateway = gateway.and_then(|id| tables.find::<InternetGateway>(place.region, id));
    let interface = route.interface.as_deref();
    let interface = interface.and_then(|id| tables.find::<NetworkInterface>(place.region, id));
    gateway.is_some_and(|gateway| gateway.vpc.as_ref() == Some(&table.vpc)) || interface.is_some()
}
