//! The machines that joined.

use std::sync::Arc;

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    DeregisterManagedInstanceRequest, DeregisterManagedInstanceResult, DescribeInstanceInformationResult,
    InstanceInformation,
};
use portcullis_core::Timestamp;

use super::errors::SsmError;
use super::joining::SESSION_SECONDS;
use super::paging::Pager;
use crate::gate::call::Call;
use crate::gate::context::add_resource_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::iam::Revocation;
use crate::world::records::ssm::{ManagedInstance, role_arn};
use crate::world::{Snapshot, Tx};

/// The machine of that id in the call's region.
pub(super) fn found<'v>(view: &'v Snapshot, call: &Call, id: &str) -> Option<&'v Arc<ManagedInstance>> {
    let found = view.ssm.managed_instances.get(id);
    found.filter(|row| row.region == call.region)
}

/// A check on a machine, which may not be there.
pub(super) fn check(view: &Snapshot, call: &Call, action: &'static str, id: &str) -> Check {
    let arn = ManagedInstance::arn_of(&call.region, &call.account, id);
    let mut check = Check::new(action, arn.as_str());
    if let Some(row) = found(view, call, id) {
        add_resource_tags(&mut check.context, "ssm", &row.tags);
    }
    check
}

/// What a caller wants to see: names of members with the values that will do.
struct Filter<'a> {
    key: &'a str,
    values: &'a [String],
}

impl Filter<'_> {
    fn matches(&self, row: &ManagedInstance, now: Timestamp) -> Result<bool, SsmError> {
        let is = |value: &str| self.values.iter().any(|wanted| wanted == value);
        Ok(match self.key {
            "InstanceIds" => is(&row.id),
            "ActivationIds" => is(&row.activation_id),
            "IamRole" => is(&row.iam_role),
            "PingStatus" => is(ping_status(row, now)),
            "ResourceType" => is("ManagedInstance"),
            "PlatformTypes" => is("Linux"),
            "AgentVersion" | "AssociationStatus" => false,
            key => match key.strip_prefix("tag:") {
                Some(name) => row.tags.get(name).is_some_and(is),
                None if key == "tag-key" => row.tags.iter().any(|tag| is(&tag.key)),
                None => return Err(SsmError::FilterKey),
            },
        })
    }
}

/// The machines that a caller asks for.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeInstanceInformation>,
) -> Result<DescribeInstanceInformationResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let old = input.instance_information_filter_list.iter().flatten();
    let old = old.map(|one| Filter {
        key: &one.key,
        values: &one.value_set,
    });
    let new = input.filters.iter().flatten().map(|one| Filter {
        key: &one.key,
        values: &one.values,
    });
    let filters: Vec<_> = old.chain(new).collect();
    let mut rows = Vec::new();
    for (key, row) in view.ssm.managed_instances.iter() {
        let mut wanted = row.region == call.region;
        for filter in &filters {
            wanted &= filter.matches(row, call.now)?;
        }
        if wanted {
            rows.push((key, row));
        }
    }
    let (rows, next_token) = pager.page(rows.into_iter());
    Ok(DescribeInstanceInformationResult {
        instance_information_list: Some(rows.into_iter().map(|row| shown(row, call.now)).collect()),
        next_token,
    })
}

fn shown(row: &ManagedInstance, now: Timestamp) -> InstanceInformation {
    InstanceInformation {
        instance_id: Some(row.id.clone()),
        ping_status: Some(ping_status(row, now).to_owned()),
        last_ping_date_time: Some(row.last_ping),
        platform_type: Some("Linux".to_owned()),
        activation_id: Some(row.activation_id.clone()),
        iam_role: Some(row.iam_role.clone()),
        registration_date: Some(row.registered),
        resource_type: Some("ManagedInstance".to_owned()),
        name: row.name.clone(),
        ip_address: Some(row.address.clone()),
        ..InstanceInformation::default()
    }
}

/// A machine whose credentials have run out has gone: it renews them at half their life.
fn ping_status(row: &ManagedInstance, now: Timestamp) -> &'static str {
    match now.seconds_since(row.last_ping) < SESSION_SECONDS {
        true => "Online",
        false => "ConnectionLost",
    }
}

/// The managed instance.
pub(super) fn require_deregister(
    ask: Ask<'_, DeregisterManagedInstanceRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let id = &ask.input.instance_id;
    Ok(vec![check(
        ask.view,
        ask.call,
        "ssm:DeregisterManagedInstance",
        id,
    )])
}

/// A machine goes: it gets no credentials any more, and those it has end at once.
pub(super) fn deregister(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeregisterManagedInstance>,
) -> Result<DeregisterManagedInstanceResult, ServiceError> {
    let (id, call) = (&auth.input().instance_id, auth.call());
    let row = found(tx.view(), call, id).ok_or_else(|| SsmError::NoInstance(id.clone()))?;
    let arn = role_arn(&row.region, &call.account, &row.iam_role);
    let role_id = tx.view().role_by_arn(arn.as_str()).map(|role| role.id.clone());
    if let Some(role_id) = role_id {
        let expires = tx.now.plus_seconds(SESSION_SECONDS);
        tx.put(Revocation {
            role_id,
            session_name: id.clone(),
            expires,
        });
    }
    tx.delete::<ManagedInstance>(id);
    Ok(DeregisterManagedInstanceResult {})
}
