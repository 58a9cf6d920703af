//! A hundred times the objects: time of a read and of a list's first page, memory, and no fault under a mixed load.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{make, plan};
use crate::compare::{Compared, compare};
use crate::load::{self, Plan};
use crate::stats::{grouped, mib, number};
use crate::subject::{Subject, Workshop, still_there};
use crate::table::{Row, Verdict};
use crate::work::Work;

const FEW: usize = 100;
const MANY: usize = 10_000;
const TURNS: usize = 5;
const RUN: Duration = Duration::from_millis(400);
const LATENCY_RATIO_MAX: f64 = 1.5;
const OBJECT_BYTES_MAX: f64 = 4096.0;
const MIXED_CONNECTIONS: usize = 64;
const MIXED_RUN: Duration = Duration::from_secs(3);

/// Measures all of it.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let folder = workshop.folder.path();
    let mut small = Subject::start(workshop, Some(&folder.join("few"))).await?;
    let mut large = Subject::start(workshop, Some(&folder.join("many"))).await?;
    for subject in [&small, &large] {
        fill(subject, "first", FEW).await?;
    }
    let before = large.process.resident_bytes()?;
    eprintln!("  {MANY} roles and {MANY} clusters are made");
    fill(&large, "more", MANY - FEW).await?;
    let grown = large.process.resident_bytes()?.saturating_sub(before);
    let mut rows = Vec::new();
    let name = || "first-000007".to_owned();
    let reads = [
        ("GetRole", Work::GetRole { role: name() }),
        ("DescribeClusters", Work::DescribeClusters { cluster: name() }),
        ("ListRoles, first page", Work::ListRoles),
        ("ListClusters, first page", Work::ListClusters),
    ];
    for (what, work) in reads {
        eprintln!("  {what}");
        let plan = plan(&large, work, RUN);
        rows.push(latency_row(
            what,
            &compare(large.target(), small.target(), |_| plan.clone(), TURNS).await?,
        ));
    }
    rows.push(memory_row(grown));
    rows.push(faults_row(&large).await?);
    still_there(&mut small.process)?;
    still_there(&mut large.process)?;
    Ok(rows)
}

/// Makes as many roles, and as many clusters.
async fn fill(subject: &Subject, prefix: &str, count: usize) -> Result<()> {
    let prefix = || format!("{prefix}-");
    make(subject, Work::CreateRole { prefix: prefix() }, count).await?;
    make(subject, Work::CreateCluster { prefix: prefix() }, count).await
}

fn latency_row(what: &str, compared: &Compared) -> Row {
    Row {
        figure: format!("{what}, among 10,000"),
        ours: format!("{:.0} us ({:.2} x)", compared.ours.p50_us, compared.latency_ratio),
        reference: format!("{:.0} us (among 100)", compared.reference.p50_us),
        target: "<= 1.5 x",
        verdict: Verdict::of(compared.latency_ratio <= LATENCY_RATIO_MAX),
    }
}

fn memory_row(grown: u64) -> Row {
    let objects = number(u64::try_from(2 * (MANY - FEW)).unwrap_or(u64::MAX));
    let each = number(grown) / objects;
    Row {
        figure: "memory for each further object".to_owned(),
        ours: format!("{} bytes", grouped(each)),
        reference: format!("{} for {}", mib(number(grown)), grouped(objects)),
        target: "<= 4 KiB",
        verdict: Verdict::of(each <= OBJECT_BYTES_MAX),
    }
}

async fn faults_row(subject: &Subject) -> Result<Row> {
    eprintln!("  reads and writes at {MIXED_CONNECTIONS} connections");
    let plan = Plan {
        connections: MIXED_CONNECTIONS,
        work: vec![
            Work::GetCallerIdentity,
            Work::DescribeClusters {
                cluster: "first-000007".to_owned(),
            },
            Work::GetRole {
                role: "first-000007".to_owned(),
            },
            Work::ListRoles,
            Work::CreateRole {
                prefix: "mixed-".to_owned(),
            },
            Work::RegisterTaskDefinition {
                family: "mixed".to_owned(),
            },
        ],
        unique_requests: 2_000,
        ..plan(subject, Work::GetCallerIdentity, MIXED_RUN)
    };
    let outcome = load::run(&plan).await?;
    let others =
        outcome.answers_ever - outcome.faults() - outcome.statuses.get(&200).copied().unwrap_or_default();
    ensure!(
        others == 0,
        "calls failed under a mixed load: {:?}",
        outcome.failure
    );
    Ok(Row {
        figure: format!("5xx at {MIXED_CONNECTIONS} conn., reads and writes"),
        ours: outcome.faults().to_string(),
        reference: format!("{} answers", grouped(number(outcome.answers_ever))),
        target: "0",
        verdict: Verdict::of(outcome.faults() == 0),
    })
}
