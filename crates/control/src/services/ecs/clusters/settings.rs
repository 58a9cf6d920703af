//! What callers choose about a cluster: settings, execute-command configuration, Service Connect defaults.

use portcullis_api::ecs as api;

use crate::gate::call::Call;
use crate::services::ecs::account_settings;
use crate::services::ecs::errors::EcsError;
use crate::world::Snapshot;

const CONTAINER_INSIGHTS: &str = "containerInsights";
const VALUES: [&str; 3] = ["enabled", "disabled", "enhanced"];

/// The value of `containerInsights` for new clusters: the caller's account setting.
pub(super) fn default_insights(view: &Snapshot, call: &Call) -> String {
    account_settings::effective(view, call, CONTAINER_INSIGHTS)
}

/// The settings of a cluster once those of a request apply.
pub(super) fn applied(
    current: String,
    requested: Option<&[api::ClusterSetting]>,
) -> Result<Vec<api::ClusterSetting>, EcsError> {
    let mut value = current;
    for setting in requested.unwrap_or_default() {
        let name = setting.name.as_deref().unwrap_or_default();
        if name != CONTAINER_INSIGHTS {
            return Err(EcsError::ClusterSettingName(name.to_owned()));
        }
        let wanted = setting.value.as_deref().unwrap_or_default();
        if !VALUES.contains(&wanted) {
            return Err(EcsError::ClusterSettingValue(wanted.to_owned()));
        }
        wanted.clone_into(&mut value);
    }
    Ok(vec![api::ClusterSetting {
        name: Some(CONTAINER_INSIGHTS.to_owned()),
        value: Some(value),
    }])
}

/// The value in force among a cluster's settings.
pub(super) fn current(settings: Option<&[api::ClusterSetting]>) -> String {
    let first = settings.unwrap_or_default().first();
    first
        .and_then(|setting| setting.value.clone())
        .unwrap_or_else(|| "disabled".to_owned())
}

/// The rules of `executeCommandConfiguration`.
pub(super) fn check_configuration(configuration: Option<&api::ClusterConfiguration>) -> Result<(), EcsError> {
    let Some(exec) = configuration.and_then(|c| c.execute_command_configuration.as_ref()) else {
        return Ok(());
    };
    let overriding = exec.logging.as_deref() == Some("OVERRIDE");
    // A name without letters would be no log at all.
    let is_missing = |name: &Option<String>| name.as_deref().is_none_or(str::is_empty);
    match &exec.log_configuration {
        Some(_) if !overriding => Err(EcsError::ExecLoggingNotOverride),
        None if overriding => Err(EcsError::ExecLoggingTarget),
        Some(log) if is_missing(&log.cloud_watch_log_group_name) && is_missing(&log.s3_bucket_name) => {
            Err(EcsError::ExecLoggingTarget)
        }
        _ => Ok(()),
    }
}

/// The value of `ecs:fargate-ephemeral-storage-kms-key`.
pub(super) fn fargate_key(configuration: Option<&api::ClusterConfiguration>) -> Option<String> {
    configuration?
        .managed_storage_configuration
        .as_ref()?
        .fargate_ephemeral_storage_kms_key_id
        .clone()
}

/// Service Connect defaults as they are kept; an empty namespace removes them.
pub(super) fn namespace(
    requested: Option<&api::ClusterServiceConnectDefaultsRequest>,
) -> Option<api::ClusterServiceConnectDefaults> {
    let namespace = requested?.namespace.clone();
    (!namespace.is_empty()).then_some(api::ClusterServiceConnectDefaults {
        namespace: Some(namespace),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_container_insights_can_be_set() {
        let setting = |name: &str, value: &str| {
            vec![api::ClusterSetting {
                name: Some(name.to_owned()),
                value: Some(value.to_owned()),
            }]
        };
        let applied = |settings: Vec<_>| applied("disabled".to_owned(), Some(&settings));
        assert_eq!(
            applied(setting("containerInsights", "enhanced")),
            Ok(setting("containerInsights", "enhanced"))
        );
        assert_eq!(applied(Vec::new()), Ok(setting("containerInsights", "disabled")));
        let refused = applied(setting("containerInsights", "on"));
        assert_eq!(refused, Err(EcsError::ClusterSettingValue("on".to_owned())));
        assert_eq!(
            applied(setting("x", "enabled")),
            Err(EcsError::ClusterSettingName("x".to_owned()))
        );
    }

    #[test]
    fn a_log_configuration_goes_with_override_and_only_with_it() {
        let exec = |logging: Option<&str>, group: Option<Option<&str>>| api::ClusterConfiguration {
            execute_command_configuration: Some(api::ExecuteCommandConfiguration {
                logging: logging.map(str::to_owned),
                log_configuration: group.map(|group| api::ExecuteCommandLogConfiguration {
                    cloud_watch_log_group_name: group.map(str::to_owned),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let cases = [
            (None, None, Ok(())),
            (Some("DEFAULT"), None, Ok(())),
            (Some("OVERRIDE"), Some(Some("group")), Ok(())),
            (
                Some("DEFAULT"),
                Some(Some("group")),
                Err(EcsError::ExecLoggingNotOverride),
            ),
            (None, Some(Some("group")), Err(EcsError::ExecLoggingNotOverride)),
            (Some("OVERRIDE"), None, Err(EcsError::ExecLoggingTarget)),
            (Some("OVERRIDE"), Some(None), Err(EcsError::ExecLoggingTarget)),
            (Some("OVERRIDE"), Some(Some("")), Err(EcsError::ExecLoggingTarget)),
        ];
        for (logging, group, expected) in cases {
            assert_eq!(
                check_configuration(Some(&exec(logging, group))),
                expected,
                "{logging:?} {group:?}"
            );
        }
    }
}
