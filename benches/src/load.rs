//! The load: a process of its own with kept-alive connections, all requests signed before the clock starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::process::ourselves;
use crate::stats::number;
use crate::work::{Key, Work};

/// What a load process does.
#[derive(Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Whom it calls.
    pub address: SocketAddr,
    /// Who calls.
    pub key: Key,
    /// Over how many connections.
    pub connections: usize,
    /// What; connections take turns when there is more than one.
    pub work: Vec<Work>,
    /// How many requests of unique work each connection has; it ends early when they are used up.
    pub unique_requests: usize,
    /// Time that does not count, at first.
    pub warm_up: Duration,
    /// Time that counts.
    pub run: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Answers in the time that counts.
    pub answers: u64,
    /// Answers altogether.
    pub answers_ever: u64,
    /// The time that counts, in seconds.
    pub seconds: f64,
    /// Median time to an answer, in microseconds.
    pub p50_us: f64,
    /// Answers by status, altogether.
    pub statuses: BTreeMap<u16, u64>,
    /// The first answer that was not as the work has it: a success, or the refusal it asks for.
    pub failure: Option<String>,
}

impl Outcome {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        number(self.answers) / self.seconds
    }

    /// Answers with a status of 500 and above.
    pub fn faults(&self) -> u64 {
        self.statuses
            .iter()
            .filter(|(status, _)| **status >= 500)
            .map(|(_, count)| count)
            .sum()
    }

    /// Fails unless every answer was a success: an error is no answer worth measuring.
    pub fn all_well(self) -> Result<Self> {
        match &self.failure {
            Some(failure) => bail!("a call failed under load ({:?}): {failure}", self.statuses),
            None => Ok(self),
        }
    }
}

/// Runs a plan in a process of its own.
pub async fn run(plan: &Plan) -> Result<Outcome> {
    let mut command = tokio::process::Command::from(ourselves("load")?);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().context("the load cannot be started")?;
    let mut stdin = child.stdin.take().context("the load has no input")?;
    stdin.write_all(&serde_json::to_vec(plan)?).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("the load ended with {}", output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The load process: plan in, outcome out.
pub fn child() -> Result<()> {
    let plan: Plan = serde_json::from_reader(std::io::stdin().lock())?;
    // One thread: the servers need the other processor more.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(play(&plan))?;
    serde_json::to_writer(std::io::stdout().lock(), &outcome)?;
    Ok(())
}

#[derive(Debug, Default)]
struct Seen {
    latencies_ns: Vec<u64>,
    statuses: BTreeMap<u16, u64>,
    failure: Option<String>,
    last: Option<Instant>,
}

async fn play(plan: &Plan) -> Result<Outcome> {
    let mut prepared = Vec::new();
    for number in 0..plan.connections {
        prepared.push((Connection::open(plan.address).await?, errand(plan, number)?));
    }
    let from = Instant::now() + plan.warm_up;
    let until = from + plan.run;
    let mut talks = JoinSet::new();
    for (connection, errand) in prepared {
        talks.spawn(talk(connection, errand, from, until));
    }
    let mut all = Seen::default();
    while let Some(seen) = talks.join_next().await {
        let seen = seen??;
        all.latencies_ns.extend(seen.latencies_ns);
        for (status, count) in seen.statuses {
            *all.statuses.entry(status).or_default() += count;
        }
        all.failure = all.failure.or(seen.failure);
        all.last = all.last.max(seen.last);
    }
    let end = all.last.unwrap_or(until).min(until);
    all.latencies_ns.sort_unstable();
    let p50 = all
        .latencies_ns
        .get(all.latencies_ns.len() / 2)
        .copied()
        .unwrap_or_default();
    Ok(Outcome {
        answers: u64::try_from(all.latencies_ns.len())?,
        answers_ever: all.statuses.values().sum(),
        seconds: end.saturating_duration_since(from).as_secs_f64(),
        p50_us: number(p50) / 1000.0,
        statuses: all.statuses,
        failure: all.failure,
    })
}

/// What one connection sends.
struct Errand {
    requests: Vec<Vec<u8>>,
    /// Whether each may be sent only once.
    is_unique: bool,
    /// The status of every answer.
    status: u16,
}

fn errand(plan: &Plan, connection: usize) -> Result<Errand> {
    let turn = connection % plan.work.len().max(1);
    let work = plan.work.get(turn).context("there is nothing to do")?;
    let count = if work.is_unique() { plan.unique_requests } else { 1 };
    let serials = connection * count..(connection + 1) * count;
    let requests: Result<Vec<_>> = serials
        .map(|serial| work.signed(serial, plan.address, &plan.key))
        .collect();
    Ok(Errand {
        requests: requests?,
        is_unique: work.is_unique(),
        status: work.status(),
    })
}

async fn talk(mut connection: Connection, errand: Errand, from: Instant, until: Instant) -> Result<Seen> {
    let mut seen = Seen::default();
    let rounds = if errand.is_unique { 1 } else { usize::MAX };
    for request in (0..rounds).flat_map(|_| &errand.requests) {
        let asked = Instant::now();
        if asked >= until {
            break;
        }
        let reply = connection.exchange(request).await?;
        let answered = Instant::now();
        *seen.statuses.entry(reply.status).or_default() += 1;
        if reply.status != errand.status && seen.failure.is_none() {
            seen.failure = Some(String::from_utf8_lossy(reply.body).into_owned());
        }
        if asked >= from && answered < until {
            seen.latencies_ns
                .push(u64::try_from((answered - asked).as_nanos())?);
        }
        seen.last = Some(answered);
    }
    Ok(seen)
}
