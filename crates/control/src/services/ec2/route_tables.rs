//! Route tables and what uses them.

use portcullis_api::ec2::op::{
    AssociateRouteTable, CreateRouteTable, DeleteRouteTable, DescribeRouteTables, DisassociateRouteTable,
    ReplaceRouteTableAssociation,
};
use portcullis_api::ec2::{
    self as api, AssociateRouteTableRequest, AssociateRouteTableResult, CreateRouteTableRequest,
    CreateRouteTableResult, DeleteRouteTableRequest, DescribeRouteTablesRequest, DescribeRouteTablesResult,
    DisassociateRouteTableRequest, ReplaceRouteTableAssociationRequest, ReplaceRouteTableAssociationResult,
};
use portcullis_wire::Empty;

use super::checks::{on, on_all, on_found, on_made};
use super::describe::{Found, Wanted, of_tags, page};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _};
use super::place::{Place, begin, not_dry};
use super::{routes, tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::Record as _;
use crate::world::records::ec2::{Association, RouteTable, Subnet, Tables, Vpc};
use crate::world::{Snapshot, Tx};

pub(super) fn require_create(ask: Ask<'_, CreateRouteTableRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tags = tags::requested(input.tag_specifications.as_deref(), Kind::RouteTable);
    let names = ("ec2:CreateRouteTable", "CreateRouteTable");
    let mut checks = on_made(names, Kind::RouteTable, place, &tags);
    let in_vpc = on::<Vpc>(
        "ec2:CreateRouteTable",
        &place.tables(ask.view),
        place,
        &input.vpc_id,
    );
    checks.insert(1, in_vpc);
    Ok(checks)
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateRouteTable>,
) -> Result<CreateRouteTableResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let vpc = Vpc::get(&tx.view().ec2, place, &input.vpc_id)?.id.clone();
    let table = RouteTable {
        region: place.region.clone(),
        id: Kind::RouteTable.make(tx.random),
        vpc,
        associations: Vec::new(),
        routes: Vec::new(),
        tags: tags::checked(input.tag_specifications.as_deref(), Kind::RouteTable)?,
    };
    let shown = shown(place, &tx.view().ec2, &table);
    tx.put(table);
    Ok(CreateRouteTableResult {
        route_table: Some(shown),
        client_token: input.client_token.clone(),
    })
}

pub(super) fn require_describe(ask: Ask<'_, DescribeRouteTablesRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeRouteTables", ask.call.into()))
}

pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeRouteTables>,
) -> Result<DescribeRouteTablesResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let wanted = Wanted {
        ids: input.route_table_ids.as_deref(),
        filters: input.filters.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "routeTableIdSet",
    };
    let tables = place.tables(view);
    let (rows, next_token) = page::<RouteTable>(&tables, place, wanted, |table, name| {
        property(place, &tables, table, name)
    })?;
    let rows = rows.into_iter().map(|table| shown(place, &tables, table));
    Ok(DescribeRouteTablesResult {
        route_tables: Some(rows.collect()),
        next_token,
    })
}

fn property(place: Place<'_>, tables: &Tables, table: &RouteTable, name: &str) -> Found {
    let uses = table.associations.iter();
    let routes = || routes::shown(place, tables, table).into_iter();
    match name {
        "route-table-id" => Found::one(&table.id),
        "vpc-id" => Found::one(&table.vpc),
        "owner-id" => Found::one(place.account.as_str()),
        "association.route-table-association-id" => Found::many(uses.map(|own| &own.id)),
        "association.route-table-id" => Found::some(uses.map(|_| &table.id).next()),
        "association.subnet-id" => Found::many(uses.filter_map(|own| own.subnet.as_ref())),
        "association.main" => Found::many(uses.map(|own| own.subnet.is_none().to_string())),
        "association.gateway-id" => Found::some(None::<String>),
        "route.destination-cidr-block" => {
            Found::many(routes().filter_map(|route| route.destination_cidr_block))
        }
        "route.destination-ipv6-cidr-block" => {
            Found::many(routes().filter_map(|route| route.destination_ipv6_cidr_block))
        }
        "route.gateway-id" => Found::many(routes().filter_map(|route| route.gateway_id)),
        "route.origin" => Found::many(routes().filter_map(|route| route.origin)),
        "route.state" => Found::many(routes().filter_map(|route| route.state)),
        _ if name.starts_with("route.") => Found::some(None::<String>),
        _ => of_tags(&table.tags, name),
    }
}

/// A route table as answers show it.
fn shown(place: Place<'_>, tables: &Tables, table: &RouteTable) -> api::RouteTable {
    let uses = table.associations.iter().map(|own| api::RouteTableAssociation {
        main: Some(own.subnet.is_none()),
        route_table_association_id: Some(own.id.clone()),
        route_table_id: Some(table.id.clone()),
        subnet_id: own.subnet.clone(),
        association_state: Some(associated()),
        ..api::RouteTableAssociation::default()
    });
    api::RouteTable {
        route_table_id: Some(table.id.clone()),
        vpc_id: Some(table.vpc.clone()),
        owner_id: Some(place.account.to_string()),
        associations: Some(uses.collect()),
        routes: Some(routes::shown(place, tables, table)),
        propagating_vgws: Some(Vec::new()),
        tags: tags::shown(&table.tags),
    }
}

fn associated() -> api::RouteTableAssociationState {
    api::RouteTableAssociationState {
        state: Some("associated".to_owned()),
        ..api::RouteTableAssociationState::default()
    }
}

pub(super) fn require_delete(ask: Ask<'_, DeleteRouteTableRequest>) -> Result<Vec<Check>, ServiceError> {
    let place = Place::from(ask.call);
    Ok(vec![on::<RouteTable>(
        "ec2:DeleteRouteTable",
        &place.tables(ask.view),
        place,
        &ask.input.route_table_id,
    )])
}

/// Deletes a route table that nothing uses.
pub(super) fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, DeleteRouteTable>) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let table = RouteTable::get(&tx.view().ec2, place, &input.route_table_id)?;
    if !table.associations.is_empty() {
        return Err(Ec2Error::InUse(Kind::RouteTable, table.id.clone()).into());
    }
    let key = table.key();
    tx.delete::<RouteTable>(&key);
    Ok(Empty {})
}

pub(super) fn require_associate(
    ask: Ask<'_, AssociateRouteTableRequest>,
) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:AssociateRouteTable";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let table = on::<RouteTable>(ACTION, &tables, place, &input.route_table_id);
    let subnet = input.subnet_id.as_deref();
    let subnet = subnet.map(|subnet| on::<Subnet>(ACTION, &tables, place, subnet));
    Ok(std::iter::once(table).chain(subnet).collect())
}

/// Gives a subnet a route table of its own.
pub(super) fn associate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, AssociateRouteTable>,
) -> Result<AssociateRouteTableResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    if input.gateway_id.is_some() || input.public_ipv4_pool.is_some() {
        return Err(Ec2Error::Unsupported("route tables of gateways").into());
    }
    let tables = &tx.view().ec2;
    let table = RouteTable::get(tables, place, &input.route_table_id)?;
    let wanted = input.subnet_id.as_deref().ok_or(Ec2Error::Missing("subnetId"))?;
    let subnet = Subnet::get(tables, place, wanted)?;
    if subnet.vpc != table.vpc {
        let text = format!(
            "Route table {} and subnet {} belong to different networks",
            table.id, subnet.id
        );
        return Err(Ec2Error::Parameter(text).into());
    }
    let known = tables.children::<RouteTable>(place.region, &subnet.id);
    if let Some(own) = known.first().and_then(|known| use_of(known, &subnet.id)) {
        // The same again is answered with what is there.
        return match table.associations.contains(own) {
            true => Ok(done(own.id.clone())),
            false => Err(Ec2Error::AlreadyAssociated(table.id.clone()).into()),
        };
    }
    let mut table = RouteTable::clone(table);
    let id = Kind::Association.make(tx.random);
    table.associations.push(Association {
        id: id.clone(),
        subnet: Some(subnet.id.clone()),
    });
    tx.put(table);
    Ok(done(id))
}

fn done(id: String) -> AssociateRouteTableResult {
    AssociateRouteTableResult {
        association_id: Some(id),
        association_state: Some(associated()),
    }
}

fn use_of<'t>(table: &'t RouteTable, subnet: &str) -> Option<&'t Association> {
    let mut uses = table.associations.iter();
    uses.find(|own| own.subnet.as_deref() == Some(subnet))
}

/// The table that an association belongs to, and the association.
fn by_association<'t>(
    tables: &'t Tables,
    place: Place<'_>,
    id: &str,
) -> Result<(&'t RouteTable, &'t Association), Ec2Error> {
    Kind::Association.check(id)?;
    let all = tables.all::<RouteTable>(place.region).into_iter();
    let mut uses = all.flat_map(|table| table.associations.iter().map(move |own| (&**table, own)));
    uses.find(|(_, own)| own.id == id)
        .ok_or_else(|| Ec2Error::NotFound(Kind::Association, id.to_owned()))
}

/// The table of an association and its subnet; a literal `*` when there is no such association.
fn on_association(
    action: &'static str,
    ask: (&Snapshot, Place<'_>),
    id: &str,
    more: Option<&str>,
) -> Vec<Check> {
    let (view, place) = ask;
    let tables = place.tables(view);
    let found = by_association(&tables, place, id).ok();
    let table = found.map(|(table, _)| table.id.as_str());
    let subnet = found.and_then(|(_, own)| own.subnet.as_deref());
    let named = more.map(|more| on::<RouteTable>(action, &tables, place, more));
    let used = on_found::<RouteTable>(action, &tables, place, table);
    let using = subnet.map(|subnet| on_found::<Subnet>(action, &tables, place, Some(subnet)));
    named.into_iter().chain([used]).chain(using).collect()
}

pub(super) fn require_disassociate(
    ask: Ask<'_, DisassociateRouteTableRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let id = &ask.input.association_id;
    Ok(on_association(
        "ec2:DisassociateRouteTable",
        (ask.view, ask.call.into()),
        id,
        None,
    ))
}

/// Gives a subnet back to the main route table.
pub(super) fn disassociate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DisassociateRouteTable>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let (table, own) = by_association(&tx.view().ec2, place, &input.association_id)?;
    if own.subnet.is_none() {
        let text = format!("cannot disassociate the main route table association {}", own.id);
        return Err(Ec2Error::Parameter(text).into());
    }
    let mut table = table.clone();
    table
        .associations
        .retain(|known| known.id != input.association_id);
    tx.put(table);
    Ok(Empty {})
}

pub(super) fn require_replace(
    ask: Ask<'_, ReplaceRouteTableAssociationRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    Ok(on_association(
        "ec2:ReplaceRouteTableAssociation",
        (ask.view, ask.call.into()),
        &input.association_id,
        Some(&input.route_table_id),
    ))
}

/// Gives a subnet, or a VPC as its main one, another route table. The association gets another id.
pub(super) fn replace(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, ReplaceRouteTableAssociation>,
) -> Result<ReplaceRouteTableAssociationResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let (old, own) = by_association(tables, place, &input.association_id)?;
    let new = RouteTable::get(tables, place, &input.route_table_id)?;
    if old.vpc != new.vpc {
        let text = format!(
            "Route tables {} and {} belong to different networks",
            old.id, new.id
        );
        return Err(Ec2Error::Parameter(text).into());
    }
    let id = Kind::Association.make(tx.random);
    let moved = Association {
        id: id.clone(),
        subnet: own.subnet.clone(),
    };
    let (mut old, mut new) = (old.clone(), RouteTable::clone(new));
    old.associations.retain(|known| known.id != input.association_id);
    if old.id == new.id {
        new = old;
    } else {
        tx.put(old);
    }
    new.associations.push(moved);
    tx.put(new);
    Ok(ReplaceRouteTableAssociationResult {
        new_association_id: Some(id),
        association_state: Some(associated()),
    })
}
