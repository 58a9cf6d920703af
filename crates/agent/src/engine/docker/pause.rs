//! Bringing the pause container's image to the engine: from this program, not from a registry.

use bollard::body_full;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;

use super::DockerEngine;
use super::errors::{Stage, at, status};
use crate::engine::EngineError;
use crate::network::{PAUSE_REPOSITORY, PAUSE_TAG, pause_archive, pause_image};

impl DockerEngine {
    /// Imports the image unless it is there.
    pub(super) async fn ensure_pause_image(&self) -> Result<(), EngineError> {
        match self.docker.inspect_image(&pause_image()).await {
            Ok(_) => return Ok(()),
            Err(error) if status(&error) == Some(404) => {}
            Err(error) => return Err(at(Stage::Inspect, &error)),
        }
        let Some(archive) = pause_archive() else {
            let text = "CannotCreateContainerError: there is no pause container for this processor";
            return Err(EngineError::Refused(text.to_owned()));
        };
        let options = CreateImageOptions {
            from_src: Some("-".to_owned()),
            repo: Some(PAUSE_REPOSITORY.to_owned()),
            tag: Some(PAUSE_TAG.to_owned()),
            ..CreateImageOptions::default()
        };
        let mut import = std::pin::pin!(self.docker.create_image(
            Some(options),
            Some(body_full(archive.into())),
            None
        ));
        while let Some(progress) = import.next().await {
            progress.map_err(|error| at(Stage::Create, &error))?;
        }
        Ok(())
    }
}
