//! `cargo xtask bench scale`: a region filled with tasks by RunTask, in one process with the real gate, world and
//! scheduler, and what each call costs while it grows.

mod region;
mod rolling;
mod store;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_api::ecs;
use rustix::time::{ClockId, clock_gettime};

use crate::connection::Connection;
use crate::stats::{grouped, number, rate};
use crate::table::{self, Row, Verdict};
use crate::work::{signed, task_definition};
use region::{CLUSTER, Region};

const USAGE: &str = "usage: cargo xtask bench scale [rolling [TASKS] | TASKS [INSTANCES]]";
const TASKS: usize = 1_000_000;
const INSTANCES: usize = 5_000;
/// Tasks of one call: the most there may be.
const BATCH: usize = 10;
/// Task definitions in turn, each a group of its own.
const FAMILIES: usize = 50;
/// Where the growing region is looked at.
const LOOKS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Calls of each kind that are timed at a look.
const CALLS: usize = 500;
/// RunTask over the wire: instances, and calls that are timed.
const WIRE_INSTANCES: usize = 1_000;
const WIRE_CALLS: usize = 3_000;

const PLACEMENTS_MIN: f64 = 4_000.0;
const SLOWER_MAX: f64 = 1.15;
const READ_MAX: Duration = Duration::from_millis(5);
const RUN_MAX: Duration = Duration::from_millis(10);
const TASK_BYTES_MAX: f64 = 3.0 * 1024.0;

/// Measures it.
pub fn run(arguments: &[&str]) -> Result<()> {
    let count = |text: &str| text.replace(['_', ','], "").parse::<usize>().context(USAGE);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let roll = |tasks| runtime.block_on(async move { tokio::spawn(rolling::measure(tasks)).await });
    if let Some(("rolling", more)) = arguments.split_first().map(|(first, more)| (*first, more)) {
        let tasks = more.first().map_or(Ok(rolling::TASKS), |tasks| count(tasks))?;
        print!("\n{}", table::render(&roll(tasks)??));
        return Ok(());
    }
    let (tasks, instances) = match arguments {
        [] => (TASKS, INSTANCES),
        [tasks] => (count(tasks)?, INSTANCES),
        [tasks, instances] => (count(tasks)?, count(instances)?),
        _ => bail!("{USAGE}"),
    };
    let mut rows = runtime.block_on(async { tokio::spawn(over_the_wire()).await })??;
    // Before the large region, whose end gives back gigabytes for a while.
    let rolled = roll(rolling::TASKS)??;
    let grown = runtime.block_on(async { tokio::spawn(grow(tasks, instances)).await })??;
    rows.extend(grown);
    rows.extend(rolled);
    print!("\n{}", table::render(&rows));
    Ok(())
}

/// Time that something took.
#[derive(Debug, Clone, Copy, Default)]
struct Took {
    wall: Duration,
    /// Processor time of the whole process: what else runs on the machine changes it little.
    processor: Duration,
}

impl Took {
    /// The 99th percentiles of both kinds of time, each by itself.
    fn p99(all: &[Self]) -> Self {
        let of = |kind: fn(&Self) -> Duration| p99(all.iter().map(kind).collect());
        Self {
            wall: of(|took| took.wall),
            processor: of(|took| took.processor),
        }
    }
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2?} ({:.2?})", self.wall, self.processor)
    }
}

/// A moment, in both kinds of time.
struct Moment(Instant, Duration);

impl Moment {
    fn now() -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Instant::now(), Duration::new(seconds, nanos))
    }

    fn elapsed(&self) -> Took {
        let Self(_, processor) = Self::now();
        Took {
            wall: self.0.elapsed(),
            processor: processor.saturating_sub(self.1),
        }
    }
}

/// What was seen of a region of some size.
struct Look {
    tasks: usize,
    /// Placements a second since the look before, and the same by processor time.
    rate: f64,
    processor_rate: f64,
    bytes_a_task: f64,
    describe: Took,
    list: Took,
    run: Took,
}

async fn grow(tasks: usize, instances: usize) -> Result<Vec<Row>> {
    let region = Region::open().await?;
    region.fill(instances).await?;
    register(&region).await?;
    let empty = resident()?;
    eprintln!(
        "{} instances; {} tasks are placed",
        grouped(number(instances as u64)),
        grouped(number(tasks as u64))
    );
    println!(
        "| tasks | placements/s since the line before | the same, by processor time | bytes/task | DescribeTasks (100) p99, processor time's | ListTasks | RunTask (1) |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let stretch = (tasks / 10).clamp(BATCH, 100_000);
    let mut stretches = Vec::new();
    let mut looks: Vec<Look> = Vec::new();
    let mut placed = 0;
    let mut since = (0, Took::default());
    while placed < tasks {
        let mut end = (placed - placed % stretch + stretch).min(tasks);
        if let Some(look) = LOOKS.iter().find(|look| **look > placed) {
            end = end.min(*look);
        }
        let took = place(&region, placed, end).await?;
        if end - placed == stretch {
            stretches.push((
                rate_of(end - placed, took.wall),
                rate_of(end - placed, took.processor),
            ));
        }
        since.0 += end - placed;
        since.1.wall += took.wall;
        since.1.processor += took.processor;
        placed = end;
        if LOOKS.contains(&placed) || placed == tasks {
            let bytes_a_task = number(resident()?.saturating_sub(empty)) / number(placed as u64);
            let rates = (
                rate_of(since.0, since.1.wall),
                rate_of(since.0, since.1.processor),
            );
            let look = look(&region, placed, rates, bytes_a_task).await?;
            println!(
                "| {} | {} | {} | {} | {} | {} | {} |",
                grouped(number(placed as u64)),
                grouped(look.rate),
                grouped(look.processor_rate),
                grouped(look.bytes_a_task),
                look.describe,
                look.list,
                look.run
            );
            looks.push(look);
            since = (0, Took::default());
        }
    }
    Ok(verdicts(&stretches, &looks))
}

fn rate_of(tasks: usize, took: Duration) -> f64 {
    number(tasks as u64) / took.as_secs_f64()
}

/// The families of the tasks.
async fn register(region: &Region) -> Result<()> {
    for family in 0..FAMILIES {
        let mut request = task_definition(&format!("family-{family}"), "busybox");
        if let Some(container) = request.container_definitions.first_mut() {
            container.cpu = Some(64);
            container.memory = Some(128);
        }
        region.call::<ecs::op::RegisterTaskDefinition>(&request).await?;
    }
    Ok(())
}

/// Every third call by each of: no strategy; zones, then instances; zones, then the fullest.
fn run_task(number: usize, count: usize) -> ecs::RunTaskRequest {
    let by = |kind: &str, field: &str| ecs::PlacementStrategy {
        r#type: Some(kind.to_owned()),
        field: Some(field.to_owned()),
    };
    let zones = || by("spread", "attribute:ecs.availability-zone");
    let strategy = match number % 3 {
        0 => None,
        1 => Some(vec![zones(), by("spread", "instanceId")]),
        _ => Some(vec![zones(), by("binpack", "memory")]),
    };
    ecs::RunTaskRequest {
        cluster: Some(CLUSTER.to_owned()),
        task_definition: format!("family-{}", number % FAMILIES),
        count: i32::try_from(count).ok(),
        placement_strategy: strategy,
        ..Default::default()
    }
}

/// Places tasks until there are so many.
async fn place(region: &Region, from: usize, to: usize) -> Result<Took> {
    let began = Moment::now();
    let mut placed = from;
    while placed < to {
        let count = BATCH.min(to - placed);
        let reply = region
            .call::<ecs::op::RunTask>(&run_task(placed / BATCH, count))
            .await?;
        let made = reply.tasks.unwrap_or_default().len();
        ensure!(
            made == count,
            "{made} tasks of {count} were placed, with {placed} there"
        );
        placed += count;
    }
    Ok(began.elapsed())
}

async fn look(region: &Region, tasks: usize, rates: (f64, f64), bytes_a_task: f64) -> Result<Look> {
    let mut list = Vec::new();
    let mut describe = Vec::new();
    let mut token = None;
    for _ in 0..CALLS {
        let request = ecs::ListTasksRequest {
            cluster: Some(CLUSTER.to_owned()),
            next_token: token.take(),
            ..Default::default()
        };
        let (page, took) = region.timed::<ecs::op::ListTasks>(&request).await?;
        list.push(took);
        token = page.next_token;
        let request = ecs::DescribeTasksRequest {
            cluster: Some(CLUSTER.to_owned()),
            tasks: page.task_arns.unwrap_or_default(),
            include: None,
        };
        describe.push(region.timed::<ecs::op::DescribeTasks>(&request).await?.1);
    }
    let mut run = Vec::new();
    for number in 0..CALLS {
        let (reply, took) = region.timed::<ecs::op::RunTask>(&run_task(number, 1)).await?;
        run.push(took);
        // What is measured with must not stay.
        for task in reply.tasks.into_iter().flatten() {
            let stop = ecs::StopTaskRequest {
                cluster: Some(CLUSTER.to_owned()),
                task: task.task_arn.unwrap_or_default(),
                reason: None,
            };
            region.call::<ecs::op::StopTask>(&stop).await?;
        }
    }
    Ok(Look {
        tasks,
        rate: rates.0,
        processor_rate: rates.1,
        bytes_a_task,
        describe: Took::p99(&describe),
        list: Took::p99(&list),
        run: Took::p99(&run),
    })
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    let at = times.len() * 99 / 100;
    times.get(at).copied().unwrap_or_default()
}

/// RunTask of one task by a client on another connection of the same machine.
async fn over_the_wire() -> Result<Vec<Row>> {
    let region = Region::open().await?;
    region.fill(WIRE_INSTANCES).await?;
    register(&region).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let options = portcullis_control::server::Options {
        tls: None,
        trusted_proxies: Vec::new(),
        scim: false,
    };
    let accounts = std::sync::Arc::clone(&region.accounts);
    let server = tokio::spawn(portcullis_control::server::serve(
        listener, options, accounts, stopped,
    ));
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    for number in 0..WIRE_CALLS {
        let bytes = signed::<ecs::op::RunTask>(&run_task(number, 1), address, &region.key)?;
        let began = Instant::now();
        let reply = connection.exchange(&bytes).await?;
        times.push(began.elapsed());
        ensure!(
            reply.status == 200,
            "RunTask: {}",
            String::from_utf8_lossy(reply.body)
        );
    }
    drop(connection);
    stop.send_replace(true);
    server.await?;
    let took = p99(times);
    Ok(vec![Row {
        figure: format!(
            "RunTask over the wire, {} instances, p99",
            grouped(number(WIRE_INSTANCES as u64))
        ),
        ours: format!("{took:.2?}"),
        reference: format!("{} calls", grouped(number(WIRE_CALLS as u64))),
        target: "<= 10 ms",
        verdict: Verdict::of(took <= RUN_MAX),
    }])
}

fn verdicts(stretches: &[(f64, f64)], looks: &[Look]) -> Vec<Row> {
    let tasks: usize = looks.last().map_or(0, |look| look.tasks);
    let slowest = stretches
        .iter()
        .map(|(wall, _)| *wall)
        .fold(f64::INFINITY, f64::min);
    let by_processor = stretches.iter().map(|(_, processor)| *processor);
    let slowest_by_processor = by_processor.fold(f64::INFINITY, f64::min);
    let (first_wall, first) = stretches.first().copied().unwrap_or_default();
    let (last_wall, last) = stretches.last().copied().unwrap_or_default();
    let ratio = first / last;
    let mut rows = vec![
        Row {
            figure: format!(
                "placements, the slowest tenth of {}",
                grouped(number(tasks as u64))
            ),
            ours: rate(slowest),
            reference: format!("{} of processor time", rate(slowest_by_processor)),
            target: ">= 4,000/s",
            verdict: Verdict::of(slowest >= PLACEMENTS_MIN),
        },
        Row {
            figure: "the last tenth beside the first, by processor time".to_owned(),
            ours: format!("{ratio:.2} x the time"),
            reference: format!("wall: {} then {}", rate(first_wall), rate(last_wall)),
            target: "<= 1.15 x",
            verdict: Verdict::of(ratio <= SLOWER_MAX),
        },
    ];
    if let Some(look) = looks.iter().find(|look| look.tasks == 100_000) {
        for (what, time) in [("DescribeTasks of 100", look.describe), ("ListTasks", look.list)] {
            rows.push(Row {
                figure: format!("{what}, 100,000 tasks, p99"),
                ours: format!("{:.2?}", time.wall),
                reference: format!("{:.2?} of processor time; {CALLS} calls", time.processor),
                target: "<= 5 ms",
                verdict: Verdict::of(time.wall <= READ_MAX),
            });
        }
    }
    if let Some(look) = looks.last() {
        rows.push(Row {
            figure: format!("memory, {} tasks", grouped(number(look.tasks as u64))),
            ours: format!("{} bytes a task", grouped(look.bytes_a_task)),
            reference: "resident, of the whole process".to_owned(),
            target: "<= 3 KiB",
            verdict: Verdict::of(look.bytes_a_task <= TASK_BYTES_MAX),
        });
    }
    rows
}

/// Memory of this process that is resident, in bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib * 1024)
        .context("the kernel does not tell how much memory this process has")
}
