//! Where a session of Execute Command is logged and with which key it is encrypted: what the cluster's
//! `executeCommandConfiguration` and the container's definition come to. The host does both (docs/exec.md).

use portcullis_api::ecs as api;
use portcullis_core::Region;
use portcullis_wire::session::document::SessionInputs;

use crate::services::ecs::errors::EcsError;
use crate::world::records::ecs::{Cluster, TaskDefinition};

/// What the host is told; nothing when there is nothing to do.
pub(super) fn inputs(
    cluster: &Cluster,
    definition: Option<&TaskDefinition>,
    container: &str,
    region: &Region,
) -> Result<Option<SessionInputs>, EcsError> {
    let configuration = cluster.chosen.configuration.as_ref();
    let exec = configuration.and_then(|one| one.execute_command_configuration.as_ref());
    let inputs = chosen(exec, || of_awslogs(definition, container, region))?;
    Ok(Some(inputs).filter(|inputs| inputs.wants_log() || !inputs.kms_key_id.is_empty()))
}

fn chosen(
    exec: Option<&api::ExecuteCommandConfiguration>,
    of_container: impl FnOnce() -> Option<SessionInputs>,
) -> Result<SessionInputs, EcsError> {
    let log = exec.and_then(|exec| exec.log_configuration.as_ref());
    let mut inputs = match exec.and_then(|exec| exec.logging.as_deref()) {
        Some("NONE") => SessionInputs::default(),
        // Clusters of earlier releases may say so without a target. Their sessions are to be logged: none goes without.
        Some("OVERRIDE") => log
            .map(demanded)
            .filter(SessionInputs::wants_log)
            .ok_or(EcsError::ExecLoggingTarget)?,
        _ => of_container().unwrap_or_default(),
    };
    inputs.kms_key_id = exec.and_then(|exec| exec.kms_key_id.clone()).unwrap_or_default();
    Ok(inputs)
}

fn demanded(log: &api::ExecuteCommandLogConfiguration) -> SessionInputs {
    SessionInputs {
        cloud_watch_log_group_name: log.cloud_watch_log_group_name.clone().unwrap_or_default(),
        cloud_watch_encryption_enabled: log.cloud_watch_encryption_enabled.unwrap_or_default(),
        s3_bucket_name: log.s3_bucket_name.clone().unwrap_or_default(),
        s3_key_prefix: log.s3_key_prefix.clone().unwrap_or_default(),
        s3_encryption_enabled: log.s3_encryption_enabled.unwrap_or_default(),
        ..SessionInputs::default()
    }
}

/// DEFAULT, which is also what no configuration means: the log group of the container's `awslogs`. Nobody demanded it, so
/// that a role without the permissions has its sessions all the same, as at AWS.
fn of_awslogs(
    definition: Option<&TaskDefinition>,
    container: &str,
    region: &Region,
) -> Option<SessionInputs> {
    let containers = &definition?.definition.container_definitions;
    let mut containers = containers.iter().flatten();
    let named = containers.find(|one| one.name.as_deref() == Some(container))?;
    let log = named
        .log_configuration
        .as_ref()
        .filter(|log| log.log_driver == "awslogs")?;
    let option = |name: &str| log.options.as_ref()?.get(name).cloned();
    Some(SessionInputs {
        cloud_watch_log_group_name: option("awslogs-group")?,
        cloud_watch_region: option("awslogs-region").filter(|named| named != region.as_str()),
        log_is_optional: true,
        ..SessionInputs::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_whose_log_has_no_target_is_refused_and_not_left_unlogged() {
        let log = |group: Option<&str>, bucket: Option<&str>| api::ExecuteCommandLogConfiguration {
            cloud_watch_log_group_name: group.map(str::to_owned),
            s3_bucket_name: bucket.map(str::to_owned),
            ..Default::default()
        };
        let exec = |logging: &str, log: Option<api::ExecuteCommandLogConfiguration>| {
            api::ExecuteCommandConfiguration {
                logging: Some(logging.to_owned()),
                kms_key_id: Some("key".to_owned()),
                log_configuration: log,
            }
        };
        let is_logged = |exec: api::ExecuteCommandConfiguration| {
            let of_container = || Some(demanded(&log(Some("container"), None)));
            chosen(Some(&exec), of_container).map(|inputs| inputs.wants_log())
        };
        for nowhere in [
            None,
            Some(log(None, None)),
            Some(log(Some(""), None)),
            Some(log(None, Some(""))),
        ] {
            let refused = is_logged(exec("OVERRIDE", nowhere.clone()));
            assert_eq!(refused, Err(EcsError::ExecLoggingTarget), "{nowhere:?}");
        }
        assert_eq!(is_logged(exec("OVERRIDE", Some(log(Some("g"), None)))), Ok(true));
        assert_eq!(is_logged(exec("OVERRIDE", Some(log(None, Some("b"))))), Ok(true));
        assert_eq!(is_logged(exec("DEFAULT", None)), Ok(true));
        assert_eq!(is_logged(exec("NONE", None)), Ok(false));
    }
}
