//! One more container that holds what the task's containers share: in mode awsvpc their network, in pidMode and ipcMode
//! `task` their processes and shared memory. It is there before all others and until after them (agent.md 4).

use portcullis_core::{Random, uuid};

use super::super::model::{Condition, Container, Definition, Dependency, Task};
use super::docker_name;
use crate::network::{Interface, PAUSE_CONTAINER, PAUSE_PROGRAM, pause_image};

/// It needs nothing, and is given nothing.
const HOST_CONFIG: &str = r#"{"NetworkMode":"none","LogConfig":{"Type":"none"},"CapDrop":["ALL"],"ReadonlyRootfs":true,"SecurityOpt":["no-new-privileges"]}"#;
/// It ignores SIGTERM: nothing is to be waited for.
const STOP_TIMEOUT: u32 = 0;

/// Gives a task that container, when its containers share something.
pub(super) fn give_pause(task: &mut Task, random: &dyn Random) {
    if task.interface.is_none() && !task.namespaces.need_a_holder() {
        return;
    }
    for container in &mut task.containers {
        container.definition.depends_on.push(Dependency {
            container: PAUSE_CONTAINER.to_owned(),
            condition: Condition::Start,
        });
    }
    let addresses = task.interface.iter().flat_map(Interface::addresses);
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
        interface_addresses: addresses.collect(),
        resolved: true,
        pulled: true,
        ..Container::default()
    });
}
