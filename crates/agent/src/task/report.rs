//! What the control plane is still to be told about a task (agent.md 5.1). Nothing is queued: what is due follows from
//! the task's picture and from what was acknowledged, so a restart loses nothing, and one task's reports stay in order.

use portcullis_api::ecs;

use super::model::{Container, Known, Task};

const REASON_CHARS_MAX: usize = 1024;
const RUNTIME_ID_CHARS_MAX: usize = 255;

/// One SubmitTaskStateChange, and what its acknowledgement settles.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) request: ecs::SubmitTaskStateChangeRequest,
    status: Known,
    containers: Vec<(String, Known)>,
}

/// The next report due. RUNNING always comes before STOPPED when the task ever ran, for the control plane tells from
/// it whether the task failed to start. With `flush`, ends of single containers are due too.
pub(crate) fn next_report(task: &Task, cluster: &str, flush: bool) -> Option<Report> {
    if task.reported < Known::Running && task.ran {
        return Some(report(
            task,
            cluster,
            Known::Running,
            |container| match container.started {
                true => Known::Running,
                false => container.known,
            },
        ));
    }
    if task.reported < Known::Stopped && task.known() == Known::Stopped {
        return Some(report(task, cluster, Known::Stopped, |container| container.known));
    }
    let news = task
        .containers
        .iter()
        .any(|container| container.reported < container.known);
    (flush && news && task.reported == Known::Running)
        .then(|| report(task, cluster, Known::Running, |container| container.known))
}

/// Notes that the control plane has it.
pub(crate) fn acknowledge(task: &mut Task, report: &Report) {
    task.reported = task.reported.max(report.status);
    for (name, known) in &report.containers {
        if let Some(container) = task.container_mut(name) {
            container.reported = container.reported.max(*known);
        }
    }
}

fn report(task: &Task, cluster: &str, status: Known, shown: impl Fn(&Container) -> Known) -> Report {
    let news: Vec<_> = task
        .containers
        .iter()
        .map(|container| (container, shown(container)))
        .filter(|(container, shown)| container.reported < *shown)
        .collect();
    let request = ecs::SubmitTaskStateChangeRequest {
        cluster: Some(cluster.to_owned()),
        task: Some(task.arn.clone()),
        status: Some(status.word().to_owned()),
        reason: Some(String::new()),
        containers: Some(
            news.iter()
                .map(|(container, shown)| change(container, *shown))
                .collect(),
        ),
        pull_started_at: task.pull_started_at,
        pull_stopped_at: task.pull_stopped_at,
        execution_stopped_at: task.execution_stopped_at.filter(|_| status == Known::Stopped),
        ..Default::default()
    };
    let containers = news
        .iter()
        .map(|(container, shown)| (container.definition.name.clone(), *shown))
        .collect();
    Report {
        request,
        status,
        containers,
    }
}

fn change(container: &Container, shown: Known) -> ecs::ContainerStateChange {
    let ended = shown == Known::Stopped;
    let bindings = container.bindings.iter().map(|binding| ecs::NetworkBinding {
        bind_ip: Some(binding.bind_ip.clone()),
        container_port: Some(binding.container_port.into()),
        host_port: Some(binding.host_port.into()),
        protocol: Some(binding.protocol.clone()),
        ..Default::default()
    });
    ecs::ContainerStateChange {
        container_name: Some(container.definition.name.clone()),
        runtime_id: container
            .runtime_id
            .as_deref()
            .map(|id| cut(id, RUNTIME_ID_CHARS_MAX)),
        status: Some(shown.word().to_owned()),
        exit_code: container.exit_code.filter(|_| ended),
        reason: container
            .reason
            .as_deref()
            .filter(|_| ended)
            .map(|reason| cut(reason, REASON_CHARS_MAX)),
        network_bindings: Some(bindings.collect::<Vec<_>>()).filter(|bindings| !bindings.is_empty()),
        ..Default::default()
    }
}

/// A task that could not even be read.
pub(crate) fn refusal(arn: &str, cluster: &str, reason: &str) -> ecs::SubmitTaskStateChangeRequest {
    ecs::SubmitTaskStateChangeRequest {
        cluster: Some(cluster.to_owned()),
        task: Some(arn.to_owned()),
        status: Some(Known::Stopped.word().to_owned()),
        reason: Some(cut(reason, REASON_CHARS_MAX)),
        ..Default::default()
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{container, task};
    use super::*;

    fn summary(report: Option<&Report>) -> String {
        let Some(report) = report else {
            return "nothing".to_owned();
        };
        let containers = report.request.containers.iter().flatten().map(|change| {
            format!(
                " {}={}{:?}",
                change.container_name.as_ref().unwrap(),
                change.status.as_ref().unwrap(),
                change.exit_code
            )
        });
        format!(
            "{}:{}",
            report.request.status.as_ref().unwrap(),
            containers.collect::<String>()
        )
    }

    #[test]
    fn agent_5_1_running_comes_before_stopped_even_when_all_is_over() {
        let mut task = task(vec![container("app", true, &[]), container("side", false, &[])]);
        assert_eq!(next_report(&task, "probe", true), None);
        for name in ["app", "side"] {
            let container = task.container_mut(name).unwrap();
            (container.started, container.known, container.exit_code) = (true, Known::Stopped, Some(7));
        }
        task.ran = true;
        let first = next_report(&task, "probe", false);
        assert_eq!(
            summary(first.as_ref()),
            "RUNNING: app=RUNNINGNone side=RUNNINGNone"
        );
        acknowledge(&mut task, &first.unwrap());
        let second = next_report(&task, "probe", false);
        assert_eq!(
            summary(second.as_ref()),
            "STOPPED: app=STOPPEDSome(7) side=STOPPEDSome(7)"
        );
        acknowledge(&mut task, &second.unwrap());
        assert_eq!(next_report(&task, "probe", true), None);
    }

    #[test]
    fn agent_5_1_a_container_that_ends_alone_waits_for_the_ticker() {
        let mut task = task(vec![container("app", true, &[]), container("side", false, &[])]);
        for name in ["app", "side"] {
            let container = task.container_mut(name).unwrap();
            (container.started, container.known) = (true, Known::Running);
        }
        task.ran = true;
        let running = next_report(&task, "probe", false).unwrap();
        acknowledge(&mut task, &running);
        task.container_mut("side").unwrap().known = Known::Stopped;
        assert_eq!(next_report(&task, "probe", false), None);
        assert_eq!(
            summary(next_report(&task, "probe", true).as_ref()),
            "RUNNING: side=STOPPEDNone"
        );
    }

    #[test]
    fn agent_5_1_a_task_that_never_ran_is_only_stopped() {
        let mut task = task(vec![container("app", true, &[])]);
        let app = task.container_mut("app").unwrap();
        (app.known, app.reason) = (Known::Stopped, Some("x".repeat(2000)));
        let report = next_report(&task, "probe", false).unwrap();
        assert_eq!(summary(Some(&report)), "STOPPED: app=STOPPEDNone");
        assert_eq!(
            report.request.containers.unwrap()[0]
                .reason
                .as_ref()
                .unwrap()
                .len(),
            1024
        );
    }
}
