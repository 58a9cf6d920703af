//! Tasks (ecs.md 9).

mod digests;
mod execute;
mod launch;
mod make;
mod network;
mod of_service;
mod overrides;
mod placing;
mod platform;
mod protection;
mod read;
mod run;
mod shown;
mod start;
mod stop;
mod submit;
mod waiting;
mod wanted;

use portcullis_api::ecs as api;
use portcullis_api::ecs::op;

pub(super) use network::check_network_objects;
pub(super) use placing::{conditions, strategies};
pub(super) use platform::version as platform_version;
pub(super) use wanted::{check_network, check_supported};

pub(crate) use digests::of_task as digests_of;
pub(crate) use of_service::{Fit, Missing, Started, Version, Where, fits, reservation, start, zones};
pub(crate) use waiting::{Tried, is_alike, try_again};

use crate::gate::operation::{Row, read, write, write_prepared};
use crate::world::records::ecs::Task;

/// The operations on tasks.
pub(super) fn table() -> Vec<Row> {
    const RUN: &[&str] = &["ecs:RunTask", "iam:PassRole", "ecs:TagResource"];
    const START: &[&str] = &["ecs:StartTask", "iam:PassRole", "ecs:TagResource"];
    vec![
        write::<op::RunTask>(RUN, run::require, run::run),
        write::<op::StartTask>(START, start::require, start::start),
        write::<op::StopTask>(&["ecs:StopTask"], stop::require, stop::stop),
        read::<op::DescribeTasks>(&["ecs:DescribeTasks"], read::require_describe, read::describe),
        read::<op::ListTasks>(&["ecs:ListTasks"], read::require_list, read::list),
        write_prepared::<op::ExecuteCommand>(
            &["ecs:ExecuteCommand"],
            execute::require,
            execute::prepare,
            execute::execute,
        ),
        read::<op::GetTaskProtection>(
            &["ecs:GetTaskProtection"],
            protection::require_get,
            protection::get,
        ),
        write::<op::UpdateTaskProtection>(
            &["ecs:UpdateTaskProtection"],
            protection::require_update,
            protection::update,
        ),
        write::<op::SubmitTaskStateChange>(
            &["ecs:SubmitTaskStateChange"],
            submit::require_task,
            submit::task,
        ),
        write::<op::SubmitContainerStateChange>(
            &["ecs:SubmitContainerStateChange"],
            submit::require_container,
            submit::container,
        ),
        write::<op::SubmitAttachmentStateChanges>(
            &["ecs:SubmitAttachmentStateChanges"],
            submit::require_attachments,
            submit::attachments,
        ),
    ]
}

/// A task without its tags.
pub(super) fn shown_for_events(task: &Task) -> api::Task {
    shown::task(task, false)
}
