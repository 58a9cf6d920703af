//! Internet gateways.

use portcullis_api::ec2::op::{
    AttachInternetGateway, CreateInternetGateway, DeleteInternetGateway, DescribeInternetGateways,
    DetachInternetGateway,
};
use portcullis_api::ec2::{
    self as api, AttachInternetGatewayRequest, CreateInternetGatewayRequest, CreateInternetGatewayResult,
    DeleteInternetGatewayRequest, DescribeInternetGatewaysRequest, DescribeInternetGatewaysResult,
    DetachInternetGatewayRequest,
};
use portcullis_wire::Empty;

use super::checks::{on, on_all, on_made};
use super::describe::{Found, Wanted, of_tags, page};
use super::errors::Ec2Error;
use super::ids::{Kind, Stored as _};
use super::place::{Place, begin, not_dry};
use super::tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::Record as _;
use crate::world::records::ec2::{InternetGateway, Vpc};
use crate::world::{Snapshot, Tx};

pub(super) fn require_create(ask: Ask<'_, CreateInternetGatewayRequest>) -> Result<Vec<Check>, ServiceError> {
    let tags = tags::requested(ask.input.tag_specifications.as_deref(), Kind::InternetGateway);
    let names = ("ec2:CreateInternetGateway", "CreateInternetGateway");
    Ok(on_made(names, Kind::InternetGateway, ask.call.into(), &tags))
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateInternetGateway>,
) -> Result<CreateInternetGatewayResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let gateway = InternetGateway {
        region: place.region.clone(),
        id: Kind::InternetGateway.make(tx.random),
        vpc: None,
        tags: tags::checked(input.tag_specifications.as_deref(), Kind::InternetGateway)?,
    };
    let shown = shown(place, &gateway);
    tx.put(gateway);
    Ok(CreateInternetGatewayResult {
        internet_gateway: Some(shown),
    })
}

pub(super) fn require_describe(
    ask: Ask<'_, DescribeInternetGatewaysRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeInternetGateways", ask.call.into()))
}

pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeInternetGateways>,
) -> Result<DescribeInternetGatewaysResult, ServiceError> {
    let input = auth.input();
    not_dry(input.dry_run)?;
    let place = Place::from(auth.call());
    let wanted = Wanted {
        ids: input.internet_gateway_ids.as_deref(),
        filters: input.filters.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "internetGatewayIdSet",
    };
    let tables = place.tables(view);
    let (rows, next_token) = page::<InternetGateway>(&tables, place, wanted, |gateway, name| match name {
        "internet-gateway-id" => Found::one(&gateway.id),
        "attachment.vpc-id" => Found::some(gateway.vpc.as_ref()),
        "attachment.state" => Found::some(gateway.vpc.as_ref().map(|_| "available")),
        "owner-id" => Found::one(place.account.as_str()),
        _ => of_tags(&gateway.tags, name),
    })?;
    Ok(DescribeInternetGatewaysResult {
        internet_gateways: Some(rows.into_iter().map(|gateway| shown(place, gateway)).collect()),
        next_token,
    })
}

fn shown(place: Place<'_>, gateway: &InternetGateway) -> api::InternetGateway {
    let attachment = gateway.vpc.as_ref().map(|vpc| api::InternetGatewayAttachment {
        // AWS's word for it here, whatever the model's enumeration says.
        state: Some("available".to_owned()),
        vpc_id: Some(vpc.clone()),
    });
    api::InternetGateway {
        internet_gateway_id: Some(gateway.id.clone()),
        attachments: Some(attachment.into_iter().collect()),
        owner_id: Some(place.account.to_string()),
        tags: tags::shown(&gateway.tags),
    }
}

pub(super) fn require_attach(ask: Ask<'_, AttachInternetGatewayRequest>) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:AttachInternetGateway";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    Ok(vec![
        on::<InternetGateway>(ACTION, &tables, place, &input.internet_gateway_id),
        on::<Vpc>(ACTION, &tables, place, &input.vpc_id),
    ])
}

pub(super) fn attach(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, AttachInternetGateway>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let gateway = InternetGateway::get(tables, place, &input.internet_gateway_id)?;
    let vpc = Vpc::get(tables, place, &input.vpc_id)?.id.clone();
    if let Some(known) = &gateway.vpc {
        return Err(Ec2Error::AlreadyAttached {
            gateway: gateway.id.clone(),
            vpc: known.clone(),
        }
        .into());
    }
    if !tables.children::<InternetGateway>(place.region, &vpc).is_empty() {
        return Err(Ec2Error::HasGateway(vpc).into());
    }
    let mut gateway = InternetGateway::clone(gateway);
    gateway.vpc = Some(vpc);
    tx.put(gateway);
    Ok(Empty {})
}

pub(super) fn require_detach(ask: Ask<'_, DetachInternetGatewayRequest>) -> Result<Vec<Check>, ServiceError> {
    const ACTION: &str = "ec2:DetachInternetGateway";
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    Ok(vec![
        on::<InternetGateway>(ACTION, &tables, place, &input.internet_gateway_id),
        on::<Vpc>(ACTION, &tables, place, &input.vpc_id),
    ])
}

/// Routes through the gateway stay, as black holes.
pub(super) fn detach(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DetachInternetGateway>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let tables = &tx.view().ec2;
    let gateway = InternetGateway::get(tables, place, &input.internet_gateway_id)?;
    Vpc::get(tables, place, &input.vpc_id)?;
    if gateway.vpc.as_ref() != Some(&input.vpc_id) {
        return Err(Ec2Error::NotAttached {
            gateway: gateway.id.clone(),
            vpc: input.vpc_id.clone(),
        }
        .into());
    }
    let mut gateway = InternetGateway::clone(gateway);
    gateway.vpc = None;
    tx.put(gateway);
    Ok(Empty {})
}

pub(super) fn require_delete(ask: Ask<'_, DeleteInternetGatewayRequest>) -> Result<Vec<Check>, ServiceError> {
    let place = Place::from(ask.call);
    Ok(vec![on::<InternetGateway>(
        "ec2:DeleteInternetGateway",
        &place.tables(ask.view),
        place,
        &ask.input.internet_gateway_id,
    )])
}

pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteInternetGateway>,
) -> Result<Empty, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let gateway = InternetGateway::get(&tx.view().ec2, place, &input.internet_gateway_id)?;
    if gateway.vpc.is_some() {
        return Err(Ec2Error::InUse(Kind::InternetGateway, gateway.id.clone()).into());
    }
    let key = gateway.key();
    tx.delete::<InternetGateway>(&key);
    Ok(Empty {})
}
