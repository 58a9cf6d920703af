//! Reads, signed and decided, on the embedded store.

use std::time::Duration;

use anyhow::Result;
use portcullis_api::{ecs, iam};

use super::WARM_UP;
use crate::compare::{Compared, compare};
use crate::load::Plan;
use crate::reference::Reference;
use crate::stats::{percent, rate};
use crate::subject::{Subject, Workshop, still_there};
use crate::table::{Row, Verdict};
use crate::work::{Work, role};

const TURNS: usize = 5;
const RUN: Duration = Duration::from_millis(500);
const RATIO_MIN: f64 = 0.6;

/// Measures GetCallerIdentity, DescribeClusters and GetRole at 1, 16 and 64 connections.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let data = workshop.folder.path().join("reads");
    let mut subject = Subject::start(workshop, Some(&data)).await?;
    let mut client = subject.client().await?;
    let cluster = ecs::CreateClusterRequest {
        cluster_name: Some("main".to_owned()),
        ..Default::default()
    };
    client.call::<ecs::op::CreateCluster>(&cluster).await?;
    client.call::<iam::op::CreateRole>(&role("web")).await?;
    let reference = Reference::start(&subject.key).await?;
    let calls = [
        ("GetCallerIdentity", Work::GetCallerIdentity),
        (
            "DescribeClusters",
            Work::DescribeClusters {
                cluster: "main".to_owned(),
            },
        ),
        (
            "GetRole",
            Work::GetRole {
                role: "web".to_owned(),
            },
        ),
    ];
    let mut rows = Vec::new();
    for (name, work) in calls {
        for connections in [1, 16, 64] {
            eprintln!("  {name}, {connections} connections");
            let plan = plan(&subject, work.clone(), connections);
            let compared = compare(subject.target(), reference.target(), |_| plan.clone(), TURNS).await?;
            rows.push(row(name, connections, &compared));
        }
    }
    still_there(&mut subject.process)?;
    Ok(rows)
}

fn plan(subject: &Subject, work: Work, connections: usize) -> Plan {
    Plan {
        address: subject.address,
        key: subject.key.clone(),
        connections,
        work: vec![work],
        unique_requests: 0,
        warm_up: WARM_UP,
        run: RUN,
    }
}

fn row(name: &str, connections: usize, compared: &Compared) -> Row {
    let Compared {
        ours,
        reference,
        rate_ratio,
        ..
    } = compared;
    Row {
        figure: format!("{name}, {connections} conn."),
        ours: format!(
            "{} ({}), {:.0} us CPU",
            rate(ours.rate),
            percent(*rate_ratio),
            ours.cpu_us
        ),
        reference: format!("{}, {:.0} us CPU", rate(reference.rate), reference.cpu_us),
        target: ">= 60 %",
        verdict: Verdict::of(*rate_ratio >= RATIO_MIN),
    }
}
