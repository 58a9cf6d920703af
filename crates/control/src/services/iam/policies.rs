//! Managed policies: create, get, list, delete.

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{Arn, IamIdKind, iam_id};
use portcullis_wire::Empty;

use super::checks::{self, Checks, one};
use super::errors::IamError;
use super::managed_policies::{self, Found, uses};
use super::paging::Paging;
use super::{documents, names, quotas, tags};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, read, write};
use crate::world::managed;
use crate::world::records::Record as _;
use crate::world::records::iam::{ManagedPolicy, PolicyVersion};
use crate::world::{Snapshot, Tx, Usage};

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![
        write::<op::CreatePolicy>(&["iam:CreatePolicy", "iam:TagPolicy"], require_create, create),
        read::<op::GetPolicy>(
            &["iam:GetPolicy"],
            |ask| one(checks::on_policy("iam:GetPolicy", &ask, &ask.input.policy_arn)),
            get,
        ),
        read::<op::ListPolicies>(
            &["iam:ListPolicies"],
            |ask| {
                let prefix = ask.input.path_prefix.as_ref();
                let shown = format!("policy path {}", prefix.map_or("/", String::as_str));
                one(checks::on_list("iam:ListPolicies", &ask, "policy", prefix).shown_as(shown))
            },
            list,
        ),
        write::<op::DeletePolicy>(
            &["iam:DeletePolicy"],
            |ask| one(checks::on_policy("iam:DeletePolicy", &ask, &ask.input.policy_arn)),
            delete,
        ),
    ]
}

fn require_create(ask: Ask<'_, api::CreatePolicyRequest>) -> Checks {
    let input = ask.input;
    let path = input.path.as_deref().unwrap_or("/");
    let arn = checks::arn(ask.call, "policy", path, &input.policy_name);
    let check =
        Check::new("iam:CreatePolicy", arn.as_str()).shown_as(format!("policy {}", input.policy_name));
    checks::creating(check, "iam:TagPolicy", false, input.tags.as_ref())
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreatePolicy>,
) -> Result<api::CreatePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let document = documents::managed(&input.policy_document)?;
    if tx
        .view()
        .policies
        .get(&input.policy_name.to_ascii_lowercase())
        .is_some()
    {
        return Err(IamError::PolicyExists(input.policy_name.clone()).into());
    }
    quotas::POLICIES.room(tx.view(), tx.view().policies.len())?;
    let path = names::path(input.path.as_ref())?;
    let policy = ManagedPolicy {
        id: iam_id(IamIdKind::ManagedPolicy, &call.account, tx.random),
        arn: checks::arn(call, "policy", &path, &input.policy_name),
        name: input.policy_name.clone(),
        path,
        description: input.description.clone(),
        created: tx.now,
        updated: tx.now,
        default_version: 1,
        next_version: 2,
        versions: [(
            1,
            PolicyVersion {
                document,
                created: tx.now,
            },
        )]
        .into(),
        tags: tags::accept(input.tags.as_ref())?,
    };
    let arn = policy.arn.clone();
    tx.put(policy);
    let shown = tx.view().policy(&arn).map(|policy| api::Policy {
        tags: super::shapes::tags(&policy.tags),
        ..Found::Customer(policy).listed(tx.view())
    });
    Ok(api::CreatePolicyResponse { policy: shown })
}

fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetPolicy>,
) -> Result<api::GetPolicyResponse, ServiceError> {
    let policy = managed_policies::get(view, &auth.input().policy_arn)?;
    Ok(api::GetPolicyResponse {
        policy: Some(policy.shown(view)),
    })
}

/// The customer's policies come first, then AWS's; a marker starts with the letter of its kind.
fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListPolicies>,
) -> Result<api::ListPoliciesResponse, ServiceError> {
    let input = auth.input();
    let paging = Paging::of(input.marker.as_ref(), input.max_items)?;
    let (scope, after) = (input.scope.as_deref().unwrap_or("All"), paging.after());
    let after_aws = after.and_then(|after| after.strip_prefix("a/"));
    let customers = match (scope, after_aws) {
        ("AWS", _) | (_, Some(_)) => None,
        _ => Some(
            view.policies
                .after("", after.and_then(|after| after.strip_prefix("c/"))),
        ),
    };
    let aws = if scope == "Local" {
        &[]
    } else {
        managed::after(after_aws)
    };
    let customers = customers.into_iter().flatten();
    let customers = customers.map(|(key, policy)| (format!("c/{key}"), Found::Customer(policy)));
    let aws = aws
        .iter()
        .map(|policy| (format!("a/{}", policy.arn()), Found::Aws(policy)));
    let wanted = Wanted::of(input);
    let found = customers
        .chain(aws)
        .filter(|(_, policy)| wanted.includes(view, policy));
    let page = paging.rows(found.map(|(key, policy)| (key, policy.listed(view))));
    Ok(api::ListPoliciesResponse {
        is_truncated: page.is_truncated(),
        policies: Some(page.items),
        marker: page.marker,
    })
}

/// The filters of ListPolicies.
struct Wanted<'a> {
    prefix: &'a str,
    usage: Option<Usage>,
}

impl<'a> Wanted<'a> {
    fn of(input: &'a api::ListPoliciesRequest) -> Self {
        let usage = match (input.policy_usage_filter.as_deref(), input.only_attached) {
            (Some("PermissionsBoundary"), _) => Some(Usage::Boundary),
            (Some(_), _) | (None, Some(true)) => Some(Usage::Permissions),
            (None, _) => None,
        };
        Self {
            prefix: input.path_prefix.as_deref().unwrap_or("/"),
            usage,
        }
    }

    fn includes(&self, view: &Snapshot, policy: &Found<'_>) -> bool {
        let (path, arn) = match policy {
            Found::Customer(policy) => (policy.path.as_str(), policy.arn.as_str()),
            Found::Aws(policy) => (policy.path(), policy.arn()),
        };
        let is_used = |usage| arn.parse().is_ok_and(|arn: Arn| uses(view, &arn, usage) > 0);
        path.starts_with(self.prefix) && self.usage.is_none_or(is_used)
    }
}

/// Attachments and all versions but the default one must go first.
fn delete(tx: &mut Tx<'_>, auth: Authorized<'_, op::DeletePolicy>) -> Result<Empty, ServiceError> {
    let policy = managed_policies::edit(tx.view(), &auth.input().policy_arn)?;
    let used = |usage| uses(tx.view(), &policy.arn, usage) > 0;
    if used(Usage::Permissions) || used(Usage::Boundary) {
        return Err(IamError::PolicyAttached.into());
    }
    if policy.versions.len() > 1 {
        return Err(IamError::PolicyHasVersions.into());
    }
    tx.delete::<ManagedPolicy>(&policy.key());
    Ok(Empty {})
}
