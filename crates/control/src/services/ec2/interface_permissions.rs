//! Permissions of accounts to attach network interfaces: what ECS gives Fargate.

use portcullis_api::ec2::op::{
    CreateNetworkInterfacePermission, DeleteNetworkInterfacePermission, DescribeNetworkInterfacePermissions,
};
use portcullis_api::ec2::{
    self as api, CreateNetworkInterfacePermissionRequest, CreateNetworkInterfacePermissionResult,
    DeleteNetworkInterfacePermissionRequest, DeleteNetworkInterfacePermissionResult,
    DescribeNetworkInterfacePermissionsRequest, DescribeNetworkInterfacePermissionsResult,
};

use super::attachments::check_managed;
use super::checks::{on, on_all};
use super::describe::{Found, Wanted, matching, paged};
use super::errors::Ec2Error;
use super::ids::{Stored as _, made};
use super::place::{Place, begin};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ec2::{InterfacePermission, NetworkInterface};
use crate::world::{Snapshot, Tx};

/// What the ids of permissions start with.
const PREFIX: &str = "eni-perm";
/// Most permissions of an interface.
const PERMISSIONS_MAX: usize = 50;

pub(super) fn require_create(
    ask: Ask<'_, CreateNetworkInterfacePermissionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, place) = (ask.input, Place::from(ask.call));
    let tables = place.tables(ask.view);
    let id = &input.network_interface_id;
    let check = on::<NetworkInterface>("ec2:CreateNetworkInterfacePermission", &tables, place, id)
        .with("ec2:Permission", input.permission.as_str())
        .with_some("ec2:AuthorizedUser", input.aws_account_id.as_deref())
        .with_some("ec2:AuthorizedService", input.aws_service.as_deref());
    Ok(vec![check])
}

/// Permits an account to attach an interface. An account has one permission of a kind, however often it is given.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, CreateNetworkInterfacePermission>,
) -> Result<CreateNetworkInterfacePermissionResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    if input.aws_service.is_some() {
        return Err(Ec2Error::Unsupported("permissions of services").into());
    }
    let account = input.aws_account_id.clone();
    let account = account.ok_or(Ec2Error::Missing("awsAccountId"))?;
    let found = NetworkInterface::get(&tx.view().ec2, place, &input.network_interface_id)?;
    check_managed(auth.call(), found)?;
    let is_same = |one: &&InterfacePermission| one.account == account && one.permission == input.permission;
    let known = found.permissions.iter().find(is_same).cloned();
    let mut interface = NetworkInterface::clone(found);
    let permission = known.unwrap_or_else(|| InterfacePermission {
        id: made(PREFIX, tx.random),
        account,
        permission: input.permission.clone(),
    });
    let answer = shown(&interface, &permission);
    if !interface.permissions.contains(&permission) {
        if interface.permissions.len() >= PERMISSIONS_MAX {
            return Err(Ec2Error::PermissionLimit.into());
        }
        interface.permissions.push(permission);
        tx.put(interface);
    }
    Ok(CreateNetworkInterfacePermissionResult {
        interface_permission: Some(answer),
    })
}

fn shown(interface: &NetworkInterface, permission: &InterfacePermission) -> api::NetworkInterfacePermission {
    api::NetworkInterfacePermission {
        network_interface_permission_id: Some(permission.id.clone()),
        network_interface_id: Some(interface.id.clone()),
        aws_account_id: Some(permission.account.clone()),
        permission: Some(permission.permission.clone()),
        permission_state: Some(api::NetworkInterfacePermissionState {
            state: Some("granted".to_owned()),
            ..api::NetworkInterfacePermissionState::default()
        }),
        ..api::NetworkInterfacePermission::default()
    }
}

pub(super) fn require_delete(
    ask: Ask<'_, DeleteNetworkInterfacePermissionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DeleteNetworkInterfacePermission", ask.call.into()))
}

/// Takes a permission back.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, DeleteNetworkInterfacePermission>,
) -> Result<DeleteNetworkInterfacePermissionResult, ServiceError> {
    let input = auth.input();
    let place = begin(tx, auth.call(), input.dry_run)?;
    let id = &input.network_interface_permission_id;
    let found = tx.view().ec2.interface_with_part(place.region, id);
    let found = found.filter(|found| found.permissions.iter().any(|own| own.id == *id));
    let found = found.ok_or_else(|| Ec2Error::PermissionNotFound(id.clone()))?;
    check_managed(auth.call(), found)?;
    let mut interface = NetworkInterface::clone(found);
    interface.permissions.retain(|own| own.id != *id);
    tx.put(interface);
    Ok(DeleteNetworkInterfacePermissionResult { r#return: Some(true) })
}

pub(super) fn require_describe(
    ask: Ask<'_, DescribeNetworkInterfacePermissionsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(on_all("ec2:DescribeNetworkInterfacePermissions", ask.call.into()))
}

pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeNetworkInterfacePermissions>,
) -> Result<DescribeNetworkInterfacePermissionsResult, ServiceError> {
    let input = auth.input();
    let place = Place::from(auth.call());
    let tables = place.tables(view);
    let ids = input
        .network_interface_permission_ids
        .as_deref()
        .unwrap_or_default();
    let all = tables.all::<NetworkInterface>(place.region);
    let each = all.iter().flat_map(|interface| {
        let own = interface.permissions.iter();
        own.map(|permission| shown(interface, permission))
    });
    let mut rows: Vec<_> = each
        .filter(|row| {
            ids.is_empty()
                || row
                    .network_interface_permission_id
                    .iter()
                    .any(|id| ids.contains(id))
        })
        .collect();
    rows.sort_by(|one, other| {
        one.network_interface_permission_id
            .cmp(&other.network_interface_permission_id)
    });
    let known = |id: &String| {
        rows.iter()
            .any(|row| row.network_interface_permission_id.as_ref() == Some(id))
    };
    if let Some(unknown) = ids.iter().find(|id| !known(id)) {
        return Err(Ec2Error::PermissionNotFound(unknown.clone()).into());
    }
    let rows = matching(rows, input.filters.as_deref(), property)?;
    let wanted = Wanted {
        ids: input.network_interface_permission_ids.as_deref(),
        token: input.next_token.as_deref(),
        max_results: input.max_results,
        ids_called: "networkInterfacePermissionIdSet",
        ..Wanted::default()
    };
    let id = |row: &api::NetworkInterfacePermission| {
        row.network_interface_permission_id.clone().unwrap_or_default()
    };
    let (rows, next_token) = paged(rows, wanted, id)?;
    Ok(DescribeNetworkInterfacePermissionsResult {
        network_interface_permissions: Some(rows),
        next_token,
    })
}

fn property(row: &api::NetworkInterfacePermission, name: &str) -> Found {
    match name {
        "network-interface-permission.network-interface-permission-id" => {
            Found::some(row.network_interface_permission_id.as_ref())
        }
        "network-interface-permission.network-interface-id" => Found::some(row.network_interface_id.as_ref()),
        "network-interface-permission.aws-account-id" => Found::some(row.aws_account_id.as_ref()),
        "network-interface-permission.aws-service" => Found::some(row.aws_service.as_ref()),
        "network-interface-permission.permission" => Found::some(row.permission.as_ref()),
        _ => Found::Unknown,
    }
}
