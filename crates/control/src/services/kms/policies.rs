//! Key policies. A key has exactly one, called `default`.

use std::sync::LazyLock;

use portcullis_api::kms::op;
use portcullis_api::kms::{
    GetKeyPolicyRequest, GetKeyPolicyResponse, ListKeyPoliciesRequest, ListKeyPoliciesResponse,
    PutKeyPolicyRequest,
};
use portcullis_policy::{Document, Kind};
use portcullis_wire::Empty;

use super::checks::{self, Asked};
use super::errors::KmsError;
use super::keys::{edit, own};
use super::paging::Pager;
use super::resolve::{Found, Takes, find, staying};
use crate::gate::authorize;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::resource_policies::{self, Home, NotTaken};
use crate::world::compiled::Policy;
use crate::world::records::PolicyText;
use crate::world::records::kms::Key;
use crate::world::{Snapshot, Tx};

const DEFAULT: &str = "default";
/// Bytes a key policy may have.
const POLICY_BYTES: usize = 32 * 1024;

/// Checks a key policy and gives the form to keep.
pub(super) fn accept(view: &Snapshot, text: &str) -> Result<PolicyText, KmsError> {
    if text.len() > POLICY_BYTES {
        return Err(KmsError::Limit(format!(
            "The key policy is longer than {POLICY_BYTES} bytes."
        )));
    }
    resource_policies::accept(view, text).map_err(|refused| {
        KmsError::MalformedPolicy(match refused {
            NotTaken::UnknownPrincipal(_) => {
                "Policy contains a statement with one or more invalid principals.".to_owned()
            }
            NotTaken::Malformed(malformed) => malformed.to_string(),
        })
    })
}

/// The policy of a key that is made without one: the account's own policies decide.
pub(super) fn default(call: &Call) -> Result<PolicyText, KmsError> {
    let root = format!("arn:{}:iam::{}:root", call.region.partition(), call.account);
    let text = format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "{root}"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    );
    let document = Document::parse(&text, Kind::Resource).map_err(|_| KmsError::Internal)?;
    Ok(PolicyText::new(&document))
}

/// Stands for all that identity policies could allow.
static ALL: LazyLock<Option<Policy>> = LazyLock::new(|| {
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    Document::parse(text, Kind::Identity).ok().map(Policy::new)
});

/// Refuses a key whose policy would not let the caller change it again, whatever the caller's own policies say.
pub(super) fn keep_out_of_lockout(view: &Snapshot, call: &Call, key: &Key) -> Result<(), KmsError> {
    let found = Found {
        arn: key.arn.clone(),
        key: Some(std::sync::Arc::new(key.clone())),
        alias: None,
        home: Some(Home::Here(view)),
    };
    let check = checks::on_key(call, "kms:PutKeyPolicy", &found, Asked::default())
        .with("kms:BypassPolicyLockoutSafetyCheck", "false");
    let all = ALL.as_ref().ok_or(KmsError::Internal)?;
    match authorize::would_allow(view, call, &check, all) {
        true => Ok(()),
        false => Err(KmsError::Lockout),
    }
}

/// The key.
pub(super) fn require_get(ask: Ask<'_, GetKeyPolicyRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:GetKeyPolicy")
}

/// The policy of a key.
pub(super) fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetKeyPolicy>,
) -> Result<GetKeyPolicyResponse, ServiceError> {
    named(auth.input().policy_name.as_deref())?;
    let found = find(view, auth.call(), &auth.input().key_id, Takes::Own)?;
    let key = found.there()?;
    Ok(GetKeyPolicyResponse {
        policy: Some(resource_policies::shown(view, &key.policy)),
        policy_name: Some(DEFAULT.to_owned()),
    })
}

fn named(name: Option<&str>) -> Result<(), KmsError> {
    match name.unwrap_or(DEFAULT) {
        DEFAULT => Ok(()),
        _ => Err(KmsError::NoPolicy),
    }
}

/// The key.
pub(super) fn require_list(ask: Ask<'_, ListKeyPoliciesRequest>) -> Result<Vec<Check>, ServiceError> {
    own(ask.view, ask.call, &ask.input.key_id, "kms:ListKeyPolicies")
}

/// The one name there is.
pub(super) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ListKeyPolicies>,
) -> Result<ListKeyPoliciesResponse, ServiceError> {
    let input = auth.input();
    find(view, auth.call(), &input.key_id, Takes::Own)?.there()?;
    let pager = Pager::of(input.marker.as_deref(), input.limit, 100, 1_000)?;
    let names = std::iter::once((DEFAULT.to_owned(), DEFAULT.to_owned()));
    let (names, next_marker) = pager.page(names);
    Ok(ListKeyPoliciesResponse {
        policy_names: Some(names),
        truncated: Some(next_marker.is_some()),
        next_marker,
    })
}

/// The key, and whether the safety check is bypassed.
pub(super) fn require_put(ask: Ask<'_, PutKeyPolicyRequest>) -> Result<Vec<Check>, ServiceError> {
    let bypasses = ask.input.bypass_policy_lockout_safety_check.unwrap_or(false);
    let checks = own(ask.view, ask.call, &ask.input.key_id, "kms:PutKeyPolicy")?;
    let with = |check: Check| check.with("kms:BypassPolicyLockoutSafetyCheck", bypasses.to_string());
    Ok(checks.into_iter().map(with).collect())
}

/// Gives a key another policy.
pub(super) fn put(tx: &mut Tx<'_>, auth: Authorized<'_, op::PutKeyPolicy>) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    named(input.policy_name.as_deref())?;
    let mut key = edit(tx, call, &input.key_id)?;
    staying(&key)?;
    key.policy = accept(tx.view(), &input.policy)?;
    if input.bypass_policy_lockout_safety_check != Some(true) {
        keep_out_of_lockout(tx.view(), call, &key)?;
    }
    tx.put(key);
    Ok(Empty {})
}
