//! What the agent needs while fifty tasks just run.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::scene::{CLUSTER, FAMILY, Scene};
use crate::stats::{mib, number};
use crate::subject::still_there;
use crate::table::{Row, Verdict};
use crate::work::run_task;

/// What has to be reached.
pub const TARGET: &str = "<= 15 MiB, <= 0.5 % of a core";
const TASKS: usize = 50;
const RESIDENT_MAX: f64 = 15.0 * 1024.0 * 1024.0;
const CORE_MAX: f64 = 0.005;
/// What the starts themselves still cause ends meanwhile.
const CALM: Duration = Duration::from_secs(5);
const OVER: Duration = Duration::from_secs(60);

/// Memory at the end, time on a processor in between.
pub async fn measure(scene: &mut Scene) -> Result<Vec<Row>> {
    let arns = scene.run(&run_task(CLUSTER, FAMILY), TASKS).await?;
    scene.wait(&arns, "RUNNING", Duration::from_millis(20)).await?;
    tokio::time::sleep(CALM).await;
    let (before, began) = (scene.agent.cpu()?, Instant::now());
    tokio::time::sleep(OVER).await;
    let share = (scene.agent.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    let resident = number(scene.agent.resident_bytes()?);
    let data = mib(number(scene.agent.anonymous_bytes()?));
    still_there(&mut scene.agent)?;
    let row = |what: &str, ours: String, target, met| Row {
        figure: format!("agent with {TASKS} idle tasks, {what}"),
        ours,
        reference: "-".to_owned(),
        target,
        verdict: Verdict::of(met),
    };
    Ok(vec![
        row(
            "memory",
            format!("{}, {data} without the program", mib(resident)),
            "<= 15 MiB",
            resident <= RESIDENT_MAX,
        ),
        row(
            "processor",
            format!("{:.2} % of a core", share * 100.0),
            "<= 0.5 % of a core",
            share <= CORE_MAX,
        ),
    ])
}
