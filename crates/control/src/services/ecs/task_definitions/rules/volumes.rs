//! Rules of volumes and mounts.

use std::collections::HashSet;

use portcullis_api::ecs::{EFSVolumeConfiguration, Volume};

use super::{DefinitionFault, Draft};
use crate::services::ecs::names::is_name;

pub(super) fn declared(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let mut seen = HashSet::new();
    let mut at_launch = 0;
    for volume in draft.input.volumes.iter().flatten() {
        let name = volume.name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(DefinitionFault::VolumeNameMissing);
        }
        if !is_name(name) {
            return Err(DefinitionFault::VolumeName);
        }
        if !seen.insert(name) {
            return Err(DefinitionFault::VolumeNameUsed(name.to_owned()));
        }
        if kinds(volume) > 1 {
            return Err(DefinitionFault::VolumeKinds(name.to_owned()));
        }
        at_launch += usize::from(volume.configured_at_launch == Some(true));
    }
    if at_launch > 1 {
        Err(DefinitionFault::LaunchVolumes)
    } else {
        Ok(())
    }
}

fn kinds(volume: &Volume) -> usize {
    let given = [
        volume.host.is_some(),
        volume.docker_volume_configuration.is_some(),
        volume.efs_volume_configuration.is_some(),
        volume.s3files_volume_configuration.is_some(),
        volume.fsx_windows_file_server_volume_configuration.is_some(),
        volume.configured_at_launch == Some(true),
    ];
    given.into_iter().filter(|given| *given).count()
}

pub(super) fn efs(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let volumes = draft.input.volumes.iter().flatten();
    volumes
        .filter_map(|volume| volume.efs_volume_configuration.as_ref())
        .try_for_each(one_efs)
}

fn one_efs(efs: &EFSVolumeConfiguration) -> Result<(), DefinitionFault> {
    let encrypted = efs.transit_encryption.as_deref() == Some("ENABLED");
    let authorization = efs.authorization_config.as_ref();
    if authorization.and_then(|config| config.iam.as_deref()) == Some("ENABLED") && !encrypted {
        return Err(DefinitionFault::EfsIam);
    }
    if efs.transit_encryption_port.is_some() && !encrypted {
        return Err(DefinitionFault::EfsPort);
    }
    let has_access_point = authorization.is_some_and(|config| config.access_point_id.is_some());
    if has_access_point && !matches!(efs.root_directory.as_deref(), None | Some("" | "/")) {
        return Err(DefinitionFault::EfsRoot);
    }
    Ok(())
}

pub(super) fn mounted(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let declared: HashSet<_> = draft
        .input
        .volumes
        .iter()
        .flatten()
        .filter_map(|v| v.name.as_deref())
        .collect();
    let mounts = draft
        .containers()
        .flat_map(|(_, container)| container.mount_points.iter().flatten());
    let used: HashSet<_> = mounts
        .map(|mount| mount.source_volume.as_deref().unwrap_or_default())
        .collect();
    if let Some(unknown) = used.iter().find(|name| !declared.contains(*name)) {
        return Err(DefinitionFault::UnknownVolume((*unknown).to_owned()));
    }
    match declared.iter().find(|name| !used.contains(*name)) {
        Some(unused) => Err(DefinitionFault::UnusedVolume((*unused).to_owned())),
        None => Ok(()),
    }
}
