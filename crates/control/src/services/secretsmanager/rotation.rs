//! RotateSecret and CancelRotateSecret. A rotation is done by a Lambda function, and there are none here: RotateSecret answers
//! as AWS does where the function is missing, or cannot be invoked.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    CancelRotateSecretRequest, CancelRotateSecretResponse, RotateSecretRequest, RotateSecretResponse,
};

use super::create::own_live;
use super::errors::SecretsError;
use super::names::Named;
use super::versions::PENDING;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;

/// The secret, with what the caller says of the rotation.
pub(super) fn require_rotate(ask: Ask<'_, RotateSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let input = ask.input;
    let named = Named::of(ask.view, ask.call, &input.secret_id);
    let changes_rules = input.rotation_rules.is_some();
    let check = named
        .check("secretsmanager:RotateSecret")
        .with_some(
            "secretsmanager:RotationLambdaARN",
            input.rotation_lambda_arn.clone(),
        )
        .with_some(
            "secretsmanager:ExternalSecretRotationRoleArn",
            input.external_secret_rotation_role_arn.clone(),
        )
        .with("secretsmanager:ModifyRotationRules", changes_rules.to_string())
        .with(
            "secretsmanager:RotateImmediately",
            input.rotate_immediately.unwrap_or(true).to_string(),
        );
    Ok(vec![check])
}

/// Refuses, in AWS's words.
pub(super) fn rotate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::RotateSecret>,
) -> Result<RotateSecretResponse, ServiceError> {
    let input = auth.input();
    own_live(tx, auth.call(), &input.secret_id)?;
    Err(match &input.rotation_lambda_arn {
        Some(_) => SecretsError::RotationFunction.into(),
        None => SecretsError::NoRotation.into(),
    })
}

/// The secret.
pub(super) fn require_cancel(ask: Ask<'_, CancelRotateSecretRequest>) -> Result<Vec<Check>, ServiceError> {
    let named = Named::of(ask.view, ask.call, &ask.input.secret_id);
    Ok(vec![named.check("secretsmanager:CancelRotateSecret")])
}

/// Turns rotation off. Labels stay as they are.
pub(super) fn cancel(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CancelRotateSecret>,
) -> Result<CancelRotateSecretResponse, ServiceError> {
    let call = auth.call();
    let mut row = own_live(tx, call, &auth.input().secret_id)?;
    row.rotation_enabled = Some(false);
    row.changed = tx.now;
    let reply = CancelRotateSecretResponse {
        arn: Some(row.arn(&call.account).to_string()),
        name: Some(row.name.clone()),
        version_id: row.stages.get(PENDING).cloned(),
    };
    tx.put(row);
    Ok(reply)
}
