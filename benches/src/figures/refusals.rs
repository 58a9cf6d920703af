//! What a refusal costs: decided twice, fast and in words, explained and sealed in the background, beside a read of the
//! same caller; and what Access Advisor's note of a call costs.

use std::time::{Duration, Instant};

use anyhow::Result;
use portcullis_api::ecs;
use portcullis_control::world::Uses;
use portcullis_core::{Clock as _, Region, SystemClock};

use super::plan;
use crate::load;
use crate::stats::{median, number, rate};
use crate::subject::{Subject, Workshop, still_there};
use crate::table::{Row, Verdict};
use crate::work::Work;

const TURNS: usize = 5;
const RUN: Duration = Duration::from_millis(800);
/// Calls noted in a turn.
const NOTES: u32 = 1_000_000;
/// Who made them.
const PRINCIPALS: usize = 100;
const ACTIONS: [(&str, &str); 4] = [
    ("ecs", "RunTask"),
    ("ecs", "DescribeTasks"),
    ("iam", "GetRole"),
    ("sts", "AssumeRole"),
];

/// Measures refused calls beside allowed ones, and notes.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let data = workshop.folder.path().join("refusals");
    let mut subject = Subject::start(workshop, Some(&data)).await?;
    let mut client = subject.client().await?;
    let cluster = || "main".to_owned();
    let create = ecs::CreateClusterRequest {
        cluster_name: Some(cluster()),
        ..Default::default()
    };
    client.call::<ecs::op::CreateCluster>(&create).await?;
    let allowed = Work::DescribeClusters { cluster: cluster() };
    let refused = Work::RefusedDeleteCluster { cluster: cluster() };
    let mut sides = [Vec::new(), Vec::new()];
    for _ in 0..TURNS {
        for (side, work) in sides.iter_mut().zip([&refused, &allowed]) {
            side.push(figures(&subject, work).await?);
        }
    }
    still_there(&mut subject.process)?;
    let [refused, allowed] = sides.map(|turns| {
        let of = |of: fn(&Figures) -> f64| median(turns.iter().map(of).collect());
        Figures {
            rate: of(|figures| figures.rate),
            p50_us: of(|figures| figures.p50_us),
            cpu_us: of(|figures| figures.cpu_us),
        }
    });
    Ok(vec![
        Row {
            figure: "a refused call beside DescribeClusters, 1 conn.".to_owned(),
            ours: refused.to_string(),
            reference: allowed.to_string(),
            target: "-",
            verdict: Verdict::LeftOut,
        },
        Row {
            figure: "Access Advisor's note of a call".to_owned(),
            ours: format!("{:.0} ns", median((0..TURNS).map(|_| note_ns()).collect())),
            reference: "-".to_owned(),
            target: "-",
            verdict: Verdict::LeftOut,
        },
    ])
}

/// What one kind of call comes to.
struct Figures {
    rate: f64,
    p50_us: f64,
    /// Processor time of the server for a call, what it does in the background included.
    cpu_us: f64,
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            rate: calls,
            p50_us,
            cpu_us,
        } = self;
        write!(f, "{}, {p50_us:.0} us, {cpu_us:.0} us CPU", rate(*calls))
    }
}

async fn figures(subject: &Subject, work: &Work) -> Result<Figures> {
    let before = subject.process.cpu()?;
    let outcome = load::run(&plan(subject, work.clone(), RUN)).await?.all_well()?;
    let cpu = subject.process.cpu()?.saturating_sub(before);
    Ok(Figures {
        rate: outcome.rate(),
        p50_us: outcome.p50_us,
        cpu_us: cpu.as_secs_f64() * 1e6 / number(outcome.answers_ever),
    })
}

/// Nanoseconds for a note, of many principals in turn.
fn note_ns() -> f64 {
    let uses = Uses::default();
    let (now, region) = (SystemClock.now(), Region::us_east_1());
    let ids: Vec<String> = (0..PRINCIPALS)
        .map(|number| format!("AIDA{number:016}"))
        .collect();
    let pairs = ids.iter().cycle().zip(ACTIONS.iter().cycle());
    let began = Instant::now();
    for ((id, action), _) in pairs.zip(0..NOTES) {
        uses.note_principal(id, *action, now, &region);
    }
    began.elapsed().as_secs_f64() * 1e9 / f64::from(NOTES)
}
