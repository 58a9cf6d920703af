//! Tasks that cannot be handed to their agent.

use crate::schedule::life_cycle;
use crate::world::records::ecs::{StopCode, Task};
use crate::world::{Tx, World, WriteError};

/// A task that cannot be handed over has failed to start.
pub(super) async fn give_up(world: &World, task: &Task, reason: String) {
    let key = Task::key_of(&task.region, &task.cluster, &task.id);
    let change = |tx: &mut Tx<'_>| -> Result<(), std::convert::Infallible> {
        if let Some(mut task) = tx.view().ecs.tasks.get(&key).map(|found| Task::clone(found)) {
            task.abandon(StopCode::TaskFailedToStart, reason, tx.now);
            life_cycle::keep(tx, task);
        }
        Ok(())
    };
    if let Err(WriteError::Store(error)) = world.write(change).await {
        tracing::error!(%error, task = %task.arn, "a task that failed to start could not be noted");
    }
}

/// The words RunTask would have refused with.
pub(super) fn role_not_assumable(role: &portcullis_core::Arn) -> String {
    format!(
        "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role being passed has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
    )
}
