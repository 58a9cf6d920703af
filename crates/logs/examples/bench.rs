//! How fast the log store is: `cargo xtask bench logs [DIRECTORY [MEBIBYTES]]`, in release mode.
//!
//! Appends events as PutLogEvents brings them (batches of about 1 MiB, and small ones), and reads small answers out of much and out of
//! little: the time must follow what is returned, not what is stored.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::{SystemClock, Timestamp};
use portcullis_logs::{
    Filter, GroupId, InputEvent, Logs, LogsError, Options, Order, Pattern, Read, Start, StreamId, Streams,
};
use rustix::time::{ClockId, clock_gettime};

const STREAMS: u64 = 20;
const BATCH_EVENTS: u64 = 8_000;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
/// The first event's time.
const BEGIN: i64 = 1_795_000_000_000;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let mebibytes: u64 = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let scratch = tempfile::Builder::new()
        .prefix("logs-bench-")
        .tempdir_in(parent)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let much = runtime.block_on(fill(&scratch.path().join("much"), mebibytes))?;
    let little = runtime.block_on(fill(&scratch.path().join("little"), 10))?;
    runtime.block_on(small_batches(&scratch.path().join("small")))?;
    runtime.block_on(compare(&much, &little))?;
    let began = Instant::now();
    let (clock, directory) = (Arc::new(SystemClock), scratch.path().join("much"));
    drop(much);
    drop(Logs::in_directory(&directory, clock, Options::default())?);
    println!(
        "open and close {mebibytes} MiB: {:.0} ms",
        began.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}

fn group() -> GroupId {
    GroupId::new("111122223333", "eu-central-1", "/ecs/web")
}

fn stream(number: u64) -> StreamId {
    StreamId::new(&format!("web/app/{number:032x}"))
}

/// A line as services write them: some of it the same everywhere, some of it not.
fn line(number: u64) -> String {
    let id = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "INFO http request finished method=GET path=/api/v1/items/{} status={} took_ms={} request_id={id:016x} bytes={}",
        id % 100_000,
        if id.is_multiple_of(50) { 500 } else { 200 },
        id % 977,
        id % 65_536,
    )
}

fn batch(first: u64, events: u64) -> Vec<InputEvent> {
    (first..first + events)
        .map(|number| InputEvent {
            timestamp: Timestamp::from_millis(BEGIN + number.cast_signed() / 10),
            message: line(number),
        })
        .collect()
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

struct Filled {
    logs: Logs,
    events: u64,
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.logs.settle();
    }
}

/// Appends that many mebibytes of messages in batches of about 1 MiB, four under way.
async fn fill(directory: &Path, mebibytes: u64) -> Outcome<Filled> {
    let logs = Logs::in_directory(directory, Arc::new(SystemClock), Options::default())?;
    let (mut events, mut bytes, mut making) = (0, 0, Duration::ZERO);
    let (began, cpu_before) = (Instant::now(), cpu());
    let mut under_way = std::collections::VecDeque::new();
    while bytes < mebibytes * 1024 * 1024 {
        let made = cpu();
        let batch = batch(events, BATCH_EVENTS);
        making += cpu().saturating_sub(made).min(Duration::from_millis(50));
        bytes += batch.iter().map(|event| event.message.len() as u64).sum::<u64>();
        under_way.push_back(logs.append(&group(), &stream((events / BATCH_EVENTS) % STREAMS), batch));
        events += BATCH_EVENTS;
        if under_way.len() > 3
            && let Some(append) = under_way.pop_front()
        {
            append.await?;
        }
    }
    for append in under_way {
        append.await?;
    }
    let (took, cpu_acknowledged) = (began.elapsed(), cpu().saturating_sub(cpu_before));
    logs.settle();
    let cpu = cpu().saturating_sub(cpu_before);
    let volume = bytes as f64 / MEBIBYTE;
    println!(
        "append {volume:.0} MiB in batches of 1 MiB: {:.0} MB/s acknowledged, {:.0} MB/s a core with segments and merging ({:.0} until acknowledged; making the lines not counted, about {:.1} s); {:.0} MiB on disk",
        bytes as f64 / 1e6 / took.as_secs_f64(),
        bytes as f64 / 1e6 / cpu.saturating_sub(making).as_secs_f64(),
        bytes as f64 / 1e6 / cpu_acknowledged.saturating_sub(making).as_secs_f64(),
        making.as_secs_f64(),
        logs.stored_bytes() as f64 / MEBIBYTE,
    );
    Ok(Filled { logs, events })
}

/// 64 streams with batches of ten events each, as containers bring them.
async fn small_batches(directory: &Path) -> Outcome<()> {
    let logs = Logs::in_directory(directory, Arc::new(SystemClock), Options::default())?;
    let (began, cpu_before) = (Instant::now(), cpu());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..64_u64 {
        let logs = logs.clone();
        tasks.spawn(async move {
            for round in 0..200 {
                logs.append(&group(), &stream(writer), batch(round * 10, 10))
                    .await?;
            }
            Ok::<(), LogsError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let (took, cpu) = (began.elapsed(), cpu().saturating_sub(cpu_before));
    println!(
        "append 64 streams x 200 batches of 10 events, each acknowledged after fsync: {:.0} batches/s, {:.0} us of CPU a batch",
        12_800.0 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / 12_800.0,
    );
    Ok(())
}

/// Small answers out of much and out of little.
async fn compare(much: &Filled, little: &Filled) -> Outcome<()> {
    println!(
        "\n{:<44}{:>14}{:>14}",
        "100 events, median of 51 (us)", "out of much", "out of little"
    );
    for position in ["head", "1/4", "middle", "3/4", "tail"] {
        let (a, b) = (read(much, position).await?, read(little, position).await?);
        println!("{:<44}{a:>14}{b:>14}", format!("GetLogEvents, {position}"));
    }
    for position in ["head", "1/4", "middle", "3/4", "tail"] {
        let (a, b) = (
            filter(much, position, "").await?,
            filter(little, position, "").await?,
        );
        println!(
            "{:<44}{a:>14}{b:>14}",
            format!("FilterLogEvents of all streams, {position}")
        );
    }
    for pattern in [
        "\"status=500\"",
        "%status=5[0-9]{2}%",
        "[level=INFO, ..., status=*500, t, r, b]",
    ] {
        let (a, b) = (
            filter(much, "middle", pattern).await?,
            filter(little, "middle", pattern).await?,
        );
        println!("{:<44}{a:>14}{b:>14}", format!("1 of 50 matches {pattern}"));
    }
    let (a, b) = (
        filter(much, "1/4", "nowhere").await?,
        filter(little, "1/4", "nowhere").await?,
    );
    println!("{:<44}{a:>14}{b:>14}", "nothing matches: one call");
    Ok(())
}

fn time_of(filled: &Filled, position: &str) -> Option<Timestamp> {
    let part = match position {
        "1/4" => 1,
        "middle" => 2,
        "3/4" => 3,
        _ => return None,
    };
    let number = filled.events * part / 4;
    Some(Timestamp::from_millis(BEGIN + number.cast_signed() / 10))
}

async fn read(filled: &Filled, position: &str) -> Outcome<u128> {
    let mut times = Vec::new();
    for round in 0..51 {
        let question = Read {
            group: group(),
            stream: stream(round % STREAMS.min(filled.events / BATCH_EVENTS)),
            from: time_of(filled, position),
            before: None,
            start: if position == "tail" {
                Start::Tail
            } else {
                Start::Head
            },
            limit: 100,
        };
        let began = Instant::now();
        filled.logs.read(question).await?;
        times.push(began.elapsed().as_micros());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or(0))
}

async fn filter(filled: &Filled, position: &str, pattern: &str) -> Outcome<u128> {
    let mut times = Vec::new();
    for _ in 0..51 {
        let question = Filter {
            group: group(),
            streams: Streams::All,
            from: time_of(filled, position),
            until: None,
            pattern: Pattern::parse(pattern)?,
            order: if position == "tail" {
                Order::NewestFirst
            } else {
                Order::OldestFirst
            },
            token: None,
            limit: 100,
        };
        let began = Instant::now();
        filled.logs.filter(question).await?;
        times.push(began.elapsed().as_micros());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or(0))
}
