//! Subject and reference under the same load, in turns: these machines are noisy, and noise comes in stretches.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::load::{self, Outcome, Plan};
use crate::process::Process;
use crate::stats::{median, number};
use crate::work::Key;

/// A server to call.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Its process.
    pub process: &'a Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whose calls it answers.
    pub key: &'a Key,
}

/// Medians over all turns.
#[derive(Debug, Clone, Copy)]
pub struct Compared {
    /// The subject.
    pub ours: Figures,
    /// The reference.
    pub reference: Figures,
    /// Ours over the reference's rate, turn by turn.
    pub rate_ratio: f64,
    /// Ours over the reference's median latency, turn by turn.
    pub latency_ratio: f64,
}

/// What one server does.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Answers a second.
    pub rate: f64,
    /// Time to an answer, in microseconds.
    pub p50_us: f64,
    /// Processor time of the server for an answer, in microseconds.
    pub cpu_us: f64,
}

/// Runs the plan of each turn against both.
pub async fn compare(
    ours: Target<'_>,
    reference: Target<'_>,
    plan: impl Fn(usize) -> Plan,
    turns: usize,
) -> Result<Compared> {
    let mut pairs = Vec::new();
    for number in 0..turns {
        let plan = plan(number);
        let second = turn(reference, &plan).await?;
        pairs.push((turn(ours, &plan).await?, second));
    }
    let ratio = |of: fn(&Turn) -> f64| {
        median(
            pairs
                .iter()
                .map(|(ours, reference)| of(ours) / of(reference))
                .collect(),
        )
    };
    let figures = |side: fn(&(Turn, Turn)) -> &Turn| {
        let of = |of: fn(&Turn) -> f64| median(pairs.iter().map(|pair| of(side(pair))).collect());
        Figures {
            rate: of(|turn| turn.outcome.rate()),
            p50_us: of(|turn| turn.outcome.p50_us),
            cpu_us: of(Turn::cpu_us),
        }
    };
    Ok(Compared {
        ours: figures(|pair| &pair.0),
        reference: figures(|pair| &pair.1),
        rate_ratio: ratio(|turn| turn.outcome.rate()),
        latency_ratio: ratio(|turn| turn.outcome.p50_us),
    })
}

struct Turn {
    outcome: Outcome,
    cpu: Duration,
}

impl Turn {
    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / number(self.outcome.answers_ever)
    }
}

async fn turn(target: Target<'_>, plan: &Plan) -> Result<Turn> {
    let before = target.process.cpu()?;
    let outcome = load::run(&Plan {
        address: target.address,
        key: target.key.clone(),
        ..plan.clone()
    })
    .await?
    .all_well()?;
    let cpu = target.process.cpu()?.saturating_sub(before);
    Ok(Turn { outcome, cpu })
}
