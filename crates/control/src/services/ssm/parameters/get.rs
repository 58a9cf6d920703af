//! GetParameter and GetParameters.

use std::collections::BTreeSet;

use portcullis_api::ssm::op;
use portcullis_api::ssm::{
    GetParameterRequest, GetParameterResult, GetParametersRequest, GetParametersResult, Parameter as Shown,
};

use super::errors::ParameterError;
use super::names::Asked;
use super::put::TEXT;
use super::sealing;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::parameters::{Parameter, ParameterVersion};

/// The parameter, and the use of its key if it is to be decrypted.
fn checks(
    view: &Snapshot,
    call: &Call,
    action: &'static str,
    name: &str,
    with_decryption: Option<bool>,
) -> Result<Vec<Check>, ServiceError> {
    let asked = Asked::of(view, call, name);
    let mut checks = vec![asked.check(view, call, action)];
    if with_decryption.unwrap_or_default()
        && let Ok((_, version)) = asked.version(view, call)
    {
        checks.extend(sealing::to_open(view, call, version)?);
    }
    Ok(checks)
}

/// One parameter.
pub(super) fn require_one(ask: Ask<'_, GetParameterRequest>) -> Result<Vec<Check>, ServiceError> {
    let Ask {
        view, call, input, ..
    } = ask;
    checks(view, call, "ssm:GetParameter", &input.name, input.with_decryption)
}

/// The value of a parameter.
pub(super) fn one(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetParameter>,
) -> Result<GetParameterResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let asked = Asked::of(view, call, &input.name);
    let found = found(view, env, call, &asked, input.with_decryption)?;
    Ok(GetParameterResult {
        parameter: Some(found),
    })
}

/// Each parameter; one that may not be read refuses the whole call.
pub(super) fn require_some(ask: Ask<'_, GetParametersRequest>) -> Result<Vec<Check>, ServiceError> {
    let Ask {
        view, call, input, ..
    } = ask;
    let mut all = Vec::new();
    for name in &input.names {
        all.extend(checks(
            view,
            call,
            "ssm:GetParameters",
            name,
            input.with_decryption,
        )?);
    }
    Ok(all)
}

/// The values of several parameters, each name once; names of nothing are invalid ones.
pub(super) fn some(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetParameters>,
) -> Result<GetParametersResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for name in input.names.iter().filter(|name| seen.insert(name.as_str())) {
        let asked = Asked::of(view, call, name);
        let is_there = asked.is_public() || asked.version(view, call).is_ok();
        match is_there.then(|| found(view, env, call, &asked, input.with_decryption)) {
            Some(Ok(found)) => parameters.push(found),
            Some(Err(error)) if !asked.is_public() => return Err(error),
            Some(Err(_)) | None => invalid.push(name.clone()),
        }
    }
    Ok(GetParametersResult {
        parameters: Some(parameters),
        invalid_parameters: Some(invalid),
    })
}

/// A parameter as replies show it, under the name that was asked for: agents look it up by that.
fn found(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    asked: &Asked,
    with_decryption: Option<bool>,
) -> Result<Shown, ServiceError> {
    if asked.is_public() {
        let found = env
            .public_parameters
            .shown(call, &asked.name, asked.selector.as_deref());
        let found = found.ok_or(ParameterError::NotFound)?;
        return Ok(Shown {
            name: Some(asked.shown.clone()),
            ..found
        });
    }
    let (parameter, version) = asked.version(view, call)?;
    let shown = shown(
        view,
        env,
        call,
        (parameter, version),
        with_decryption.unwrap_or_default(),
    )?;
    Ok(Shown {
        name: Some(asked.shown.clone()),
        selector: asked.selector.as_ref().map(|selector| format!(":{selector}")),
        ..shown
    })
}

/// A version of a parameter as replies show it.
pub(super) fn shown(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    (parameter, version): (&Parameter, &ParameterVersion),
    with_decryption: bool,
) -> Result<Shown, ServiceError> {
    let arn = Parameter::arn_of(&call.region, &call.account, &parameter.name);
    Ok(Shown {
        name: Some(parameter.name.clone()),
        r#type: Some(parameter.kind.clone()),
        value: Some(sealing::shown(view, env, call, version, with_decryption)?),
        version: Some(version.number),
        last_modified_date: Some(version.modified),
        arn: Some(arn.to_string()),
        data_type: Some(TEXT.to_owned()),
        ..Shown::default()
    })
}
