//! Rules of containers that concern nothing else.

use std::collections::HashSet;

use super::{DefinitionFault, Draft, some};
use crate::services::ecs::names::is_name;

const CONTAINERS_MAX: usize = 10;
const IMAGE_CHARS_MAX: usize = 255;
const ENVIRONMENT_FILES_MAX: usize = 10;

pub(super) fn list(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    match draft.input.container_definitions.len() {
        0 => Err(DefinitionFault::NoContainers),
        1..=CONTAINERS_MAX => Ok(()),
        _ => Err(DefinitionFault::TooManyContainers),
    }
}

pub(super) fn names(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let mut seen = HashSet::new();
    for (name, _) in draft.containers() {
        if name.is_empty() {
            return Err(DefinitionFault::ContainerNameMissing);
        }
        if !is_name(name) {
            return Err(DefinitionFault::ContainerName);
        }
        if !seen.insert(name) {
            return Err(DefinitionFault::ContainerNameUsed(name.to_owned()));
        }
    }
    Ok(())
}

pub(super) fn images(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for (_, container) in draft.containers() {
        match container.image.as_deref() {
            None | Some("") => return Err(DefinitionFault::ImageMissing),
            Some(image) if !is_image(image) => return Err(DefinitionFault::Image),
            Some(_) => {}
        }
    }
    Ok(())
}

/// `REPOSITORY[:TAG]`, or `REPOSITORY[:TAG]@sha256:DIGEST`.
fn is_image(image: &str) -> bool {
    let (reference, digest) = image
        .split_once("@sha256:")
        .map_or((image, None), |(r, d)| (r, Some(d)));
    let known = |b: u8| b.is_ascii_alphanumeric() || b"-_:./#".contains(&b);
    let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    !reference.is_empty()
        && reference.len() <= IMAGE_CHARS_MAX
        && reference.bytes().all(known)
        && digest.is_none_or(is_digest)
}

pub(super) fn essential(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let is_essential = |(_, container): (&str, &portcullis_api::ecs::ContainerDefinition)| {
        container.essential.unwrap_or(true)
    };
    if draft.containers().any(is_essential) {
        Ok(())
    } else {
        Err(DefinitionFault::NoEssential)
    }
}

pub(super) fn logs(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for log in draft
        .containers()
        .filter_map(|(_, container)| container.log_configuration.as_ref())
    {
        let has_group = log
            .options
            .as_ref()
            .is_some_and(|options| options.contains_key("awslogs-group"));
        if log.log_driver == "awslogs" && !has_group {
            return Err(DefinitionFault::AwslogsGroup);
        }
    }
    Ok(())
}

pub(super) fn secrets(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let has_secrets = draft
        .containers()
        .any(|(_, container)| some(container.secrets.as_ref()));
    if has_secrets && !draft.has_execution_role() {
        Err(DefinitionFault::SecretsRole)
    } else {
        Ok(())
    }
}

pub(super) fn ulimits(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let mut limits = draft
        .containers()
        .flat_map(|(_, container)| container.ulimits.iter().flatten());
    match limits.find(|limit| limit.hard_limit != -1 && limit.soft_limit > limit.hard_limit) {
        Some(limit) => Err(DefinitionFault::Ulimit(limit.name.clone())),
        None => Ok(()),
    }
}

pub(super) fn environment_files(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    for (_, container) in draft.containers() {
        let files = container.environment_files.as_deref().unwrap_or_default();
        if files.len() > ENVIRONMENT_FILES_MAX {
            return Err(DefinitionFault::EnvironmentFiles);
        }
        let is_object =
            |value: &str| value.starts_with("arn:") && value.contains(":s3:::") && value.ends_with(".env");
        if let Some(bad) = files.iter().find(|file| !is_object(&file.value)) {
            return Err(DefinitionFault::EnvironmentFile(bad.value.clone()));
        }
    }
    Ok(())
}
