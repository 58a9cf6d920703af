//! Cold start, idle memory, size of the binary.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::process::{Process, free_address};
use crate::reference;
use crate::stats::{median, mib, number};
use crate::subject::{LOOK_EVERY, Workshop, connect};
use crate::table::{Row, Verdict};
use crate::work::{Key, Work};

const TURNS: usize = 9;
const START_MS_MAX: f64 = 30.0;
const IDLE_MIB_MAX: f64 = 25.0;
const BINARY_MB_MAX: f64 = 40.0;
/// How long a server is left alone before its memory counts as idle.
const REST: Duration = Duration::from_secs(1);
/// Longest wait for the administrator's key of a new data directory.
const KEY_WITHIN: Duration = Duration::from_secs(5);

/// The file with the administrator's first key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyFile {
    access_key_id: String,
    secret_access_key: String,
}

/// Measures all of it.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let (mut fresh, mut again, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    let (mut idle, mut idle_bare) = (0, 0);
    for turn in 0..TURNS {
        let data = workshop.folder.path().join(format!("start-{turn}"));
        let address = free_address()?;
        let command = || workshop.serve(address, Some(&data));
        let (first, took) = start(&mut command(), address, || administrator(&data)).await?;
        fresh.push(took);
        first.end()?;
        let key = administrator(&data).context("the administrator's key is not there")?;
        let (second, took) = start(&mut command(), address, || Some(key.clone())).await?;
        again.push(took);
        let address = free_address()?;
        let (bare_server, took) = start(&mut reference::command(&key, address)?, address, || {
            Some(key.clone())
        })
        .await?;
        bare.push(took);
        if turn == 0 {
            tokio::time::sleep(REST).await;
            (idle, idle_bare) = (second.resident_bytes()?, bare_server.resident_bytes()?);
        }
        second.end()?;
    }
    let bare = median(bare);
    Ok(vec![
        start_row(
            "cold start to the first answer, new data directory",
            median(fresh),
            bare,
        ),
        start_row(
            "cold start to the first answer, existing data directory",
            median(again),
            bare,
        ),
        idle_row(idle, idle_bare),
        binary_row(workshop)?,
    ])
}

/// Starts a server and calls GetCallerIdentity as soon as there is a key to call it with. Gives the milliseconds.
async fn start(
    command: &mut Command,
    address: SocketAddr,
    key: impl Fn() -> Option<Key>,
) -> Result<(Process, f64)> {
    let began = Instant::now();
    let process = Process::start(command)?;
    let key = loop {
        match key() {
            Some(key) => break key,
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
        ensure!(
            began.elapsed() < KEY_WITHIN,
            "no administrator's key within {} s",
            KEY_WITHIN.as_secs()
        );
    };
    let request = Work::GetCallerIdentity.signed(0, address, &key)?;
    let mut connection = connect(address).await?;
    let reply = connection.exchange(&request).await?;
    let took = began.elapsed();
    ensure!(
        reply.status == 200,
        "the first call failed: {}",
        String::from_utf8_lossy(reply.body)
    );
    Ok((process, took.as_secs_f64() * 1000.0))
}

/// The key, once all of it is written.
fn administrator(data: &Path) -> Option<Key> {
    let text = fs::read(data.join("administrator-key.json")).ok()?;
    let file: KeyFile = serde_json::from_slice(&text).ok()?;
    Some(Key {
        id: file.access_key_id,
        secret: file.secret_access_key,
    })
}

fn start_row(figure: &str, ours: f64, bare: f64) -> Row {
    Row {
        figure: figure.to_owned(),
        ours: format!("{ours:.1} ms"),
        reference: format!("{bare:.1} ms (bare hyper)"),
        target: "<= 30 ms",
        verdict: Verdict::of(ours <= START_MS_MAX),
    }
}

fn idle_row(ours: u64, bare: u64) -> Row {
    let ours = number(ours);
    Row {
        figure: "idle resident memory".to_owned(),
        ours: mib(ours),
        reference: format!("{} (bare hyper)", mib(number(bare))),
        target: "<= 25 MiB",
        verdict: Verdict::of(ours <= IDLE_MIB_MAX * 1024.0 * 1024.0),
    }
}

fn binary_row(workshop: &Workshop) -> Result<Row> {
    let megabytes = |path: &Path| -> Result<f64> { Ok(number(fs::metadata(path)?.len()) / 1e6) };
    let ours = megabytes(&workshop.program)?;
    let bench = megabytes(&std::env::current_exe()?)?;
    Ok(Row {
        figure: "release binary".to_owned(),
        ours: format!("{ours:.1} MB"),
        reference: format!("{bench:.1} MB (this bench)"),
        target: "<= 40 MB",
        verdict: Verdict::of(ours <= BINARY_MB_MAX),
    })
}
