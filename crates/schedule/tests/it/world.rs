//! A small world that carries plans out, one event after the other, and watches the bounds at each.

use portcullis_core::Timestamp;
use portcullis_schedule::deployment::{
    AlarmState, CircuitBreaker, Deployment, Ended, Health, Percents, Plan, Progress, Replica, Rollback, Says,
    ScaleIn, Service, Standing, StartPlace, Status, Strategy, Task, Threshold, plan,
};

/// AWS's default circuit breaker with rollback.
pub const BREAKER: CircuitBreaker = CircuitBreaker {
    rollback: true,
    threshold: Threshold::DEFAULT,
    reset_on_healthy_task: true,
};

/// One REPLICA service on hosts of three zones.
pub struct World {
    pub desired: u32,
    pub percents: Percents,
    pub breaker: Option<CircuitBreaker>,
    pub alarms: Option<AlarmState>,
    pub scale_in: ScaleIn,
    pub rebalance: Option<Vec<u32>>,
    pub standing: Standing,
    /// PRIMARY first, as (name, deployment).
    pub deployments: Vec<(u32, Deployment)>,
    /// As (name of the deployment, task); the task's own `deployment` is filled for each plan.
    pub tasks: Vec<(u32, Task)>,
    pub now: Timestamp,
    pub said: Vec<Says>,
    /// Whether the running tasks have a health check.
    pub checked: bool,
    pub inactive: bool,
    pub rollbacks: Vec<Rollback>,
    next_name: u32,
    next_host: u32,
}

/// A new deployment.
pub fn deployment() -> Deployment {
    Deployment {
        progress: Progress::default(),
        ended: Ended::default(),
        alarms: None,
    }
}

/// A task of the first deployment, in zone 0 on instance 0.
pub fn task(status: Status) -> Task {
    Task {
        deployment: 0,
        status,
        protected: false,
        draining: false,
        zone: 0,
        instance: 0,
        room: 0,
    }
}

/// A running task that nothing checks.
pub fn running() -> Task {
    task(Status::Running(Health::Unchecked))
}

impl World {
    /// A service with one new deployment and no task.
    pub fn new(desired: u32, minimum: u32, maximum: u32) -> Self {
        Self {
            desired,
            percents: Percents { minimum, maximum },
            breaker: None,
            alarms: None,
            scale_in: ScaleIn::Spread,
            rebalance: None,
            standing: Standing::Active,
            deployments: vec![(0, deployment())],
            tasks: Vec::new(),
            now: Timestamp::from_seconds(1_000_000),
            said: Vec::new(),
            checked: false,
            inactive: false,
            rollbacks: Vec::new(),
            next_name: 1,
            next_host: 0,
        }
    }

    /// The same, settled.
    pub fn settled(desired: u32, minimum: u32, maximum: u32) -> Self {
        let mut world = Self::new(desired, minimum, maximum);
        world.settle();
        assert!(world.is_steady(), "a service without trouble settles");
        world.said.clear();
        world
    }

    /// A new deployment begins.
    pub fn update(&mut self) {
        self.deployments.insert(0, (self.next_name, deployment()));
        self.next_name += 1;
    }

    pub fn primary(&self) -> &Progress {
        &self.deployments[0].1.progress
    }

    pub fn is_steady(&self) -> bool {
        self.primary().is_steady()
    }

    /// Positions of the live tasks of the deployment called `name`.
    pub fn live_of(&self, name: u32) -> usize {
        self.tasks
            .iter()
            .filter(|(of, task)| *of == name && task.is_live())
            .count()
    }

    pub fn live(&self) -> usize {
        self.tasks.iter().filter(|(_, task)| task.is_live()).count()
    }

    pub fn healthy(&self) -> usize {
        self.tasks.iter().filter(|(_, task)| task.is_healthy()).count()
    }

    /// The plan for the world as it stands.
    pub fn plan(&mut self) -> Plan {
        let names: Vec<u32> = self.deployments.iter().map(|(name, _)| *name).collect();
        for (of, task) in &mut self.tasks {
            task.deployment = names.iter().position(|name| name == of).unwrap_or(usize::MAX);
        }
        let tasks: Vec<Task> = self.tasks.iter().map(|(_, task)| *task).collect();
        let deployments: Vec<Deployment> = self.deployments.iter().map(|(_, it)| it.clone()).collect();
        let replica = Replica {
            desired: self.desired,
            percents: self.percents,
            circuit_breaker: self.breaker,
            scale_in: self.scale_in,
            rebalance: self.rebalance.as_deref(),
            deployments: &deployments,
        };
        plan(
            &Service {
                standing: self.standing,
                strategy: Strategy::Replica(replica),
                tasks: &tasks,
            },
            self.now,
        )
    }

    /// Plans once and carries it out; holds the bounds at every single event.
    pub fn pass(&mut self) -> Plan {
        let plan = self.plan();
        self.carry_out(&plan);
        plan
    }

    pub fn carry_out(&mut self, plan: &Plan) {
        let lower = self.percents.lower(self.desired) as usize;
        let upper = self.percents.upper(self.desired) as usize;
        for stop in &plan.stops {
            let was_healthy = self.tasks[stop.task].1.is_healthy();
            assert!(self.tasks[stop.task].1.is_live(), "only what lives is stopped");
            self.tasks[stop.task].1.status = Status::Stopping;
            if was_healthy && self.standing == Standing::Active {
                assert!(
                    self.healthy() >= lower,
                    "lower bound {lower} broken: {stop:?} of {plan:?}"
                );
            }
        }
        let asked: u32 = plan.starts.iter().map(|start| start.count).sum();
        assert!(asked <= 10, "a pass starts at most ten tasks");
        for start in &plan.starts {
            for _ in 0..start.count {
                let zone = match start.place {
                    StartPlace::Zone(zone) => zone,
                    StartPlace::Anywhere => self.poorest_zone(),
                    StartPlace::Instance(_) => panic!("a replica service asks for no instance"),
                };
                self.add(self.deployments[start.deployment].0, zone, Status::Pending);
                assert!(self.live() <= upper, "upper bound {upper} broken: {plan:?}");
            }
        }
        self.remember(plan);
    }

    /// Three hosts a zone, in turn.
    pub fn add(&mut self, name: u32, zone: u32, status: Status) {
        self.next_host += 1;
        self.tasks.push((
            name,
            Task {
                zone,
                instance: zone * 100 + self.next_host % 3,
                ..task(status)
            },
        ));
    }

    fn poorest_zone(&self) -> u32 {
        let held = |zone: u32| {
            self.tasks
                .iter()
                .filter(|(_, task)| task.is_live() && task.zone == zone)
                .count()
        };
        (0..3).min_by_key(|&zone| held(zone)).unwrap()
    }

    fn remember(&mut self, plan: &Plan) {
        self.said.extend(&plan.says);
        self.inactive = plan.inactive;
        for ((_, deployment), progress) in self.deployments.iter_mut().zip(&plan.progress) {
            deployment.progress = progress.clone();
            deployment.ended = Ended::default();
            deployment.alarms = self.alarms;
        }
        if let Some(rollback) = plan.rollback {
            self.rollbacks.push(rollback);
            let (name, mut back) = self.deployments.remove(rollback.to);
            back.progress = Progress::rolling_back(rollback.cause);
            self.deployments.insert(0, (name, back));
        } else {
            for &at in plan.removed.iter().rev() {
                self.deployments.remove(at);
            }
        }
        self.tasks.retain(|(_, task)| task.is_live());
    }

    /// Every pending task comes to run, without trouble; whether there was one.
    pub fn everything_runs(&mut self) -> bool {
        let mut any = false;
        let health = if self.checked {
            Health::Healthy
        } else {
            Health::Unchecked
        };
        for (_, task) in &mut self.tasks {
            if matches!(task.status, Status::Pending | Status::Running(Health::Unknown)) {
                task.status = Status::Running(health);
                any = true;
            }
        }
        any
    }

    /// All pending tasks of `name` stop without having run.
    pub fn fail_pending(&mut self, name: u32) -> u32 {
        let before = self.tasks.len();
        self.tasks
            .retain(|(of, task)| *of != name || task.status != Status::Pending);
        let failed = u32::try_from(before - self.tasks.len()).unwrap();
        if let Some((_, it)) = self.deployments.iter_mut().find(|(known, _)| *known == name) {
            it.ended.failed_to_start += failed;
        }
        failed
    }

    /// Passes until there is nothing left to do now; tasks come to run in between.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let plan = self.pass();
            let runs = self.everything_runs();
            let idle =
                plan.starts.is_empty() && plan.stops.is_empty() && !plan.again && plan.removed.is_empty();
            if idle && !runs && plan.rollback.is_none() && !plan.says.contains(&Says::SteadyState) {
                return;
            }
        }
        panic!("the service never comes to rest");
    }

    /// Time goes by.
    pub fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
    }
}

impl World {
    /// Passes until nothing is left to do, of a service whose deployment was given up.
    pub fn settle_failed(&mut self) {
        for _ in 0..100 {
            self.pass();
            self.everything_runs();
        }
        let plan = self.pass();
        assert!(plan.starts.is_empty() && plan.stops.is_empty() && !plan.again);
    }
}
