//! RegisterTaskDefinition and RunTask as records, in memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use portcullis_api::ecs;

use super::WARM_UP;
use crate::compare::compare;
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
const CLUSTER: &str = "main";
const FAMILY: &str = "web";

/// Measures both.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let mut subject = Subject::start(workshop, None).await?;
    let mut client = subject.client().await?;
    let cluster = ecs::CreateClusterRequest { cluster_name: Some(CLUSTER.to_owned()), ..Default::default() };
    client.call::<ecs::op::CreateCluster>(&cluster).await?;
    client.call::<ecs::op::RegisterTaskDefinition>(&task_definition(FAMILY, "busybox")).await?;
    let instance = Instance::join(&subject, &mut client, CLUSTER).await?;
    let reference = Reference::start(&subject.key).await?;
    let calls = [
        ("RegisterTaskDefinition", Work::RegisterTaskDefinition { family: "another".to_owned() }),
        ("RunTask as a record", Work::RunTask { cluster: CLUSTER.to_owned(), family: FAMILY.to_owned() }),
    ];
    let mut rows = Vec::new();
    for (name, work) in calls {
        eprintln!("  {name}");
        let plan = Plan {
            address: subject.address,
            key: subject.key.clone(),
            connections: CONNECTIONS,
            work: vec![work],
            unique_requests: 0,
            warm_up: WARM_UP,
            run: RUN,
        };
        let compared = compare(subject.target(), reference.target(), &plan, TURNS).await?;
        rows.push(Row {
            figure: format!("{name}, {CONNECTIONS} conn., in memory"),
            ours: format!(
                "{} ({}), {:.0} us CPU",
                rate(compared.ours.rate),
                percent(compared.rate_ratio),
                compared.ours.cpu_us
            ),
            reference: format!("{}, {:.0} us CPU", rate(compared.reference.rate), compared.reference.cpu_us),
            target: ">= 20 %",
            verdict: Verdict::of(compared.rate_ratio >= RATIO_MIN),
        });
    }
    // A refused placement is no error on the wire: the last task must have found its place like the first.
    place_one(&mut client).await?;
    instance.still_connected()?;
    still_there(&mut subject.process)?;
    Ok(rows)
}

async fn place_one(client: &mut Client) -> Result<()> {
    let reply = client.call::<ecs::op::RunTask>(&run_task(CLUSTER, FAMILY)).await?;
    let failures = reply.failures.unwrap_or_default();
    ensure!(failures.is_empty(), "RunTask found no place: {failures:?}");
    Ok(())
}
