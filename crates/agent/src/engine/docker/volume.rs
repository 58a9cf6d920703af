//! Volumes of the engine: a task's own go with it, shared ones stay.

use std::collections::HashMap;

use bollard::models::{Volume as Found, VolumeCreateRequest};
use bollard::query_parameters::RemoveVolumeOptions;

use super::super::{EngineError, Launch};
use super::DockerEngine;
use super::errors::{Stage, at, status};
use crate::task::model::{DockerVolume, Volume};

const DRIVER_DEFAULT: &str = "local";

impl DockerEngine {
    /// Makes what the container's mount points need and is not there. Volumes without a configuration are made by
    /// Docker itself.
    pub(super) async fn ensure_volumes(&self, launch: &Launch) -> Result<(), EngineError> {
        for mount in &launch.definition.mounts {
            let Some(volume) = launch.volumes.iter().find(|volume| volume.name == mount.volume) else {
                return Err(EngineError::Refused(format!(
                    "InvalidVolumeError: the task has no volume {}",
                    mount.volume
                )));
            };
            if let (Some(name), Some(wanted)) =
                (volume.engine_name(&launch.container.task_id), &volume.docker)
            {
                self.ensure_volume(&name, volume, wanted).await?;
            }
        }
        Ok(())
    }

    async fn ensure_volume(
        &self,
        name: &str,
        volume: &Volume,
        wanted: &DockerVolume,
    ) -> Result<(), EngineError> {
        if volume.is_shared() {
            match self.docker.inspect_volume(name).await {
                Ok(found) => return matches(&found, name, wanted),
                Err(error) if status(&error) == Some(404) => {}
                Err(error) => return Err(at(Stage::InspectVolume, &error)),
            }
            if !wanted.autoprovision {
                return Err(EngineError::Refused(format!(
                    "InvalidVolumeError: the shared volume {name} is not there and autoprovision is off"
                )));
            }
        }
        let made = self.docker.create_volume(request(name, wanted)).await;
        made.map(drop).map_err(|error| at(Stage::CreateVolume, &error))
    }

    /// Removes a finished task's volumes.
    pub(super) async fn discard_volumes(&self, names: &[String]) -> Result<(), EngineError> {
        for name in names {
            match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
                Err(error) if status(&error) != Some(404) => return Err(at(Stage::RemoveVolume, &error)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn request(name: &str, wanted: &DockerVolume) -> VolumeCreateRequest {
    let map = |from: &std::collections::BTreeMap<String, String>| -> HashMap<String, String> {
        from.iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: Some(wanted.driver.clone().unwrap_or_else(|| DRIVER_DEFAULT.to_owned())),
        driver_opts: Some(map(&wanted.driver_opts)),
        labels: Some(map(&wanted.labels)),
        ..VolumeCreateRequest::default()
    }
}

/// A shared volume that is to be made as described must not be another one. Without autoprovision any will do.
fn matches(found: &Found, name: &str, wanted: &DockerVolume) -> Result<(), EngineError> {
    let asked = request(name, wanted);
    let same_driver = Some(&found.driver) == asked.driver.as_ref();
    let same_options =
        found.options.clone().into_iter().collect::<HashMap<_, _>>() == asked.driver_opts.unwrap_or_default();
    let same_labels = found.labels == asked.labels.unwrap_or_default();
    if !wanted.autoprovision || (same_driver && same_options && same_labels) {
        return Ok(());
    }
    Err(EngineError::Refused(format!(
        "InvalidVolumeError: a volume {name} with another driver, options or labels is there already"
    )))
}
