//! Resource policies of secrets.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse, GetResourcePolicyRequest,
    GetResourcePolicyResponse, PutResourcePolicyRequest, PutResourcePolicyResponse,
    ValidateResourcePolicyRequest, ValidateResourcePolicyResponse, ValidationErrorsEntry,
};
use portcullis_policy::Document;
use portcullis_policy::syntax::{Condition, SetOperator, Test};

use super::create::own_live;
use super::errors::SecretsError;
use super::names::Named;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::resource_policies::{self, NotTaken, is_for_everybody};
use crate::world::records::PolicyText;
use crate::world::{Snapshot, Tx};

/// Keys by which a statement for everybody is for some only.
const NARROWING: &[&str] = &[
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIp",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:userid",
];

/// The secret.
pub(super) fn require_get(ask: Ask<'_, GetResourcePolicyRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    Ok(vec![named.check("secretsmanager:GetResourcePolicy")])
}

/// The policy of a secret, if it has one.
pub(super) fn get(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetResourcePolicy>,
) -> Result<GetResourcePolicyResponse, ServiceError> {
    only_the_policy(auth.input().policy_name.as_ref())?;
    let named = Named::of(view, auth.call(), &auth.input().secret_id);
    let row = named.live()?;
    let policy = row.policy.as_ref();
    Ok(GetResourcePolicyResponse {
        arn: Some(named.arn.clone()),
        name: Some(row.name.clone()),
        resource_policy: policy.map(|policy| resource_policies::shown(&named.home, policy)),
        policy_name: None,
    })
}

/// The secret, with what the caller says of public policies.
pub(super) fn require_put(ask: Ask<'_, PutResourcePolicyRequest>) -> Result<Vec<Check>, ServiceError> {
    let check = Named::of(ask.view, ask.call, &ask.input.secret_id)
        .check("secretsmanager:PutResourcePolicy")
        .with_some(
            "secretsmanager:BlockPublicPolicy",
            ask.input.block_public_policy.map(|block| block.to_string()),
        );
    Ok(vec![check])
}

/// Gives a secret a policy.
pub(super) fn put(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutResourcePolicy>,
) -> Result<PutResourcePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    only_the_policy(input.policy_name.as_ref())?;
    let policy = accepted(tx.view(), &input.resource_policy)?;
    let is_public = policy.document().is_none_or(is_public);
    if is_public && input.block_public_policy.unwrap_or_default() {
        return Err(SecretsError::PublicPolicy.into());
    }
    let mut row = own_live(tx, call, &input.secret_id)?;
    row.policy = Some(policy);
    row.changed = tx.now;
    let reply = PutResourcePolicyResponse {
        arn: Some(row.arn(&call.account).to_string()),
        name: Some(row.name.clone()),
        policy_name: None,
    };
    tx.put(row);
    Ok(reply)
}

/// The secret.
pub(super) fn require_delete(ask: Ask<'_, DeleteResourcePolicyRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    Ok(vec![named.check("secretsmanager:DeleteResourcePolicy")])
}

/// Takes the policy of a secret away.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteResourcePolicy>,
) -> Result<DeleteResourcePolicyResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    only_the_policy(input.policy_name.as_ref())?;
    let mut row = own_live(tx, call, &input.secret_id)?;
    row.policy = None;
    row.changed = tx.now;
    let reply = DeleteResourcePolicyResponse {
        arn: Some(row.arn(&call.account).to_string()),
        name: Some(row.name.clone()),
        policy_name: None,
    };
    tx.put(row);
    Ok(reply)
}

/// The secret, if the caller names one.
pub(super) fn require_validate(
    ask: Ask<'_, ValidateResourcePolicyRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let action = "secretsmanager:ValidateResourcePolicy";
    Ok(vec![match &ask.input.secret_id {
        Some(id) => Named::of(ask.view, ask.call, id).check(action),
        None => Check::new(action, "*"),
    }])
}

/// What would be wrong with a policy.
pub(super) fn validate(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::ValidateResourcePolicy>,
) -> Result<ValidateResourcePolicyResponse, ServiceError> {
    let input = auth.input();
    if let Some(id) = &input.secret_id {
        Named::of(view, auth.call(), id).live()?;
    }
    let error = |check: &str, text: String| ValidationErrorsEntry {
        check_name: Some(check.to_owned()),
        error_message: Some(text),
    };
    let errors = match accepted(view, &input.resource_policy) {
        Err(malformed) => vec![error("SYNTAX", malformed.to_string())],
        Ok(policy) if policy.document().is_none_or(is_public) => {
            vec![error(
                "BLOCK_PUBLIC_POLICY",
                SecretsError::PublicPolicy.to_string(),
            )]
        }
        Ok(_) => Vec::new(),
    };
    Ok(ValidateResourcePolicyResponse {
        policy_validation_passed: Some(errors.is_empty()),
        validation_errors: Some(errors),
    })
}

fn accepted(view: &Snapshot, text: &str) -> Result<PolicyText, SecretsError> {
    resource_policies::accept(view, text).map_err(|refused| match refused {
        NotTaken::Malformed(malformed) => SecretsError::MalformedPolicy(malformed.to_string()),
        NotTaken::UnknownPrincipal(_) => SecretsError::UnsupportedPrincipal,
    })
}

/// A secret has one policy here, without a name.
fn only_the_policy(name: Option<&String>) -> Result<(), SecretsError> {
    match name {
        Some(_) => Err(SecretsError::Unsupported("A resource policy with a name")),
        None => Ok(()),
    }
}

/// Whether a policy gives something to everybody: a statement that allows all principals, or all but some, under no
/// condition on who or where they are.
fn is_public(document: &Document) -> bool {
    document
        .statements()
        .iter()
        .any(|statement| is_for_everybody(statement) && !statement.conditions.iter().any(is_narrowing))
}

/// Whether a condition holds for some callers only. One that also holds where its key is absent does not, nor does one that
/// names who is kept out.
fn is_narrowing(condition: &Condition) -> bool {
    let (operator, mut keys) = (condition.operator, NARROWING.iter());
    let is_fixed = condition
        .values
        .iter()
        .all(|value| !value.text.starts_with('*') && value.text != "0.0.0.0/0" && value.text != "::/0");
    let is_strict =
        !operator.negated() && !operator.if_exists() && operator.set() != Some(SetOperator::ForAllValues);
    let is_null = operator.test() == Test::Null;
    is_fixed && is_strict && !is_null && keys.any(|key| key.eq_ignore_ascii_case(&condition.key))
}
