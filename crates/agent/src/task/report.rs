//! What the control plane is still to be told about a task (agent.md 5.1). Nothing is queued: what is due follows from
//! the task's picture and from what was acknowledged, so a restart loses nothing, and one task's reports stay in order.

use std::collections::BTreeSet;

use portcullis_api::ecs;

use super::model::{Container, Known, NetworkBinding, PortMapping, Task};

const REASON_CHARS_MAX: usize = 1024;
const RUNTIME_ID_CHARS_MAX: usize = 255;
const DIGEST_CHARS_MAX: usize = 255;
/// The one state that is only ever reported, never known.
const PENDING: &str = "PENDING";

/// One SubmitTaskStateChange, and what its acknowledgement settles.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) request: ecs::SubmitTaskStateChangeRequest,
    news: News,
}

/// What a report tells.
#[derive(Debug, Clone, PartialEq)]
enum News {
    /// Which images the containers have; the task is PENDING.
    Images,
    /// A state, of the task and of containers.
    States(Known, Vec<(String, Known)>),
}

/// The next report due. RUNNING always comes before STOPPED when the task ever ran, for the control plane tells from
/// it whether the task failed to start. With `flush`, ends of single containers are due too.
pub(crate) fn next_report(task: &Task, cluster: &str, flush: bool) -> Option<Report> {
    if is_pending(task) {
        return Some(pending(task, cluster));
    }
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
    let news = told(task).any(|container| container.reported < container.known);
    (flush && news && task.reported == Known::Running)
        .then(|| report(task, cluster, Known::Running, |container| container.known))
}

/// The containers others are told of.
fn told(task: &Task) -> impl Iterator<Item = &Container> {
    task.containers
        .iter()
        .filter(|container| !container.is_internal())
}

/// Notes that the control plane has it.
pub(crate) fn acknowledge(task: &mut Task, report: &Report) {
    let News::States(status, containers) = &report.news else {
        task.pending_reported = true;
        return;
    };
    task.reported = task.reported.max(*status);
    for (name, known) in containers {
        if let Some(container) = task.container_mut(name) {
            container.reported = container.reported.max(*known);
        }
    }
}

/// Every image was looked up and a registry knew some: the control plane learns their digests before anything runs.
fn is_pending(task: &Task) -> bool {
    let looked_up = |container: &Container| container.resolved || container.known != Known::None;
    !task.pending_reported
        && !task.ran
        && task.known() == Known::None
        && task.containers.iter().all(looked_up)
        && task
            .containers
            .iter()
            .any(|container| container.image_digest.is_some())
}

fn pending(task: &Task, cluster: &str) -> Report {
    let known = task
        .containers
        .iter()
        .filter(|container| container.image_digest.is_some());
    let containers = known.map(|container| ecs::ContainerStateChange {
        container_name: Some(container.definition.name.clone()),
        image_digest: digest(container),
        status: Some(PENDING.to_owned()),
        ..Default::default()
    });
    let request = ecs::SubmitTaskStateChangeRequest {
        cluster: Some(cluster.to_owned()),
        task: Some(task.arn.clone()),
        status: Some(PENDING.to_owned()),
        reason: Some(String::new()),
        containers: Some(containers.collect()),
        ..Default::default()
    };
    Report {
        request,
        news: News::Images,
    }
}

fn digest(container: &Container) -> Option<String> {
    container
        .image_digest
        .as_deref()
        .map(|digest| cut(digest, DIGEST_CHARS_MAX))
}

fn report(task: &Task, cluster: &str, status: Known, shown: impl Fn(&Container) -> Known) -> Report {
    let news: Vec<_> = told(task)
        .map(|container| (container, shown(container)))
        .filter(|(container, shown)| container.reported < *shown)
        .collect();
    let request = ecs::SubmitTaskStateChangeRequest {
        cluster: Some(cluster.to_owned()),
        task: Some(task.arn.clone()),
        status: Some(status.word().to_owned()),
        reason: Some(
            task.failure
                .as_deref()
                .filter(|_| status == Known::Stopped)
                .map(|reason| cut(reason, REASON_CHARS_MAX))
                .unwrap_or_default(),
        ),
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
        news: News::States(status, containers),
    }
}

fn change(container: &Container, shown: Known) -> ecs::ContainerStateChange {
    let ended = shown == Known::Stopped;
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
        image_digest: digest(container),
        network_bindings: Some(network_bindings(container)).filter(|bindings| !bindings.is_empty()),
    }
}

/// Single ports one by one, each range as one.
fn network_bindings(container: &Container) -> Vec<ecs::NetworkBinding> {
    let ranges = container
        .definition
        .ports
        .iter()
        .filter(|port| port.range.is_some());
    let ranges: Vec<_> = ranges.collect();
    let range_of = |binding: &NetworkBinding| {
        let own = |port: &&&PortMapping| {
            port.protocol == binding.protocol && port.container_ports().contains(&binding.container_port)
        };
        ranges.iter().find(own).copied()
    };
    let single = container
        .bindings
        .iter()
        .filter(|binding| range_of(binding).is_none());
    let single = single.map(|binding| ecs::NetworkBinding {
        bind_ip: Some(binding.bind_ip.clone()),
        container_port: Some(binding.container_port.into()),
        host_port: Some(binding.host_port.into()),
        protocol: Some(binding.protocol.clone()),
        ..Default::default()
    });
    let mut all: Vec<_> = single.collect();
    for port in &ranges {
        let own = container
            .bindings
            .iter()
            .filter(|binding| range_of(binding) == Some(*port));
        let addresses: BTreeSet<&str> = own.clone().map(|binding| binding.bind_ip.as_str()).collect();
        for bind_ip in addresses {
            let hosts = own.clone().filter(|binding| binding.bind_ip == bind_ip);
            let hosts: BTreeSet<u16> = hosts.map(|binding| binding.host_port).collect();
            let (Some(first), Some(last)) = (hosts.first(), hosts.last()) else {
                continue;
            };
            let (start, end) = (
                port.container_ports().start().to_owned(),
                *port.container_ports().end(),
            );
            all.push(ecs::NetworkBinding {
                bind_ip: Some(bind_ip.to_owned()),
                container_port_range: Some(format!("{start}-{end}")),
                host_port_range: Some(format!("{first}-{last}")),
                protocol: Some(port.protocol.clone()),
                ..Default::default()
            });
        }
    }
    all
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
    fn agent_5_1_pending_comes_first_with_the_digests_when_a_registry_knew_them() {
        let mut task = task(vec![container("app", true, &[]), container("side", false, &[])]);
        task.container_mut("side").unwrap().resolved = false;
        task.container_mut("app").unwrap().image_digest = Some("sha256:00".into());
        assert_eq!(
            next_report(&task, "probe", true),
            None,
            "not before all were looked up"
        );
        task.container_mut("side").unwrap().resolved = true;
        let report = next_report(&task, "probe", false).unwrap();
        assert_eq!(summary(Some(&report)), "PENDING: app=PENDINGNone");
        let changes = report.request.containers.clone().unwrap();
        assert_eq!(changes[0].image_digest.as_deref(), Some("sha256:00"));
        acknowledge(&mut task, &report);
        assert_eq!(next_report(&task, "probe", true), None);
    }

    #[test]
    fn agent_5_1_a_port_range_is_one_binding() {
        let mut app = container("app", true, &[]);
        app.definition.ports = vec![PortMapping {
            container_port: 8080,
            range: Some((8080, 8082)),
            protocol: "tcp".into(),
            ..PortMapping::default()
        }];
        let binding = |container_port: u16, host_port: u16, protocol: &str| NetworkBinding {
            bind_ip: "0.0.0.0".into(),
            container_port,
            host_port,
            protocol: protocol.into(),
        };
        app.bindings = vec![
            binding(8080, 32768, "tcp"),
            binding(8081, 32769, "tcp"),
            binding(8082, 32770, "tcp"),
            binding(8081, 9, "udp"),
        ];
        let shown: Vec<_> = network_bindings(&app)
            .into_iter()
            .map(|one| (one.container_port, one.container_port_range, one.host_port_range))
            .collect();
        let range = (None, Some("8080-8082".to_owned()), Some("32768-32770".to_owned()));
        assert_eq!(shown, [(Some(8081), None, None), range]);
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
