//! RegisterTaskDefinition and RunTask as records, in memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use portcullis_api::ecs;

use super::WARM_UP;
use crate::compare::{Compared, compare};
use crate::instance::Instance;
use crate::load::Plan;
use crate::reference::Reference;
use crate::stats::{percent, rate};
use crate::subject::{Client, Subject, Workshop, still_there};
use crate::table::{Row, Verdict};
use crate::work::{Work, run_task, task_definition};

const TURNS: usize = 5;
const RUN: Duration = Duration::from_millis(500);
const CONNECTIONS: usize = 16;
const RATIO_MIN: f64 = 0.2;
const FAMILY: &str = "web";

/// Measures both.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let mut subject = Subject::start(workshop, None).await?;
    let mut client = subject.client().await?;
    client
        .call::<ecs::op::RegisterTaskDefinition>(&task_definition(FAMILY, "busybox"))
        .await?;
    let reference = Reference::start(&subject.key).await?;
    let plan = |work| plan(&subject, work);
    let register = |_| {
        plan(Work::RegisterTaskDefinition {
            family: "another".to_owned(),
        })
    };
    eprintln!("  RegisterTaskDefinition");
    let registered = compare(subject.target(), reference.target(), register, TURNS).await?;
    let mut instances = Vec::new();
    for turn in 0..TURNS {
        instances.push(Instance::join(&subject, &mut client, &cluster(turn)).await?);
    }
    let run = |turn| {
        plan(Work::RunTask {
            cluster: cluster(turn),
            family: FAMILY.to_owned(),
        })
    };
    eprintln!("  RunTask");
    let ran = compare(subject.target(), reference.target(), run, TURNS).await?;
    place_some(&mut client).await?;
    instances.iter().try_for_each(Instance::still_connected)?;
    still_there(&mut subject.process)?;
    Ok(vec![
        row("RegisterTaskDefinition", &registered),
        row("RunTask as a record", &ran),
    ])
}

/// A cluster for each turn: in life no instance holds thousands of tasks that do not start.
fn cluster(turn: usize) -> String {
    format!("turn-{turn}")
}

fn plan(subject: &Subject, work: Work) -> Plan {
    Plan {
        address: subject.address,
        key: subject.key.clone(),
        connections: CONNECTIONS,
        work: vec![work],
        unique_requests: 0,
        warm_up: WARM_UP,
        run: RUN,
    }
}

fn row(name: &str, compared: &Compared) -> Row {
    let Compared {
        ours,
        reference,
        rate_ratio,
        ..
    } = compared;
    Row {
        figure: format!("{name}, {CONNECTIONS} conn., in memory"),
        ours: format!(
            "{} ({}), {:.0} us CPU",
            rate(ours.rate),
            percent(*rate_ratio),
            ours.cpu_us
        ),
        reference: format!("{}, {:.0} us CPU", rate(reference.rate), reference.cpu_us),
        target: ">= 20 %",
        verdict: Verdict::of(*rate_ratio >= RATIO_MIN),
    }
}

/// A refused placement is no error on the wire: the last task of each turn must find its place like the first.
async fn place_some(client: &mut Client) -> Result<()> {
    for turn in 0..TURNS {
        let reply = client
            .call::<ecs::op::RunTask>(&run_task(&cluster(turn), FAMILY))
            .await?;
        let failures = reply.failures.unwrap_or_default();
        ensure!(failures.is_empty(), "RunTask found no place: {failures:?}");
    }
    Ok(())
}
