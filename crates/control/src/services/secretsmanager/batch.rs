//! BatchGetSecretValue: several secrets, each decided by itself.

use portcullis_api::secretsmanager::op;
use portcullis_api::secretsmanager::{
    APIErrorType, BatchGetSecretValueRequest, BatchGetSecretValueResponse, SecretValueEntry,
};

use super::errors::SecretsError;
use super::filters;
use super::names::Named;
use super::paging::Pager;
use super::values::{Opened, Wanted, checks_to_read, opened};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::secrets::{Order, StoredSecret};

const PAGE_MAX: usize = 20;

/// The secrets of a call, as it names them, and the token of the next page.
fn wanted(
    view: &Snapshot,
    call: &Call,
    input: &BatchGetSecretValueRequest,
) -> Result<(Vec<String>, Option<String>), SecretsError> {
    match (&input.secret_id_list, &input.filters) {
        (Some(ids), None) if input.next_token.is_none() && input.max_results.is_none() => {
            Ok((ids.clone(), None))
        }
        (None, Some(filters)) => {
            let pager = Pager::of(input.next_token.as_deref(), input.max_results, PAGE_MAX)?;
            let rows = view
                .secrets
                .listed(&call.region, Order::Name, false, pager.after());
            let is_wanted =
                |row: &StoredSecret| row.deleted.is_none() && filters::is_wanted(call, Some(filters), row);
            let rows = rows.filter(|(_, row)| is_wanted(row));
            Ok(pager.page(rows.map(|(key, row)| (key, row.arn(&view.account).to_string()))))
        }
        _ => Err(SecretsError::Batch),
    }
}

/// The call itself, listing when it says by filters what it wants, and each secret, which may be refused by itself.
pub(super) fn require(ask: Ask<'_, BatchGetSecretValueRequest>) -> Result<Vec<Check>, ServiceError> {
    let mut checks = own_checks(ask.input);
    for id in wanted(ask.view, ask.call, ask.input)?.0 {
        let named = Named::of(ask.view, ask.call, &id);
        let of_secret = checks_to_read(ask.view, ask.call, &named, Wanted::default())?;
        checks.extend(of_secret.into_iter().map(Check::optional));
    }
    Ok(checks)
}

fn own_checks(input: &BatchGetSecretValueRequest) -> Vec<Check> {
    let mut checks = vec![Check::new("secretsmanager:BatchGetSecretValue", "*")];
    if input.filters.is_some() {
        checks.push(Check::new("secretsmanager:ListSecrets", "*"));
    }
    checks
}

/// The current values of several secrets.
pub(super) fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::BatchGetSecretValue>,
) -> Result<BatchGetSecretValueResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (ids, next_token) = wanted(view, call, input)?;
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let named = Named::of(view, call, &id);
        let checks = checks_to_read(view, call, &named, Wanted::default())?;
        let allowed = checks.iter().try_for_each(|check| auth.decided(check));
        let outcome = allowed.and_then(|()| opened(view, env, call, &named, Wanted::default()));
        match outcome {
            Ok(opened) => values.push(shown(opened)),
            Err(error) => errors.push(APIErrorType {
                secret_id: Some(id),
                error_code: Some(error.code().to_owned()),
                message: Some(error.message().to_owned()),
            }),
        }
    }
    Ok(BatchGetSecretValueResponse {
        secret_values: Some(values),
        next_token,
        errors: Some(errors),
    })
}

fn shown(opened: Opened) -> SecretValueEntry {
    SecretValueEntry {
        arn: Some(opened.arn),
        name: Some(opened.name),
        version_id: Some(opened.version_id),
        secret_binary: opened.binary,
        secret_string: opened.text,
        version_stages: Some(opened.stages).filter(|stages| !stages.is_empty()),
        created_date: Some(opened.created),
    }
}
