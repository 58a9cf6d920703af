//! Tasks (ecs.md 9).

mod make;
mod placing;
mod read;
mod run;
mod shown;
mod start;
mod stop;
mod submit;
mod wanted;

use portcullis_api::ecs::op;

use crate::gate::operation::{Row, read, write};

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
