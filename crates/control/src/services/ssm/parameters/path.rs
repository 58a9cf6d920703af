//! GetParametersByPath. Who may read a path may read all below it, as on AWS: the check is on the path.

use std::sync::Arc;

use portcullis_api::ssm::op;
use portcullis_api::ssm::{GetParametersByPathRequest, GetParametersByPathResult, ParameterStringFilter};

use super::errors::ParameterError;
use super::filters::{self, Wanted, below};
use super::get::shown;
use super::names::{PUBLIC, arn};
use super::{paging, sealing};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::Snapshot;
use crate::world::records::parameters::{Parameter, ParameterVersion};

const PAGE_MAX: usize = 10;

/// The path, and the use of the keys of what the page shows.
pub(super) fn require(ask: Ask<'_, GetParametersByPathRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, call) = (ask.input, ask.call);
    let check = Check::new(
        "ssm:GetParametersByPath",
        arn(&call.region, &call.account, &input.path).as_str(),
    )
    .with("ssm:Recursive", input.recursive.unwrap_or_default().to_string());
    let mut checks = vec![check];
    if input.with_decryption.unwrap_or_default() && !below(&input.path).starts_with(PUBLIC) {
        for (_, version) in page(ask.view, call, input)?.0 {
            checks.extend(sealing::to_open(ask.view, call, version)?);
        }
    }
    Ok(checks)
}

/// The values of the parameters below a path.
pub(super) fn get(
    view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, op::GetParametersByPath>,
) -> Result<GetParametersByPathResult, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if below(&input.path).starts_with(PUBLIC) {
        return published(env, call, input);
    }
    let (rows, next_token) = page(view, call, input)?;
    let with_decryption = input.with_decryption.unwrap_or_default();
    let mut parameters = Vec::new();
    for (parameter, version) in rows {
        parameters.push(shown(view, env, call, (parameter, version), with_decryption)?);
    }
    Ok(GetParametersByPathResult {
        parameters: Some(parameters),
        next_token,
    })
}

type Page<'v> = (
    Vec<(&'v Arc<Parameter>, &'v Arc<ParameterVersion>)>,
    Option<String>,
);

fn page<'v>(
    view: &'v Snapshot,
    call: &Call,
    input: &GetParametersByPathRequest,
) -> Result<Page<'v>, ParameterError> {
    check_path(&input.path)?;
    let wanted = Wanted::read(input.parameter_filters.as_ref(), &["Type", "KeyId", "Label"])?;
    let last = paging::last(input.next_token.as_deref())?;
    let prefix = Parameter::key_of(&call.region, &below(&input.path));
    let rows = Below {
        view,
        prefix,
        last,
        is_recursive: input.recursive.unwrap_or_default(),
    };
    let rows = rows.filter(|(_, row)| !row.is_expired(call.now) && wanted.is_met_by(view, row));
    let label = label(input.parameter_filters.as_ref());
    let versions = rows.filter_map(|(key, row)| {
        let number = match label {
            Some(wanted) => *row.labels.get(wanted)?,
            None => row.latest,
        };
        Some((key, (row, view.parameters.version(row, number)?)))
    });
    Ok(paging::page(
        versions,
        paging::length(input.max_results, PAGE_MAX),
    ))
}

/// The label that is asked for: its version is shown, not the newest one.
fn label(filters: Option<&Vec<ParameterStringFilter>>) -> Option<&String> {
    let mut filters = filters.into_iter().flatten();
    let found = filters.find(|filter| filter.key == "Label")?;
    found.values.as_ref()?.first()
}

fn check_path(path: &str) -> Result<(), ParameterError> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/".contains(&byte);
    match path.starts_with('/') && path.bytes().all(is_good) && !path.contains("//") {
        true => Ok(()),
        false => Err(ParameterError::Path),
    }
}

/// The parameters below a path, in order. What is further down than one level is passed over a whole branch at a time.
struct Below<'v> {
    view: &'v Snapshot,
    prefix: String,
    last: Option<String>,
    is_recursive: bool,
}

impl<'v> Iterator for Below<'v> {
    type Item = (String, &'v Arc<Parameter>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let table = &self.view.parameters.parameters;
            let (key, row) = table.after(&self.prefix, self.last.as_deref()).next()?;
            let rest = key.get(self.prefix.len()..)?;
            match rest.split_once('/').filter(|_| !self.is_recursive) {
                Some((branch, _)) => {
                    self.last = Some(format!("{}{branch}/{}", self.prefix, char::MAX));
                }
                None => {
                    self.last = Some(key.to_owned());
                    return Some((key.to_owned(), row));
                }
            }
        }
    }
}

/// What AWS publishes below a path.
fn published(
    env: &Environment,
    call: &Call,
    input: &GetParametersByPathRequest,
) -> Result<GetParametersByPathResult, ServiceError> {
    let path = below(&input.path);
    let last = paging::last(input.next_token.as_deref())?;
    filters::Wanted::read(input.parameter_filters.as_ref(), &["Type", "KeyId", "Label"])?;
    let is_recursive = input.recursive.unwrap_or_default();
    let names = env.public_parameters.below(&path).filter(|name| {
        let is_deep = name.get(path.len()..).is_some_and(|rest| rest.contains('/'));
        let is_left = last.as_deref().is_none_or(|last| *name > last);
        is_left && (is_recursive || !is_deep)
    });
    let shown =
        names.filter_map(|name| Some((name.to_owned(), env.public_parameters.shown(call, name, None)?)));
    let (parameters, next_token) = paging::page(shown, paging::length(input.max_results, PAGE_MAX));
    Ok(GetParametersByPathResult {
        parameters: Some(parameters),
        next_token,
    })
}
