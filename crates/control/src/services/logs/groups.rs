//! Log groups: making, changing and removing them.

use portcullis_api::logs::op;
use portcullis_api::logs::{
    CreateLogGroupRequest, DeleteLogGroupRequest, DeleteRetentionPolicyRequest,
    PutLogGroupDeletionProtectionRequest, PutRetentionPolicyRequest,
};
use portcullis_core::uuid;
use portcullis_wire::Empty;

use super::errors::LogsError;
use super::names::{GroupRef, on_named, with_resource_tags};
use super::{sealing, tags};
use crate::gate::context::add_request_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::Record as _;
use crate::world::records::logs::{
    Errand, LogGroup, LogGroupClass, LogStream, PolicyScope, ResourcePolicy, What,
};

/// How many days events may be kept.
const RETENTION_DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];
/// How many days groups for deliveries keep their events.
const DELIVERY_DAYS: u32 = 1;
/// The actions either of which is enough to give tags while creating.
const TAGGING: [&str; 2] = ["logs:TagResource", "logs:TagLogGroup"];

/// The group, and of its tags either of two permissions.
pub(super) fn require_create(ask: Ask<'_, CreateLogGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::named(ask.call, &ask.input.log_group_name);
    let tags = tags::requested(ask.input.tags.as_ref());
    let with_tags = |check: Check| {
        let mut check = with_resource_tags(check, &tags);
        add_request_tags(&mut check.context, &tags);
        check
    };
    let mut checks = vec![with_tags(group.check(ask.view, ask.call, "logs:CreateLogGroup"))];
    if !tags.is_empty() {
        let [by_arn, by_name] = TAGGING;
        checks.push(with_tags(group.check_bare(ask.view, ask.call, by_arn)).optional());
        checks.push(with_tags(group.check(ask.view, ask.call, by_name)).optional());
    }
    Ok(checks)
}

/// Makes a group.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateLogGroup>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let name = &input.log_group_name;
    let has_tags = input.tags.as_ref().is_some_and(|tags| !tags.is_empty());
    if has_tags && !TAGGING.iter().any(|action| auth.may(action)) {
        return Err(LogsError::TagsOnCreate(call.account.to_string()).into());
    }
    if name
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws/"))
    {
        return Err(LogsError::ReservedName.into());
    }
    if tx.view().logs.group(&call.region, name).is_some() {
        return Err(LogsError::GroupExists.into());
    }
    let class = LogGroupClass::parse(input.log_group_class.as_deref());
    let retention_days = (class == LogGroupClass::Delivery).then_some(DELIVERY_DAYS);
    let tags = tags::checked(input.tags.as_ref())?;
    let arn = LogGroup::arn_of(&call.region, &call.account, name);
    let kms_key = input.kms_key_id.as_deref();
    let kms_key = kms_key
        .map(|key| sealing::new_key(tx, call, &arn, key))
        .transpose()?;
    let group = LogGroup {
        id: uuid(tx.random),
        region: call.region.clone(),
        name: name.clone(),
        class,
        created: tx.now,
        retention_days,
        is_protected: input.deletion_protection_enabled.unwrap_or(false),
        has_sealed_events: kms_key.is_some(),
        kms_key,
        tags,
    };
    if retention_days.is_some() {
        tx.put(group.errand(What::Retain(retention_days)));
    }
    tx.put(group);
    Ok(Empty {})
}

/// The group.
pub(super) fn require_delete(ask: Ask<'_, DeleteLogGroupRequest>) -> Result<Vec<Check>, ServiceError> {
    on_named(&ask, "logs:DeleteLogGroup", &ask.input.log_group_name)
}

/// Removes a group with its streams and its policy; its events go after it.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteLogGroup>,
) -> Result<Empty, ServiceError> {
    let call = auth.call();
    let reference = GroupRef::named(call, &auth.input().log_group_name);
    let group = reference.found(tx.view(), call)?.clone();
    if group.is_protected {
        return Err(LogsError::Protected.into());
    }
    let prefix = LogStream::key_of(&group.region, &group.name, "");
    let streams = tx.view().logs.streams.prefix(&prefix);
    let streams: Vec<String> = streams.map(|(key, _)| key.to_owned()).collect();
    for key in &streams {
        tx.delete::<LogStream>(key);
    }
    tx.delete::<ResourcePolicy>(&ResourcePolicy::key_of(
        &group.region,
        &PolicyScope::Resource(reference.arn),
    ));
    // What is not there any more is not kept for any time: the store would make it anew.
    tx.delete::<Errand>(&group.errand(What::Retain(None)).key());
    tx.put(group.errand(What::ForgetGroup));
    tx.delete::<LogGroup>(&group.key());
    Ok(Empty {})
}

/// The group.
pub(super) fn require_put_retention(
    ask: Ask<'_, PutRetentionPolicyRequest>,
) -> Result<Vec<Check>, ServiceError> {
    on_named(&ask, "logs:PutRetentionPolicy", &ask.input.log_group_name)
}

/// Sets how long events are kept.
pub(super) fn put_retention(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutRetentionPolicy>,
) -> Result<Empty, ServiceError> {
    let days = auth.input().retention_in_days;
    if !RETENTION_DAYS.contains(&days) {
        return Err(LogsError::Retention(days).into());
    }
    let group = GroupRef::named(auth.call(), &auth.input().log_group_name);
    let group = group.found(tx.view(), auth.call())?.clone();
    retain(tx, group, u32::try_from(days).ok())
}

/// The group.
pub(super) fn require_delete_retention(
    ask: Ask<'_, DeleteRetentionPolicyRequest>,
) -> Result<Vec<Check>, ServiceError> {
    on_named(&ask, "logs:DeleteRetentionPolicy", &ask.input.log_group_name)
}

/// Keeps events for ever.
pub(super) fn delete_retention(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteRetentionPolicy>,
) -> Result<Empty, ServiceError> {
    let group = GroupRef::named(auth.call(), &auth.input().log_group_name);
    let group = group.found(tx.view(), auth.call())?.clone();
    retain(tx, group, None)
}

fn retain(tx: &mut Tx<'_>, mut group: LogGroup, days: Option<u32>) -> Result<Empty, ServiceError> {
    if group.class == LogGroupClass::Delivery {
        return Err(LogsError::RetentionOfDelivery.into());
    }
    group.retention_days = days;
    tx.put(group.errand(What::Retain(days)));
    tx.put(group);
    Ok(Empty {})
}

/// The group.
pub(super) fn require_protect(
    ask: Ask<'_, PutLogGroupDeletionProtectionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let group = GroupRef::identified(ask.call, &ask.input.log_group_identifier)?;
    Ok(vec![group.check(
        ask.view,
        ask.call,
        "logs:PutLogGroupDeletionProtection",
    )])
}

/// Keeps a group from being deleted, or lets it be.
pub(super) fn protect(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutLogGroupDeletionProtection>,
) -> Result<Empty, ServiceError> {
    let group = GroupRef::identified(auth.call(), &auth.input().log_group_identifier)?;
    let group = group.found(tx.view(), auth.call())?.clone();
    tx.put(LogGroup {
        is_protected: auth.input().deletion_protection_enabled,
        ..group
    });
    Ok(Empty {})
}
