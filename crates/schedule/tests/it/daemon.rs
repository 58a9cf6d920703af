//! DAEMON services: one task on each matching host.

use portcullis_core::Timestamp;
use portcullis_schedule::deployment::{
    Daemon, Deployment, Health, Host, HostState, Percents, Plan, Rollout, Says, Service, Standing,
    StartPlace, Status, StopReason, Strategy, Task, plan,
};

use super::world::{BREAKER, deployment, running, task};

struct Fleet {
    minimum: u32,
    hosts: Vec<Host>,
    deployments: Vec<Deployment>,
    tasks: Vec<Task>,
    now: Timestamp,
    breaks: bool,
}

impl Fleet {
    fn new(hosts: u32) -> Self {
        let hosts = (0..hosts)
            .map(|instance| Host {
                instance,
                state: HostState::Matching,
            })
            .collect();
        let now = Timestamp::from_seconds(1_000_000);
        Self {
            minimum: 0,
            hosts,
            deployments: vec![deployment()],
            tasks: Vec::new(),
            now,
            breaks: false,
        }
    }

    fn settled(hosts: u32) -> Self {
        let mut fleet = Self::new(hosts);
        fleet.settle();
        fleet
    }

    fn plan(&self) -> Plan {
        let daemon = Daemon {
            percents: Percents {
                minimum: self.minimum,
                maximum: 100,
            },
            circuit_breaker: self.breaks.then_some(BREAKER),
            hosts: &self.hosts,
            deployments: &self.deployments,
        };
        let service = Service {
            standing: Standing::Active,
            strategy: Strategy::Daemon(daemon),
            tasks: &self.tasks,
        };
        plan(&service, self.now)
    }

    /// Carries a plan out; what is stopped is gone only after [`Self::everything_happens`].
    fn pass(&mut self) -> Plan {
        let plan = self.plan();
        for stop in &plan.stops {
            self.tasks[stop.task].status = Status::Stopping;
        }
        assert!(plan.starts.len() <= 10);
        for start in &plan.starts {
            let StartPlace::Instance(instance) = start.place else {
                panic!("a daemon is started on an instance")
            };
            assert!(
                self.tasks.iter().all(|task| task.instance != instance),
                "one task a host"
            );
            self.tasks.push(Task {
                instance,
                deployment: start.deployment,
                ..task(Status::Pending)
            });
        }
        for (deployment, progress) in self.deployments.iter_mut().zip(&plan.progress) {
            deployment.progress = progress.clone();
            deployment.ended = Default::default();
        }
        if plan.rollback.is_none() {
            for &at in plan.removed.iter().rev() {
                self.deployments.remove(at);
            }
        }
        plan
    }

    fn everything_happens(&mut self) {
        self.tasks.retain(Task::is_live);
        for task in &mut self.tasks {
            if task.status == Status::Pending {
                task.status = Status::Running(Health::Unchecked);
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            let plan = self.pass();
            self.everything_happens();
            if plan.starts.is_empty() && plan.stops.is_empty() && plan.says.is_empty() && !plan.again {
                return;
            }
        }
        panic!("the daemon never comes to rest");
    }

    fn update(&mut self) {
        for task in &mut self.tasks {
            task.deployment += 1;
        }
        self.deployments.insert(0, deployment());
    }
}

#[test]
fn one_task_runs_on_each_matching_host() {
    let mut fleet = Fleet::new(23);
    let plan = fleet.pass();
    assert_eq!((plan.starts.len(), plan.again), (10, true));
    fleet.settle();
    assert_eq!(fleet.tasks.len(), 23);
    assert_eq!(fleet.deployments[0].progress.rollout, Rollout::Completed);
    assert!(fleet.deployments[0].progress.is_steady());
    fleet.hosts.push(Host {
        instance: 50,
        state: HostState::Matching,
    });
    fleet.settle();
    assert_eq!(fleet.tasks.len(), 24);
}

#[test]
fn an_update_stops_the_old_task_before_it_starts_the_new_one() {
    let mut fleet = Fleet::settled(4);
    fleet.update();
    let plan = fleet.pass();
    assert_eq!((plan.stops.len(), plan.starts.len()), (4, 0));
    assert!(fleet.pass().starts.is_empty(), "the old ones still stop");
    fleet.everything_happens();
    assert_eq!(fleet.pass().starts.len(), 4);
    fleet.everything_happens();
    fleet.settle();
    assert_eq!(fleet.deployments.len(), 1);
    assert!(fleet.tasks.iter().all(|task| task.deployment == 0));
}

#[test]
fn an_update_keeps_the_lower_bound() {
    let mut fleet = Fleet::settled(8);
    fleet.minimum = 70;
    fleet.update();
    for _ in 0..20 {
        fleet.pass();
        assert!(fleet.tasks.iter().filter(|task| task.is_healthy()).count() >= 6);
        fleet.everything_happens();
    }
    assert_eq!(fleet.deployments[0].progress.rollout, Rollout::Completed);
}

#[test]
fn a_task_on_a_host_that_no_longer_matches_is_stopped_and_told_of() {
    let mut fleet = Fleet::settled(3);
    fleet.hosts.remove(1);
    let plan = fleet.pass();
    assert_eq!(plan.stops.len(), 1);
    assert_eq!(
        (plan.stops[0].task, plan.stops[0].reason),
        (1, StopReason::ConstraintViolated)
    );
    assert!(plan.says.contains(&Says::DaemonConstraintViolated { task: 1 }));
}

#[test]
fn on_a_draining_host_it_is_stopped_last_and_never_started() {
    let mut fleet = Fleet::settled(2);
    fleet.hosts[0].state = HostState::DrainingOthers;
    assert!(fleet.pass().stops.is_empty());
    fleet.hosts[0].state = HostState::DrainingAlone;
    let plan = fleet.pass();
    assert_eq!(plan.stops.len(), 1);
    assert_eq!(plan.stops[0].reason, StopReason::InstanceDraining);
    fleet.everything_happens();
    fleet.settle();
    assert_eq!(fleet.tasks.len(), 1);
    assert!(fleet.deployments[0].progress.is_steady());
}

#[test]
fn a_host_out_of_reach_keeps_its_task_and_gets_none() {
    let mut fleet = Fleet::settled(2);
    fleet.hosts[0].state = HostState::Unreachable;
    fleet.hosts.push(Host {
        instance: 9,
        state: HostState::Unreachable,
    });
    let plan = fleet.pass();
    assert!(plan.stops.is_empty() && plan.starts.is_empty());
    assert_eq!(fleet.deployments[0].progress.rollout, Rollout::Completed);
}

#[test]
fn an_unhealthy_daemon_task_is_replaced_and_a_second_one_on_a_host_goes() {
    let mut fleet = Fleet::settled(2);
    fleet.tasks[0].status = Status::Running(Health::Unhealthy);
    fleet.tasks.push(Task {
        instance: 1,
        ..running()
    });
    let plan = fleet.pass();
    let mut stops: Vec<_> = plan.stops.iter().map(|stop| (stop.task, stop.reason)).collect();
    stops.sort_unstable();
    assert_eq!(stops, [(0, StopReason::Unhealthy), (2, StopReason::Scaling(0))]);
    fleet.everything_happens();
    fleet.settle();
    assert_eq!(fleet.tasks.len(), 2);
}

#[test]
fn a_failing_daemon_update_is_rolled_back() {
    let mut fleet = Fleet::settled(4);
    fleet.breaks = true;
    fleet.update();
    for _ in 0..20 {
        let plan = fleet.pass();
        if let Some(rollback) = plan.rollback {
            assert_eq!((rollback.from, rollback.to), (0, 1));
            return;
        }
        let before = fleet.tasks.len();
        fleet
            .tasks
            .retain(|task| task.is_live() && task.status != Status::Pending);
        let failed = before - fleet.tasks.len() - plan.stops.len();
        fleet.deployments[0].ended.failed_to_start = u32::try_from(failed).unwrap();
        fleet.now = fleet.now.plus_seconds(900);
    }
    panic!("never rolled back");
}
