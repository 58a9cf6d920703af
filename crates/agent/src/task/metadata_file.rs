//! The file a container can read about itself (`ECS_ENABLE_CONTAINER_METADATA`): complete once the container runs.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::model::{Container, NetworkBinding, Task, id_of};

const FILE: &str = "ecs-container-metadata.json";
/// Where containers see their folder; its last part is their endpoint id.
const INSIDE: &str = "/opt/ecs/metadata";

/// The files of all containers.
#[derive(Debug, Clone)]
pub(crate) struct MetadataFiles {
    folder: PathBuf,
    cluster: String,
}

impl MetadataFiles {
    /// Below the state folder.
    pub(crate) fn new(state_dir: &Path, cluster: &str) -> Self {
        Self {
            folder: state_dir.join("metadata"),
            cluster: cluster.to_owned(),
        }
    }

    /// The container's folder on the host, and where the container sees it.
    pub(crate) fn folders(&self, task: &Task, container: &Container) -> (String, String) {
        let host = self.folder.join(task.id()).join(&container.definition.name);
        let host = std::path::absolute(&host).unwrap_or(host);
        (
            host.display().to_string(),
            format!("{INSIDE}/{}", container.endpoint_id),
        )
    }

    /// Writes what is known of each container.
    pub(crate) fn write(&self, task: &Task) {
        for container in &task.containers {
            if let Err(error) = self.write_one(task, container) {
                let name = &container.definition.name;
                tracing::warn!(task = task.arn, container = name, %error, "the container's metadata file is not written");
            }
        }
    }

    fn write_one(&self, task: &Task, container: &Container) -> io::Result<()> {
        let folder = self.folder.join(task.id()).join(&container.definition.name);
        // The container's user, whoever it is, is to read it; the folder above is for nobody else.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&folder)?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o711))?;
        let path = folder.join(FILE);
        let text = serde_json::to_vec_pretty(&Document::of(task, container, &self.cluster))?;
        if fs::read(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        let draft = folder.join(".new");
        fs::write(&draft, text)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o644))?;
        fs::rename(draft, path)
    }

    /// The task's files go with it.
    pub(crate) fn remove(&self, task_arn: &str) {
        let folder = self.folder.join(id_of(task_arn));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(folder = %folder.display(), %error, "metadata files of a finished task stay");
            }
            _ => {}
        }
    }
}

/// The variable that names the file.
pub(crate) fn variable(container: &Container) -> (&'static str, String) {
    let path = format!("{INSIDE}/{}/{FILE}", container.endpoint_id);
    ("ECS_CONTAINER_METADATA_FILE", path)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    cluster: &'a str,
    #[serde(rename = "TaskARN")]
    task_arn: &'a str,
    task_definition_family: &'a str,
    task_definition_revision: &'a str,
    container_name: &'a str,
    docker_container_name: &'a str,
    #[serde(rename = "ContainerID", skip_serializing_if = "Option::is_none")]
    container_id: Option<&'a str>,
    #[serde(rename = "ImageID", skip_serializing_if = "Option::is_none")]
    image_id: Option<&'a str>,
    image_name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    port_mappings: Vec<Port<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_file_status: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Port<'a> {
    container_port: u16,
    host_port: u16,
    #[serde(rename = "BindIp")]
    bind_ip: &'a str,
    protocol: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    network_mode: String,
    #[serde(rename = "IPv4Addresses")]
    addresses: Vec<String>,
}

impl<'a> Document<'a> {
    fn of(task: &'a Task, container: &'a Container, cluster: &'a str) -> Self {
        let mut document = Self {
            cluster,
            task_arn: &task.arn,
            task_definition_family: &task.family,
            task_definition_revision: &task.version,
            container_name: &container.definition.name,
            docker_container_name: &container.docker_name,
            container_id: container.runtime_id.as_deref(),
            image_id: container.image_id.as_deref(),
            image_name: &container.definition.image,
            port_mappings: Vec::new(),
            networks: Vec::new(),
            metadata_file_status: None,
        };
        if container.started {
            document.port_mappings = container.bindings.iter().map(port).collect();
            let addresses = container.addresses.iter().filter(|address| address.is_ipv4());
            document.networks = vec![Network {
                network_mode: task.network_mode.clone().unwrap_or_else(|| "bridge".to_owned()),
                addresses: addresses.map(ToString::to_string).collect(),
            }];
            document.metadata_file_status = Some("READY");
        }
        document
    }
}

fn port(binding: &NetworkBinding) -> Port<'_> {
    Port {
        container_port: binding.container_port,
        host_port: binding.host_port,
        bind_ip: &binding.bind_ip,
        protocol: &binding.protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{container, task};
    use super::*;

    #[test]
    fn agent_7_the_metadata_file_is_ready_once_the_container_runs_and_goes_with_the_task() {
        let folder = tempfile::tempdir().unwrap();
        let files = MetadataFiles::new(folder.path(), "probe");
        let mut app = container("app", true, &[]);
        (app.endpoint_id, app.docker_name) = ("ENDPOINT".into(), "ecs-fam-1-app-00".into());
        let mut task = task(vec![app]);
        files.write(&task);
        let (host, inside) = files.folders(&task, &task.containers[0]);
        assert_eq!(variable(&task.containers[0]).1, format!("{inside}/{FILE}"));
        let text = || fs::read_to_string(Path::new(&host).join(FILE)).unwrap();
        assert!(!text().contains("READY"), "{}", text());
        let app = task.container_mut("app").unwrap();
        (app.started, app.runtime_id) = (true, Some("9e8f".into()));
        app.addresses = vec!["172.17.0.2".parse().unwrap()];
        files.write(&task);
        insta::assert_snapshot!(text());
        files.remove(&task.arn);
        assert!(!Path::new(&host).exists());
    }
}
