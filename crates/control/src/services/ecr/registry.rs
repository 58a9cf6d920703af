//! The registry as a whole: its settings, which repositories are to be scanned, and that nothing is replicated.

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, BatchGetRepositoryScanningConfigurationRequest,
    BatchGetRepositoryScanningConfigurationResponse, DescribeRegistryResponse, GetAccountSettingRequest,
    GetAccountSettingResponse, GetRegistryScanningConfigurationResponse, PutAccountSettingRequest,
    PutAccountSettingResponse, PutRegistryScanningConfigurationResponse,
};
use portcullis_core::Region;

use super::checks::{Checks, check, on_registry};
use super::errors::EcrError;
use super::names::{Named, matches};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized};
use crate::world::records::ecr::{Registry, Repository, ScanningRule};
use crate::world::{Snapshot, Tx};

/// The setting that says which actions the registry's policy speaks about.
pub(super) const REGISTRY_POLICY_SCOPE: &str = "REGISTRY_POLICY_SCOPE";
const BASIC_SCAN_TYPE_VERSION: &str = "BASIC_SCAN_TYPE_VERSION";
const BLOB_MOUNTING: &str = "BLOB_MOUNTING";

/// Every setting with its values; the first one holds until somebody says otherwise.
const SETTINGS: [(&str, &[&str]); 3] = [
    (BASIC_SCAN_TYPE_VERSION, &["AWS_NATIVE", "CLAIR"]),
    (BLOB_MOUNTING, &["DISABLED", "ENABLED"]),
    (REGISTRY_POLICY_SCOPE, &["V2", "V1"]),
];

const BASIC: &str = "BASIC";
const MANUAL: &str = "MANUAL";
const SCAN_ON_PUSH: &str = "SCAN_ON_PUSH";

/// What is set in a region, to change it.
pub(super) fn row(view: &Snapshot, region: &Region) -> Registry {
    let row = view.ecr.registries.get(region.as_str());
    row.map_or_else(|| Registry::new(region.clone()), |row| Registry::clone(row))
}

/// Whether layers may go from one repository of the account to another without being sent.
pub(super) fn mounts_blobs(view: &Snapshot, region: &Region) -> bool {
    let row = view.ecr.registries.get(region.as_str());
    row.is_some_and(|row| {
        row.settings
            .get(BLOB_MOUNTING)
            .is_some_and(|value| value == "ENABLED")
    })
}

fn values_of(name: &str) -> Result<&'static [&'static str], EcrError> {
    let found = SETTINGS.iter().find(|(setting, _)| *setting == name);
    let names = || SETTINGS.map(|(name, _)| name).join(", ");
    let (_, values) = found.ok_or_else(|| {
        EcrError::Validation(format!(
            "The account setting '{name}' does not exist; there are {}",
            names()
        ))
    })?;
    Ok(values)
}

/// The registry, with the setting.
pub(super) fn require_get_setting(ask: Ask<'_, GetAccountSettingRequest>) -> Checks {
    let check = on_registry(&ask, "ecr:GetAccountSetting");
    Ok(vec![check.with("ecr:AccountSetting", ask.input.name.as_str())])
}

/// A setting.
pub(super) fn get_setting(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetAccountSetting>,
) -> Result<GetAccountSettingResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let first = values_of(&input.name)?.first().map(|value| (*value).to_owned());
    let set = row(view, &call.region).settings.remove(&input.name);
    Ok(GetAccountSettingResponse {
        name: Some(input.name.clone()),
        value: set.or(first),
    })
}

/// The registry, with the setting.
pub(super) fn require_put_setting(ask: Ask<'_, PutAccountSettingRequest>) -> Checks {
    let check = on_registry(&ask, "ecr:PutAccountSetting");
    Ok(vec![check.with("ecr:AccountSetting", ask.input.name.as_str())])
}

/// Sets a setting.
pub(super) fn put_setting(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutAccountSetting>,
) -> Result<PutAccountSettingResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let values = values_of(&input.name)?;
    if !values.contains(&input.value.as_str()) {
        let text = format!(
            "The value '{}' is not valid for the account setting '{}'; it can be {}",
            input.value,
            input.name,
            values.join(", ")
        );
        return Err(EcrError::Validation(text).into());
    }
    let mut row = row(tx.view(), &call.region);
    row.settings.insert(input.name.clone(), input.value.clone());
    tx.put(row);
    Ok(PutAccountSettingResponse {
        name: Some(input.name.clone()),
        value: Some(input.value.clone()),
    })
}

/// The registry: nothing of it is replicated.
pub(super) fn describe(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeRegistry>,
) -> Result<DescribeRegistryResponse, ServiceError> {
    Ok(DescribeRegistryResponse {
        registry_id: Some(auth.call().account.to_string()),
        replication_configuration: Some(api::ReplicationConfiguration { rules: Vec::new() }),
    })
}

/// Which repositories are to be scanned.
pub(super) fn get_scanning(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::GetRegistryScanningConfiguration>,
) -> Result<GetRegistryScanningConfigurationResponse, ServiceError> {
    let call = auth.call();
    Ok(GetRegistryScanningConfigurationResponse {
        registry_id: Some(call.account.to_string()),
        scanning_configuration: Some(shown(&row(view, &call.region))),
    })
}

fn shown(row: &Registry) -> api::RegistryScanningConfiguration {
    let rules = row
        .scanning
        .iter()
        .flatten()
        .map(|rule| api::RegistryScanningRule {
            scan_frequency: rule.frequency.clone(),
            repository_filters: filters(&rule.filters),
        });
    api::RegistryScanningConfiguration {
        scan_type: Some(BASIC.to_owned()),
        rules: Some(rules.collect()),
    }
}

fn filters(patterns: &[String]) -> Vec<api::ScanningRepositoryFilter> {
    let one = |pattern: &String| api::ScanningRepositoryFilter {
        filter: pattern.clone(),
        filter_type: "WILDCARD".to_owned(),
    };
    patterns.iter().map(one).collect()
}

/// Says which repositories are to be scanned. That stays a wish: nobody scans here. What only a scanner does is refused.
pub(super) fn put_scanning(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutRegistryScanningConfiguration>,
) -> Result<PutRegistryScanningConfigurationResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if input.scan_type.as_deref().unwrap_or(BASIC) != BASIC {
        let text = "Enhanced scanning is not supported by this server: there is no scanner.";
        return Err(EcrError::Validation(text.to_owned()).into());
    }
    let rules = input.rules.iter().flatten().map(|rule| ScanningRule {
        frequency: rule.scan_frequency.clone(),
        filters: rule
            .repository_filters
            .iter()
            .map(|one| one.filter.clone())
            .collect(),
    });
    let rules: Vec<_> = rules.collect();
    if rules.iter().any(|rule| rule.frequency == "CONTINUOUS_SCAN") {
        let text = "CONTINUOUS_SCAN goes with enhanced scanning, which is not supported by this server.";
        return Err(EcrError::Validation(text.to_owned()).into());
    }
    let mut row = row(tx.view(), &call.region);
    row.scanning = Some(rules);
    let shown = shown(&row);
    tx.put(row);
    Ok(PutRegistryScanningConfigurationResponse {
        registry_scanning_configuration: Some(shown),
    })
}

/// Each repository.
pub(super) fn require_scanning_of(ask: Ask<'_, BatchGetRepositoryScanningConfigurationRequest>) -> Checks {
    const ACTION: &str = "ecr:BatchGetRepositoryScanningConfiguration";
    let one = |name: &String| check(ask.view, ask.call, ACTION, Named::of(None, name));
    Ok(ask.input.repository_names.iter().map(one).collect())
}

/// When the images of repositories are to be scanned.
pub(super) fn scanning_of(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::BatchGetRepositoryScanningConfiguration>,
) -> Result<BatchGetRepositoryScanningConfigurationResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let registry = row(view, &call.region);
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in &input.repository_names {
        match Named::of(None, name).find(view, call) {
            Some(repository) => found.push(api::RepositoryScanningConfiguration {
                repository_arn: Some(Repository::arn_of(&call.region, &call.account, name).to_string()),
                ..configuration(&registry, repository)
            }),
            None => failures.push(api::RepositoryScanningConfigurationFailure {
                repository_name: Some(name.clone()),
                failure_code: Some("REPOSITORY_NOT_FOUND".to_owned()),
                failure_reason: Some("REPOSITORY_NOT_FOUND".to_owned()),
            }),
        }
    }
    Ok(BatchGetRepositoryScanningConfigurationResponse {
        scanning_configurations: Some(found),
        failures: Some(failures),
    })
}

/// The registry's rules count where there are any, the repository's own setting where not.
fn configuration(registry: &Registry, repository: &Repository) -> api::RepositoryScanningConfiguration {
    let mut rules = registry.scanning.iter().flatten();
    let rule = rules.find(|rule| {
        rule.filters
            .iter()
            .any(|filter| is_filtered(filter, &repository.name))
    });
    let on_push = match (&registry.scanning, rule) {
        (_, Some(rule)) => rule.frequency == SCAN_ON_PUSH,
        (Some(_), None) => false,
        (None, None) => repository.scan_on_push,
    };
    let frequency = if on_push { SCAN_ON_PUSH } else { MANUAL };
    api::RepositoryScanningConfiguration {
        repository_arn: None,
        repository_name: Some(repository.name.clone()),
        scan_on_push: Some(on_push),
        scan_frequency: Some(frequency.to_owned()),
        applied_scan_filters: Some(rule.map(|rule| filters(&rule.filters)).unwrap_or_default()),
    }
}

/// A filter without star fits every name in which it stands.
fn is_filtered(filter: &str, name: &str) -> bool {
    match filter.contains('*') {
        true => matches(filter, name),
        false => name.contains(filter),
    }
}
