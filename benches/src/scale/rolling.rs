//! A service of many tasks deployed anew, pass by pass through the scheduler's own loop: what the longest pass costs.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use portcullis_api::ecs;
use portcullis_control::schedule::life_cycle::{self, TaskReport};
use portcullis_control::schedule::services::Keeper;
use portcullis_control::world::records::ecs::{DesiredStatus, LastStatus, Task};
use portcullis_control::world::{Snapshot, Tx};

use super::region::{CLUSTER, Region};
use super::{Moment, Took};
use crate::stats::{grouped, number};
use crate::table::{Row, Verdict};
use std::time::Duration;

/// Tasks of the service.
pub const TASKS: usize = 5_000;
/// Instances under it.
const INSTANCES: usize = 100;
const FAMILY: &str = "rolled";
const SERVICE: &str = "rolled";
/// Rounds after which a deployment that is not over never will be, for each task.
const PATIENCE: usize = 4;
const PASS_MAX: Duration = Duration::from_millis(50);

/// Fills a service, deploys it anew, and looks at every pass of both.
pub async fn measure(tasks: usize) -> Result<Vec<Row>> {
    let region = Region::open().await?;
    region.fill(INSTANCES).await?;
    region.let_launch(tasks).await?;
    let revision = register(&region).await?;
    create(&region, &revision, tasks).await?;
    let mut loop_ = Loop::new(&region, tasks);
    eprintln!("a service of {} tasks is filled", grouped(number(tasks as u64)));
    let filled = loop_.until_steady(&revision).await?;
    let next = register(&region).await?;
    let update = ecs::UpdateServiceRequest {
        cluster: Some(CLUSTER.to_owned()),
        service: SERVICE.to_owned(),
        task_definition: Some(next.clone()),
        ..Default::default()
    };
    region.call::<ecs::op::UpdateService>(&update).await?;
    eprintln!("and deployed anew");
    let rolled = loop_.until_steady(&next).await?;
    Ok(vec![
        row("filled", tasks, filled),
        row("deployed rolling", tasks, rolled),
    ])
}

/// A revision of the family; its ARN.
async fn register(region: &Region) -> Result<String> {
    let mut request = crate::work::task_definition(FAMILY, "busybox");
    if let Some(container) = request.container_definitions.first_mut() {
        container.cpu = Some(64);
        container.memory = Some(128);
    }
    let made = region.call::<ecs::op::RegisterTaskDefinition>(&request).await?;
    let arn = made.task_definition.and_then(|made| made.task_definition_arn);
    arn.context("a definition has an ARN")
}

async fn create(region: &Region, revision: &str, tasks: usize) -> Result<()> {
    let request = ecs::CreateServiceRequest {
        cluster: Some(CLUSTER.to_owned()),
        service_name: SERVICE.to_owned(),
        task_definition: Some(revision.to_owned()),
        desired_count: i32::try_from(tasks).ok(),
        ..Default::default()
    };
    region.call::<ecs::op::CreateService>(&request).await?;
    Ok(())
}

/// The scheduler and the agents, turn by turn.
struct Loop<'a> {
    region: &'a Region,
    keeper: Keeper,
    tasks: usize,
}

impl<'a> Loop<'a> {
    fn new(region: &'a Region, tasks: usize) -> Self {
        Self {
            region,
            keeper: Keeper::default(),
            tasks,
        }
    }

    /// Goes on until all tasks are of one revision and run; what each pass took.
    async fn until_steady(&mut self, revision: &str) -> Result<Vec<Took>> {
        let mut passes = Vec::new();
        for _ in 0..self.tasks.max(100) * PATIENCE {
            let began = Moment::now();
            let had_work = self.keeper.round(&self.region.gate).await;
            let took = began.elapsed();
            if had_work {
                passes.push(took);
            }
            let moved = self.agents().await?;
            if !had_work && !moved {
                self.check(revision)?;
                return Ok(passes);
            }
        }
        anyhow::bail!("the service does not come to rest")
    }

    /// Every agent does what is wanted of its tasks; whether there was anything.
    async fn agents(&self) -> Result<bool> {
        let view = self.region.world.view();
        let open: Vec<Arc<Task>> = open(&view);
        if open.is_empty() {
            return Ok(false);
        }
        let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            for task in &open {
                let mut task = Task::clone(task);
                let status = match task.desired {
                    DesiredStatus::Running => LastStatus::Running,
                    DesiredStatus::Stopped => LastStatus::Stopped,
                };
                let report = TaskReport {
                    status: Some(status),
                    ..TaskReport::default()
                };
                task.report(report, tx.now);
                life_cycle::keep(tx, task);
            }
            Ok(())
        };
        let written = self.region.world.write(change).await;
        written.context("the agents cannot report")?;
        Ok(true)
    }

    fn check(&self, revision: &str) -> Result<()> {
        let view = self.region.world.view();
        let running = view.ecs.tasks.iter().map(|(_, task)| task).filter(|task| {
            let of = task.task_definition_arn();
            task.last == LastStatus::Running && of == revision
        });
        let running = running.count();
        ensure!(running == self.tasks, "{running} of {} tasks run", self.tasks);
        Ok(())
    }
}

/// The tasks whose agents have something to do.
fn open(view: &Snapshot) -> Vec<Arc<Task>> {
    let is_open = |task: &Task| match task.desired {
        DesiredStatus::Running => task.last != LastStatus::Running,
        DesiredStatus::Stopped => task.last != LastStatus::Stopped,
    };
    let tasks = view.ecs.tasks.iter().map(|(_, task)| task);
    tasks.filter(|task| is_open(task)).cloned().collect()
}

fn row(what: &str, tasks: usize, passes: Vec<Took>) -> Row {
    let slowest = passes.iter().map(|took| took.wall).max().unwrap_or_default();
    let by_processor = passes.iter().map(|took| took.processor).max().unwrap_or_default();
    Row {
        figure: format!(
            "a service of {} tasks {what}, slowest pass",
            grouped(number(tasks as u64))
        ),
        ours: format!("{slowest:.2?}"),
        reference: format!(
            "{by_processor:.2?} of processor time; {} passes, p99 {}",
            grouped(number(passes.len() as u64)),
            Took::p99(&passes)
        ),
        target: "<= 50 ms",
        verdict: Verdict::of(slowest <= PASS_MAX),
    }
}
