//! Resource policies: what services of AWS may write here. They speak about nobody else (`names::GroupRef::check_stream`).

use portcullis_api::logs::op;
use portcullis_api::logs::{
    self as api, DeleteResourcePolicyRequest, DescribeResourcePoliciesResponse, PutResourcePolicyRequest,
    PutResourcePolicyResponse,
};
use portcullis_core::uuid;
use portcullis_policy::{Document, Kind};
use portcullis_wire::Empty;

use super::errors::LogsError;
use super::names::GroupRef;
use super::paging::Pager;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::records::PolicyText;
use crate::world::records::Record as _;
use crate::world::records::logs::{PolicyScope, ResourcePolicy};
use crate::world::{Snapshot, Tx};

/// Most policies of an account in a region, beside those of single groups.
const POLICIES_MAX: usize = 10;

/// What a policy is about: a group that is there, or the account.
fn scope(
    view: &Snapshot,
    call: &Call,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<PolicyScope, LogsError> {
    match (name, arn) {
        (_, Some(arn)) => {
            let group = GroupRef::identified(call, arn)?;
            group.found(view, call)?;
            Ok(PolicyScope::Resource(group.arn))
        }
        (Some(name), None) if !name.is_empty() => Ok(PolicyScope::Account(name.to_owned())),
        _ => Err(LogsError::PolicyIncomplete),
    }
}

/// Of policies of single groups a caller has to know the present revision.
fn check_revision(
    present: Option<&ResourcePolicy>,
    scope: &PolicyScope,
    expected: Option<&str>,
) -> Result<(), LogsError> {
    let present = present.map(|row| row.revision.as_str());
    let is_free = matches!(scope, PolicyScope::Account(_)) && expected.is_none();
    match is_free || expected == present {
        true => Ok(()),
        false => Err(LogsError::PolicyRevision),
    }
}

/// Makes or replaces a policy.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutResourcePolicy>,
) -> Result<PutResourcePolicyResponse, ServiceError> {
    let (input, call): (&PutResourcePolicyRequest, _) = (auth.input(), auth.call());
    let text = input
        .policy_document
        .as_deref()
        .ok_or(LogsError::PolicyIncomplete)?;
    let scope = scope(
        tx.view(),
        call,
        input.policy_name.as_deref(),
        input.resource_arn.as_deref(),
    )?;
    let document = Document::parse(text, Kind::Resource)
        .map_err(|malformed| LogsError::PolicyDocument(malformed.to_string()))?;
    let rows = &tx.view().logs.resource_policies;
    let present = rows.get(&ResourcePolicy::key_of(&call.region, &scope));
    check_revision(
        present.map(AsRef::as_ref),
        &scope,
        input.expected_revision_id.as_deref(),
    )?;
    let of_account = format!("{}/account/", call.region);
    let is_one_more = present.is_none() && matches!(scope, PolicyScope::Account(_));
    if is_one_more && rows.prefix(&of_account).count() >= POLICIES_MAX {
        return Err(LogsError::Limit.into());
    }
    let row = ResourcePolicy {
        region: call.region.clone(),
        scope,
        document: PolicyText::new(&document),
        updated: tx.now,
        revision: uuid(tx.random),
    };
    let reply = PutResourcePolicyResponse {
        resource_policy: Some(shown(&row)),
        revision_id: Some(row.revision.clone()),
    };
    tx.put(row);
    Ok(reply)
}

/// Removes a policy.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteResourcePolicy>,
) -> Result<Empty, ServiceError> {
    let (input, call): (&DeleteResourcePolicyRequest, _) = (auth.input(), auth.call());
    let scope = scope(
        tx.view(),
        call,
        input.policy_name.as_deref(),
        input.resource_arn.as_deref(),
    )?;
    let key = ResourcePolicy::key_of(&call.region, &scope);
    let name = || match &scope {
        PolicyScope::Account(name) => name.clone(),
        PolicyScope::Resource(arn) => arn.to_string(),
    };
    let present = tx.view().logs.resource_policies.get(&key);
    let present = present.ok_or_else(|| LogsError::NoPolicy(name()))?;
    check_revision(Some(present), &scope, input.expected_revision_id.as_deref())?;
    tx.delete::<ResourcePolicy>(&key);
    Ok(Empty {})
}

/// The policies of the account, or those of single groups.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeResourcePolicies>,
) -> Result<DescribeResourcePoliciesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let prefix = match (&input.resource_arn, input.policy_scope.as_deref()) {
        (Some(arn), _) => {
            let scope = PolicyScope::Resource(GroupRef::identified(call, arn)?.arn);
            ResourcePolicy::key_of(&call.region, &scope)
        }
        (None, Some("RESOURCE")) => format!("{}/resource/", call.region),
        (None, _) => format!("{}/account/", call.region),
    };
    let pager = Pager::of(input.next_token.as_deref(), input.limit, &prefix)?;
    let rows = view.logs.resource_policies.after(&prefix, pager.after.as_deref());
    let is_asked = |row: &ResourcePolicy| input.resource_arn.is_none() || row.key() == prefix;
    let (rows, next_token) = pager.page(rows.filter(|(_, row)| is_asked(row)));
    Ok(DescribeResourcePoliciesResponse {
        resource_policies: Some(rows.into_iter().map(|row| shown(row)).collect()),
        next_token,
    })
}

fn shown(row: &ResourcePolicy) -> api::ResourcePolicy {
    let (name, arn) = match &row.scope {
        PolicyScope::Account(name) => (Some(name.clone()), None),
        PolicyScope::Resource(arn) => (None, Some(arn.to_string())),
    };
    let scope = if arn.is_some() { "RESOURCE" } else { "ACCOUNT" };
    api::ResourcePolicy {
        policy_name: name,
        policy_document: Some(row.document.as_str().to_owned()),
        last_updated_time: Some(row.updated.as_millis()),
        policy_scope: Some(scope.to_owned()),
        resource_arn: arn,
        revision_id: Some(row.revision.clone()),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};

    use super::*;
    use crate::gate::assume::{Assumption, service_call};
    use crate::gate::authorize::authorize;
    use crate::world::records::logs::{LogGroup, LogGroupClass};

    const ACCOUNT: &str = "123456789012";

    fn region() -> Region {
        "us-east-1".parse().unwrap()
    }

    fn arn(group: &str) -> Arn {
        let account: AccountId = ACCOUNT.parse().unwrap();
        LogGroup::arn_of(&region(), &account, group)
    }

    fn view(policies: &[(PolicyScope, &str)]) -> Snapshot {
        let mut view = Snapshot::empty(ACCOUNT.parse().unwrap());
        for name in ["mine", "other"] {
            view.keep(LogGroup {
                id: name.to_owned(),
                region: region(),
                name: name.to_owned(),
                class: LogGroupClass::Standard,
                created: Timestamp::from_millis(0),
                retention_days: None,
                is_protected: false,
                kms_key: None,
                has_sealed_events: false,
                tags: Tags::new(),
            });
        }
        for (scope, resource) in policies {
            let text = serde_json::json!({
                "Version": "2012-10-17",
                "Statement": {
                    "Sid": "same",
                    "Effect": "Allow",
                    "Principal": { "Service": "delivery.logs.amazonaws.com" },
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": resource,
                    "Condition": { "StringEquals": { "aws:SourceAccount": ACCOUNT } }
                }
            });
            view.keep(ResourcePolicy {
                region: region(),
                scope: scope.clone(),
                document: PolicyText::new(&Document::parse(&text.to_string(), Kind::Resource).unwrap()),
                updated: Timestamp::from_millis(0),
                revision: "r".to_owned(),
            });
        }
        view
    }

    /// Whether a service may write into a stream of a group.
    fn may(view: &Snapshot, principal: &'static str, action: &'static str, group: &str) -> bool {
        let source: Arn = format!("arn:aws:s3:us-east-1:{ACCOUNT}:bucket").parse().unwrap();
        let assumption = Assumption {
            principal,
            source: &source,
            session_name: "",
        };
        let call = service_call(view, &assumption, Timestamp::from_millis(1), "id".to_owned()).unwrap();
        let check = GroupRef::named(&call, group).check_stream(view, &call, action, "stream");
        let check = check.with("aws:SourceAccount", ACCOUNT);
        authorize(view, &call, &[check]).is_ok()
    }

    #[test]
    fn services_write_where_resource_policies_let_them() {
        let delivery = "delivery.logs.amazonaws.com";
        let put = "logs:PutLogEvents";
        let all = format!("{}*", arn(""));
        let account = |name: &str| PolicyScope::Account(name.to_owned());
        let mine = format!("{}:*", arn("mine"));
        let cases = [
            (vec![], delivery, put, [false, false]),
            (vec![(account("a"), all.as_str())], delivery, put, [true, true]),
            (
                vec![(account("a"), all.as_str())],
                "route53.amazonaws.com",
                put,
                [false, false],
            ),
            (
                vec![(account("a"), all.as_str())],
                delivery,
                "logs:GetLogEvents",
                [false, false],
            ),
            (vec![(account("a"), mine.as_str())], delivery, put, [true, false]),
            (
                vec![(account("a"), mine.as_str()), (account("b"), all.as_str())],
                delivery,
                put,
                [true, true],
            ),
            // What hangs on one group says nothing of another.
            (
                vec![(PolicyScope::Resource(arn("mine")), "*")],
                delivery,
                put,
                [true, false],
            ),
        ];
        for (policies, principal, action, expected) in cases {
            let view = view(&policies);
            let found = ["mine", "other"].map(|group| may(&view, principal, action, group));
            assert_eq!(found, expected, "{policies:?} {principal} {action}");
        }
    }
}
