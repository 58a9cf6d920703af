//! From RunTask to RUNNING: one task, and a hundred at once.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::scene::{CLUSTER, FAMILY, Scene, docker, docker_run, output};
use crate::stats::median;
use crate::table::{Row, Verdict};
use crate::work::run_task;

/// What one task has to reach.
pub const TARGET: &str = "<= 1.2 x docker run";
const TURNS: usize = 7;
const RATIO_MAX: f64 = 1.2;
const MANY: usize = 100;
/// Plain `docker run`s at once: with more or fewer the engine is no faster.
const AT_ONCE: usize = 10;
const RATIO_MANY_MAX: f64 = 1.15;

/// One, and a hundred.
pub async fn measure(scene: &mut Scene) -> Result<Vec<Row>> {
    Ok(vec![one(scene).await?, hundred(scene).await?])
}

/// One task after the other, in turn with one container after the other.
async fn one(scene: &mut Scene) -> Result<Row> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first of each warms up what both use.
    for turn in 0..=TURNS {
        let reference = plain()?;
        let task = task(scene).await?;
        if turn > 0 {
            ratios.push(task / reference);
            ours.push(task);
            theirs.push(reference);
        }
    }
    let ratio = median(ratios);
    Ok(Row {
        figure: "RunTask to RUNNING on Docker".to_owned(),
        ours: format!("{:.0} ms ({ratio:.2} x)", median(ours)),
        reference: format!("{:.0} ms (docker run --detach)", median(theirs)),
        target: TARGET,
        verdict: Verdict::of(ratio <= RATIO_MAX),
    })
}

/// Milliseconds of `docker run --detach`, whose container is removed again.
fn plain() -> Result<f64> {
    let began = Instant::now();
    let id = output(&mut docker_run())?;
    let took = began.elapsed();
    docker(&["rm", "--force", id.trim()])?;
    Ok(took.as_secs_f64() * 1000.0)
}

/// Milliseconds from RunTask to RUNNING, as its caller sees it.
async fn task(scene: &mut Scene) -> Result<f64> {
    let began = Instant::now();
    let arns = scene.run(&run_task(CLUSTER, FAMILY), 1).await?;
    scene.wait(&arns, "RUNNING", Duration::from_millis(1)).await?;
    let took = began.elapsed();
    scene.stop(&arns).await?;
    Ok(took.as_secs_f64() * 1000.0)
}

/// A hundred, at the engine's own pace.
async fn hundred(scene: &mut Scene) -> Result<Row> {
    let theirs = plain_hundred()?;
    let before = processor(scene)?;
    let began = Instant::now();
    let arns = scene.run(&run_task(CLUSTER, FAMILY), MANY).await?;
    scene.wait(&arns, "RUNNING", Duration::from_millis(20)).await?;
    let ours = began.elapsed().as_secs_f64();
    let ourselves = (processor(scene)? - before).as_secs_f64();
    scene.stop(&arns).await?;
    let ratio = ours / theirs;
    Ok(Row {
        figure: format!("{MANY} tasks on one host"),
        ours: format!("{ours:.1} s ({ratio:.2} x), {ourselves:.1} s of processor time"),
        reference: format!("{theirs:.1} s (docker run --detach, {AT_ONCE} at a time)"),
        target: "<= 1.15 x docker run",
        verdict: Verdict::of(ratio <= RATIO_MANY_MAX),
    })
}

/// What agent and server needed so far.
fn processor(scene: &Scene) -> Result<Duration> {
    Ok(scene.agent.cpu()? + scene.subject.process.cpu()?)
}

/// Seconds of a hundred `docker run --detach`, whose containers are removed again.
fn plain_hundred() -> Result<f64> {
    let began = Instant::now();
    let ids = std::thread::scope(|scope| -> Result<Vec<String>> {
        let each =
            || -> Result<Vec<String>> { (0..MANY / AT_ONCE).map(|_| output(&mut docker_run())).collect() };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(each)).collect();
        let mut ids = Vec::new();
        for thread in threads {
            ids.extend(thread.join().ok().context("a thread broke down")??);
        }
        Ok(ids)
    })?;
    let took = began.elapsed().as_secs_f64();
    let mut remove = vec!["rm", "--force"];
    remove.extend(ids.iter().map(|id| id.trim()));
    docker(&remove)?;
    Ok(took)
}
