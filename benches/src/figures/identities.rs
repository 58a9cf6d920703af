//! Many identities: their memory, making one more among them, and the simulator.

use std::time::Duration;

use anyhow::Result;

use super::{make, plan};
use crate::compare::compare;
use crate::load::{self, Plan};
use crate::stats::{grouped, mib, number};
use crate::subject::{Subject, Workshop, still_there};
use crate::table::{Row, Verdict};
use crate::work::Work;

const ROLES: usize = 10_000;
const PREFIX: &str = "many-";
const TURNS: usize = 5;
const RUN: Duration = Duration::from_millis(400);
const MEMORY_MAX: f64 = 200.0 * 1024.0 * 1024.0;
const RATE_RATIO_MIN: f64 = 0.8;
const SIMULATION_US_MAX: f64 = 50_000.0;

/// Measures all of it.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let folder = workshop.folder.path();
    let mut empty = Subject::start(workshop, Some(&folder.join("no-roles"))).await?;
    let mut full = Subject::start(workshop, Some(&folder.join("many-roles"))).await?;
    eprintln!("  {ROLES} roles with three policies each are made");
    let prefix = || PREFIX.to_owned();
    make(&full, Work::CreateRole { prefix: prefix() }, ROLES).await?;
    for policy in ["read", "run", "pass"] {
        let policy = policy.to_owned();
        make(
            &full,
            Work::PutRolePolicy {
                prefix: prefix(),
                policy,
            },
            ROLES,
        )
        .await?;
    }
    let mut rows = vec![memory_row(full.process.resident_bytes()?)];
    rows.push(simulation_row(&full).await?);
    rows.push(creation_row(&full, &empty).await?);
    still_there(&mut empty.process)?;
    still_there(&mut full.process)?;
    Ok(rows)
}

fn memory_row(resident: u64) -> Row {
    Row {
        figure: "10,000 roles with 3 policies each".to_owned(),
        ours: mib(number(resident)),
        reference: "resident, all of the server".to_owned(),
        target: "<= 200 MiB",
        verdict: Verdict::of(number(resident) <= MEMORY_MAX),
    }
}

async fn simulation_row(subject: &Subject) -> Result<Row> {
    eprintln!("  SimulatePrincipalPolicy");
    let role = format!("arn:aws:iam::123456789012:role/{PREFIX}000007");
    let outcome = load::run(&plan(subject, Work::Simulate { role }, RUN))
        .await?
        .all_well()?;
    Ok(Row {
        figure: "SimulatePrincipalPolicy, 100 actions x 10 resources".to_owned(),
        ours: format!("{:.1} ms", outcome.p50_us / 1_000.0),
        reference: "1,000 decisions with their statements".to_owned(),
        target: "<= 50 ms",
        verdict: Verdict::of(outcome.p50_us <= SIMULATION_US_MAX),
    })
}

/// Each turn makes roles of other names.
async fn creation_row(full: &Subject, empty: &Subject) -> Result<Row> {
    const CONNECTIONS: usize = 16;
    eprintln!("  CreateRole among {ROLES}");
    let with = |turn: usize| Plan {
        connections: CONNECTIONS,
        unique_requests: 2_000,
        ..plan(
            full,
            Work::CreateRole {
                prefix: format!("turn-{turn}-"),
            },
            RUN,
        )
    };
    let compared = compare(full.target(), empty.target(), with, TURNS).await?;
    let ratio = compared.rate_ratio;
    Ok(Row {
        figure: "CreateRole, durable, 16 conn., among 10,000".to_owned(),
        ours: format!("{}/s ({:.0} %)", grouped(compared.ours.rate), ratio * 100.0),
        reference: format!("{}/s (among none)", grouped(compared.reference.rate)),
        target: ">= 80 %",
        verdict: Verdict::of(ratio >= RATE_RATIO_MIN),
    })
}
