//! Durable puts per second at 1, 16 and 64 writers, beside what the disk itself does, and what opening a store costs.
//!
//! `cargo run --release -p portcullis-store --example group_commit -- [DIR]` (DIR: on the disk to measure)
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement may panic and talks to its user"
)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_core::{SystemClock, SystemRandom};
use portcullis_store::{Change, Opened, Place, Store, Txn, open};

const VALUE_BYTES: usize = 1024;
const RUN: Duration = Duration::from_secs(2);
const DOCUMENTS: usize = 100_000;

fn main() {
    let base = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(base).unwrap();
    let floor = disk_floor(dir.path());
    println!(
        "{:<42} {floor:>9.0}/s",
        "disk: append 1 KiB + fdatasync, 1 writer"
    );
    let opened = open_store(dir.path());
    for writers in [1, 16, 64] {
        let (rate, p50, p99) = durable_puts(&*opened.store, writers);
        let what = format!("store: durable put of 1 KiB, {writers} writers");
        println!("{what:<42} {rate:>9.0}/s   p50 {p50:?}   p99 {p99:?}");
    }
    println!(
        "{:<42} {:>9.0}/s",
        "store: relaxed put of 1 KiB, 1 writer",
        relaxed_puts(&*opened.store)
    );
    println!("{:<42} {:>9.0}/s", "store: get, 1 reader", gets(&*opened.store));
    reopen(opened, dir.path());
}

fn open_store(dir: &Path) -> Opened {
    let place = Place {
        dir: dir.join("data"),
        account: "123456789012".parse().unwrap(),
        master_key: None,
    };
    open(&place, Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}

fn disk_floor(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("floor")).unwrap();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < RUN {
        file.write_all(&[7; VALUE_BYTES]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    per_second(count, start)
}

fn put(writer: usize, number: usize) -> Txn {
    Txn::of(vec![Change::put(
        format!("task/{writer:02}/{:05}", number % 2000),
        vec![7; VALUE_BYTES],
    )])
}

fn durable_puts(store: &dyn Store, writers: usize) -> (f64, Duration, Duration) {
    let start = Instant::now();
    let write = |writer: usize| {
        let mut latencies = Vec::new();
        while start.elapsed() < RUN {
            let submitted = Instant::now();
            store
                .commit(put(writer, latencies.len()))
                .unwrap()
                .wait()
                .unwrap();
            latencies.push(submitted.elapsed());
        }
        latencies
    };
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..writers)
            .map(|writer| scope.spawn(move || write(writer)))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let rate = per_second(latencies.len(), start);
    latencies.sort_unstable();
    let at = |percent: usize| {
        latencies
            .get(latencies.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    (rate, at(50), at(99))
}

fn relaxed_puts(store: &dyn Store) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < RUN {
        match store.commit(put(0, count).relaxed()) {
            Ok(_) => count += 1,
            // The queue is full: the disk sets the pace.
            Err(_) => std::thread::yield_now(),
        }
    }
    store.commit(Txn::default()).unwrap().wait().unwrap();
    per_second(count, start)
}

fn gets(store: &dyn Store) -> f64 {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < RUN {
        let key = format!("task/00/{:05}", count % 2000);
        assert!(store.get(key.as_bytes()).unwrap().is_some());
        count += 1;
    }
    per_second(count, start)
}

fn reopen(opened: Opened, dir: &Path) {
    for chunk in (0..DOCUMENTS).collect::<Vec<_>>().chunks(1000) {
        let changes = chunk
            .iter()
            .map(|n| Change::put(format!("many/{n}"), vec![7; 2 * VALUE_BYTES]))
            .collect();
        opened.store.commit(Txn::of(changes)).unwrap().wait().unwrap();
    }
    // The file as a kill would leave it now.
    let killed = dir.join("killed");
    copy(&dir.join("data"), &killed.join("data"));
    drop(opened);
    let size = std::fs::metadata(dir.join("data/state.redb")).unwrap().len() >> 20;
    let start = Instant::now();
    drop(open_store(&killed));
    println!(
        "open and verify {size} MiB of store file after a kill: {:?}",
        start.elapsed()
    );
    let start = Instant::now();
    let opened = open_store(dir);
    println!("open and verify {size} MiB of store file: {:?}", start.elapsed());
    let start = Instant::now();
    let entries = opened.store.range(b"many/", None, usize::MAX).unwrap().entries;
    println!("list {} documents of 2 KiB: {:?}", entries.len(), start.elapsed());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
