//! Whose processes and shared memory a container sees, in Docker's words.

use bollard::models::ContainerCreateBody;

use crate::task::namespaces::{ContainerNamespaces, Namespace};

/// Lays it over what the definition says.
pub(super) fn lay_over(body: &mut ContainerCreateBody, namespaces: &ContainerNamespaces) {
    let host = body.host_config.get_or_insert_default();
    if let Some(mode) = word(&namespaces.pid) {
        host.pid_mode = Some(mode);
    }
    if let Some(mode) = word(&namespaces.ipc) {
        host.ipc_mode = Some(mode);
    }
}

fn word(namespace: &Namespace) -> Option<String> {
    Some(match namespace {
        Namespace::Unsaid => return None,
        Namespace::Host => "host".to_owned(),
        Namespace::Nobody => "none".to_owned(),
        Namespace::Shareable => "shareable".to_owned(),
        Namespace::Of(container) => format!("container:{container}"),
    })
}
