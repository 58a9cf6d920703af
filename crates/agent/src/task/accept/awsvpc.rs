//! Mode awsvpc: one more container holds the task's network namespace, before all others and until after them
//! (agent.md 4).

use portcullis_api::acs;
use portcullis_core::{Random, uuid};

use super::super::model::{Condition, Container, Definition, Dependency, Task};
use super::{Unacceptable, docker_name};
use crate::network::{PAUSE_CONTAINER, PAUSE_PROGRAM, interface_of, pause_image};

/// It needs nothing, and is given nothing.
const HOST_CONFIG: &str = r#"{"NetworkMode":"none","LogConfig":{"Type":"none"},"CapDrop":["ALL"],"ReadonlyRootfs":true,"SecurityOpt":["no-new-privileges"]}"#;
/// It ignores SIGTERM: nothing is to be waited for.
const STOP_TIMEOUT: u32 = 0;

/// Gives an awsvpc task its interface and the container that holds it.
pub(super) fn give_interface(
    task: &mut Task,
    wire: &acs::Task,
    random: &dyn Random,
) -> Result<(), Unacceptable> {
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
        container.definition.depends_on.push(Dependency {
            container: PAUSE_CONTAINER.to_owned(),
            condition: Condition::Start,
        });
    }
    task.containers.push(Container {
        definition: Definition {
            name: PAUSE_CONTAINER.to_owned(),
            image: pause_image(),
            essential: true,
            entry_point: Some(vec![PAUSE_PROGRAM.to_owned()]),
            stop_timeout: Some(STOP_TIMEOUT),
            docker_host_config: HOST_CONFIG.to_owned(),
            ..Definition::default()
        },
        docker_name: docker_name(&task.family, &task.version, PAUSE_CONTAINER, random),
        endpoint_id: uuid(random),
        interface_addresses: addresses,
        resolved: true,
        pulled: true,
        ..Container::default()
    });
    task.interface = Some(interface);
    Ok(())
}
