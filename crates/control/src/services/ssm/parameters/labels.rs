//! LabelParameterVersion and UnlabelParameterVersion.

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    LabelParameterVersionRequest, LabelParameterVersionResult, UnlabelParameterVersionRequest,
    UnlabelParameterVersionResult,
};

use super::errors::ParameterError;
use super::names::Asked;
use super::rules::is_label;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Tx;
use crate::world::records::parameters::Parameter;

/// Labels a version may have.
const LABELS: usize = 10;

/// The parameter.
pub(super) fn require_label(ask: Ask<'_, LabelParameterVersionRequest>) -> Result<Vec<Check>, ServiceError> {
    let asked = Asked::of(ask.view, ask.call, &ask.input.name);
    Ok(vec![asked.check(ask.view, ask.call, "ssm:LabelParameterVersion")])
}

/// Puts labels on a version; they leave the versions they were on. Labels that none may be are told, the others are put.
pub(super) fn label(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::LabelParameterVersion>,
) -> Result<LabelParameterVersionResult, ServiceError> {
    let input = auth.input();
    let (mut row, number) = version(tx, auth.call(), &input.name, input.parameter_version)?;
    let (good, bad): (Vec<_>, Vec<_>) = input.labels.iter().cloned().partition(|label| is_label(label));
    for label in good {
        row.labels.insert(label, number);
    }
    if row.labels_of(number).len() > LABELS {
        return Err(ParameterError::Labels.into());
    }
    tx.put(row);
    Ok(LabelParameterVersionResult {
        invalid_labels: Some(bad),
        parameter_version: Some(number),
    })
}

/// The parameter, and the version that is meant: the newest when nobody says.
fn version(
    tx: &Tx<'_>,
    call: &Call,
    name: &str,
    number: Option<i64>,
) -> Result<(Parameter, i64), ParameterError> {
    let asked = Asked::of(tx.view(), call, name);
    let found = asked.find(tx.view(), call).filter(|_| asked.selector.is_none());
    let row = found.ok_or(ParameterError::NotFound)?;
    let number = number.unwrap_or(row.latest);
    match tx.view().parameters.version(row, number) {
        Some(_) => Ok((Parameter::clone(row), number)),
        None => Err(ParameterError::NoVersion {
            version: number.to_string(),
            name: row.name.clone(),
        }),
    }
}

/// The parameter.
pub(super) fn require_unlabel(
    ask: Ask<'_, UnlabelParameterVersionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let asked = Asked::of(ask.view, ask.call, &ask.input.name);
    Ok(vec![asked.check(
        ask.view,
        ask.call,
        "ssm:UnlabelParameterVersion",
    )])
}

/// Takes labels off a version; those that are not on it are told.
pub(super) fn unlabel(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UnlabelParameterVersion>,
) -> Result<UnlabelParameterVersionResult, ServiceError> {
    let input = auth.input();
    let number = Some(input.parameter_version);
    let (mut row, number) = version(tx, auth.call(), &input.name, number)?;
    let is_there = |label: &String| row.labels.get(label) == Some(&number);
    let (removed, invalid): (Vec<_>, Vec<_>) = input.labels.iter().cloned().partition(is_there);
    removed.iter().for_each(|label| {
        row.labels.remove(label);
    });
    tx.put(row);
    Ok(UnlabelParameterVersionResult {
        removed_labels: Some(removed),
        invalid_labels: Some(invalid),
    })
}
