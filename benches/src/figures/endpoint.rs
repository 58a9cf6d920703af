//! The task credentials endpoint: 1,000 tasks known, on one core, the limit raised; the audit log is written as always.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use portcullis_agent::{RateLimit, Rehearsal};
use portcullis_core::SystemClock;
use tokio::task::JoinSet;

use crate::connection::Connection;
use crate::process::{Process, ourselves};
use crate::stats::{number, rate};
use crate::subject::{Workshop, connect, still_there};
use crate::table::{Row, Verdict};

const TASKS: usize = 1_000;
const RATE_MIN: f64 = 20_000.0;
const P99_MAX_US: f64 = 1_000.0;
/// With more connections than this an answer waits for its turn above all.
const QUICK_CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_millis(300);
const RUN: Duration = Duration::from_secs(2);
/// How long the endpoint may take to say where it is.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What the clients saw.
#[derive(Debug, Clone, Copy)]
struct Seen {
    rate: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Measures at full load: each connection asks again as soon as it is answered.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let folder = workshop.folder.path().join("endpoint");
    std::fs::create_dir_all(&folder)?;
    let said = folder.join("address");
    let mut command = ourselves("endpoint")?;
    command.arg(&folder).stdin(Stdio::null());
    let mut process = Process::start_tied(&command)?;
    let address = address(&said).await?;
    connect(address).await?;
    let mut rows = Vec::new();
    for connections in [8, 64] {
        let (before, began) = (process.cpu()?, Instant::now());
        let seen = load(address, connections).await?;
        let busy = (process.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
        let is_quick = connections > QUICK_CONNECTIONS || seen.p99_us <= P99_MAX_US;
        rows.push(Row {
            figure: format!("credentials endpoint, {connections} conn."),
            ours: format!(
                "{}, p50 {:.0} us, p99 {:.0} us",
                rate(seen.rate),
                seen.p50_us,
                seen.p99_us
            ),
            reference: format!("{:.0} % of a core", busy * 100.0),
            target: ">= 20,000/s, p99 <= 1 ms at 8 conn.",
            verdict: Verdict::of(seen.rate >= RATE_MIN && is_quick),
        });
    }
    still_there(&mut process)?;
    Ok(rows)
}

/// The endpoint's process: one thread, as one core is asked for.
pub fn child(folder: &str) -> Result<()> {
    let folder = std::path::Path::new(folder);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let limit = RateLimit {
            steady: 10_000_000,
            burst: 10_000_000,
        };
        let rehearsal = Rehearsal::new(folder, TASKS, limit, Arc::new(SystemClock)).await?;
        let draft = folder.join("address.new");
        std::fs::write(&draft, rehearsal.address()?.to_string())?;
        std::fs::rename(draft, folder.join("address"))?;
        rehearsal.serve().await;
        Ok(())
    })
}

async fn address(said: &std::path::Path) -> Result<SocketAddr> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Ok(text) = std::fs::read_to_string(said) {
            return text.parse().context("the endpoint said no address");
        }
        ensure!(Instant::now() < deadline, "the endpoint did not start");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn load(address: SocketAddr, connections: usize) -> Result<Seen> {
    let requests: Arc<Vec<Vec<u8>>> = Arc::new(
        (0..TASKS)
            .map(|task| {
                let path = format!("/v2/credentials/00000000-0000-4000-8000-{task:012}");
                let agent = "Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux lang/python#3.11";
                format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\nAccept: application/json\r\n\r\n")
                    .into_bytes()
            })
            .collect(),
    );
    let from = Instant::now() + WARM_UP;
    let until = from + RUN;
    let mut talks = JoinSet::new();
    for first in 0..connections {
        let connection = Connection::open(address).await?;
        let requests = Arc::clone(&requests);
        talks.spawn(talk(connection, requests, first, from, until));
    }
    let mut latencies = Vec::new();
    while let Some(seen) = talks.join_next().await {
        latencies.extend(seen??);
    }
    latencies.sort_unstable();
    let at = |share: usize| {
        let index = latencies.len() * share / 100;
        let nanos = latencies.get(index).copied().unwrap_or_default();
        number(nanos) / 1_000.0
    };
    Ok(Seen {
        rate: number(u64::try_from(latencies.len())?) / RUN.as_secs_f64(),
        p50_us: at(50),
        p99_us: at(99),
    })
}

/// Each asks for one task's credentials after the other's.
async fn talk(
    mut connection: Connection,
    requests: Arc<Vec<Vec<u8>>>,
    first: usize,
    from: Instant,
    until: Instant,
) -> Result<Vec<u64>> {
    let mut latencies = Vec::new();
    for request in requests.iter().cycle().skip(first * 17) {
        let asked = Instant::now();
        if asked >= until {
            break;
        }
        let reply = connection.exchange(request).await?;
        ensure!(reply.status < 300, "the endpoint answered {}", reply.status);
        let answered = Instant::now();
        if asked >= from && answered < until {
            latencies.push(u64::try_from((answered - asked).as_nanos())?);
        }
    }
    Ok(latencies)
}
