//! Mode awsvpc: the task gets the interface that came with it (agent.md 4).

use portcullis_api::acs;

use super::super::model::Task;
use super::Unacceptable;
use crate::network::interface_of;

/// Gives an awsvpc task its interface.
pub(super) fn give_interface(task: &mut Task, wire: &acs::Task) -> Result<(), Unacceptable> {
    if task.network_mode.as_deref() != Some("awsvpc") {
        return Ok(());
    }
    let reject = |text: String| Unacceptable(format!("ContainerNetworkingError: {text}"));
    let mut interfaces = wire.elastic_network_interfaces.iter().flatten();
    let interface = interfaces
        .next()
        .ok_or_else(|| reject("the task has no elastic network interface".to_owned()))?;
    let interface = interface_of(interface).map_err(reject)?;
    let addresses: Vec<_> = interface.addresses().collect();
    for container in &mut task.containers {
        container.interface_addresses.clone_from(&addresses);
    }
    task.interface = Some(interface);
    Ok(())
}
