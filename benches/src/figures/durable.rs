//! CreateRole that lasts, beside what the store by itself does with group commit on the same disk.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use portcullis_core::{SystemClock, SystemRandom};
use portcullis_store::{Change, Place, Store, StoreError, Txn, open};

use super::WARM_UP;
use crate::load::{self, Plan};
use crate::process::ourselves;
use crate::stats::{median, number, percent, rate};
use crate::subject::{Subject, Workshop, still_there};
use crate::table::{Row, Verdict};
use crate::work::Work;

const TURNS: usize = 3;
const RUN: Duration = Duration::from_millis(1500);
const CONNECTIONS: usize = 16;
/// Enough for 16,000 a second.
const REQUESTS_EACH: usize = 1650;
const RATE_MIN: f64 = 5000.0;
const RATIO_MIN: f64 = 0.5;
/// Bytes of a raw document.
const VALUE_BYTES: usize = 1024;

/// Measures it.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let data = workshop.folder.path().join("durable");
    let mut subject = Subject::start(workshop, Some(&data)).await?;
    let (mut ours, mut raw, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let raw_rate = raw_store(&workshop.folder.path().join(format!("raw-{turn}"))).await?;
        let plan = Plan {
            address: subject.address,
            key: subject.key.clone(),
            connections: CONNECTIONS,
            work: vec![Work::CreateRole {
                prefix: format!("durable-{turn}-"),
            }],
            unique_requests: REQUESTS_EACH,
            warm_up: WARM_UP,
            run: RUN,
        };
        let our_rate = load::run(&plan).await?.all_well()?.rate();
        ratios.push(our_rate / raw_rate);
        ours.push(our_rate);
        raw.push(raw_rate);
    }
    still_there(&mut subject.process)?;
    let (ours, ratio) = (median(ours), median(ratios));
    Ok(vec![Row {
        figure: format!("CreateRole, durable, {CONNECTIONS} conn."),
        ours: format!("{} ({})", rate(ours), percent(ratio)),
        reference: format!("{} (the store alone, 1 KiB)", rate(median(raw))),
        target: ">= 5,000/s or >= 50 %",
        verdict: Verdict::of(ours >= RATE_MIN || ratio >= RATIO_MIN),
    }])
}

async fn raw_store(dir: &Path) -> Result<f64> {
    let mut command = tokio::process::Command::from(ourselves("raw-store")?);
    command.arg(dir).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await?;
    if !output.status.success() {
        bail!(
            "the raw store failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .context("the raw store tells no rate")
}

/// The raw store's process: as many writers as connections, each waiting for the disk; prints commits a second.
pub fn raw_store_child(dir: &str) -> Result<()> {
    let place = Place {
        dir: dir.into(),
        account: "123456789012".parse()?,
        master_key: None,
    };
    let opened = open(&place, Arc::new(SystemClock), Arc::new(SystemRandom))?;
    let until = Instant::now() + RUN;
    let store = opened.store.as_ref();
    let counts: Result<Vec<u64>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..CONNECTIONS)
            .map(|writer| scope.spawn(move || write(store, writer, until)))
            .collect();
        writers
            .into_iter()
            .map(|writer| match writer.join() {
                Ok(count) => Ok(count?),
                Err(_) => bail!("a writer ended early"),
            })
            .collect()
    });
    println!("{}", number(counts?.iter().sum()) / RUN.as_secs_f64());
    Ok(())
}

fn write(store: &dyn Store, writer: usize, until: Instant) -> Result<u64, StoreError> {
    let mut count = 0;
    while Instant::now() < until {
        let change = Change::put(format!("role/{writer:02}-{count:06}"), vec![7; VALUE_BYTES]);
        store.commit(Txn::of(vec![change]))?.wait()?;
        count += 1;
    }
    Ok(count)
}
