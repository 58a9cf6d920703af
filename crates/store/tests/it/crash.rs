//! kill -9 under write load: nothing acknowledged is lost, nothing is half done.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use portcullis_core::{Random, SystemRandom};
use portcullis_store::{Change, Pending, Store, Txn};

use crate::fixture::{open_at, value};

const DIR_VARIABLE: &str = "PORTCULLIS_STORE_CRASH_DIR";
const KILLS_VARIABLE: &str = "PORTCULLIS_STORE_KILLS";
/// Keys each numbered transaction writes.
const KEYS: usize = 5;
/// Transactions on their way at the same time.
const IN_FLIGHT: usize = 64;
/// Transactions after which a key is written again.
const SLOTS: u64 = 50;

#[test]
fn kill_9_under_load_loses_nothing_acknowledged_and_halves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..kills() {
        acknowledged = kill_a_writer(dir.path(), acknowledged);
        let found = check(dir.path());
        assert!(
            found >= acknowledged,
            "round {round}: acknowledged {acknowledged}, found {found}"
        );
        // Writes that were final but not yet acknowledged count from now on.
        acknowledged = found;
    }
    assert!(acknowledged > 0, "the writer never wrote");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the torture run asks for more kills than the normal one"
)]
fn kills() -> usize {
    std::env::var(KILLS_VARIABLE)
        .ok()
        .and_then(|kills| kills.parse().ok())
        .unwrap_or(20)
}

/// Lets a writer write for a random number of acknowledgements, kills it, and gives the last number it acknowledged.
fn kill_a_writer(dir: &Path, before: u64) -> u64 {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--nocapture"])
        .env(DIR_VARIABLE, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let patience = random_below(400);
    let moment = Duration::from_micros(random_below(15_000).try_into().unwrap());
    let mut acknowledged = before;
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let numbers =
        |line: std::io::Result<String>| line.unwrap().strip_prefix("done ").and_then(|n| n.parse().ok());
    for number in lines.by_ref().filter_map(numbers).take(patience) {
        acknowledged = number;
    }
    assert!(
        patience == 0 || acknowledged > before,
        "the writer ended by itself"
    );
    // Not always right after an acknowledgement, and sometimes while the store is being opened.
    std::thread::sleep(moment);
    // SIGKILL; what it still said before it died counts as well.
    writer.kill().unwrap();
    if let Some(number) = lines.filter_map(numbers).last() {
        acknowledged = number;
    }
    writer.wait().unwrap();
    acknowledged
}

fn random_below(limit: u64) -> usize {
    let mut bytes = [0; 8];
    SystemRandom.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % limit).unwrap()
}

/// Checks that every transaction is there whole, and gives the number of the last.
fn check(dir: &Path) -> u64 {
    let opened = open_at(dir).unwrap();
    let store = &*opened.store;
    let last: u64 = value(store, "last").map_or(0, |number| number.parse().unwrap());
    let newest_slots = (last.saturating_sub(SLOTS) + 1)..=last;
    for number in newest_slots {
        for part in 0..KEYS {
            let found = value(store, &slot(number, part));
            assert_eq!(
                found.as_deref(),
                Some(content(number, part).as_str()),
                "transaction {number} of {last}"
            );
        }
    }
    let newer = store
        .range(b"slot/", None, usize::MAX)
        .unwrap()
        .entries
        .into_iter();
    for entry in newer {
        let text = String::from_utf8(entry.value.to_vec()).unwrap();
        let number: u64 = text.split(' ').next().unwrap().parse().unwrap();
        assert!(
            number <= last,
            "part of {number} is there, but {last} was the last"
        );
    }
    last
}

fn slot(number: u64, part: usize) -> String {
    format!("slot/{}/{part}", number % SLOTS)
}

fn content(number: u64, part: usize) -> String {
    format!("{number} {}", "x".repeat(part * 700))
}

/// Not a test of its own: the process that is killed. Writes numbered transactions for ever and says which are done.
#[test]
fn writer() {
    let Some(dir) = std::env::var_os(DIR_VARIABLE) else {
        return;
    };
    let opened = open_at(Path::new(&dir)).unwrap();
    let store = &*opened.store;
    let first = value(store, "last").map_or(0, |number| number.parse().unwrap()) + 1;
    let mut in_flight: VecDeque<(u64, Pending)> = VecDeque::new();
    let mut out = std::io::stdout();
    for number in first.. {
        in_flight.push_back((number, submit(store, number)));
        if in_flight.len() >= IN_FLIGHT {
            let (number, pending) = in_flight.pop_front().unwrap();
            pending.wait().unwrap();
            // One write, so that a kill cannot tear the line.
            out.write_all(format!("\ndone {number}\n").as_bytes()).unwrap();
            out.flush().unwrap();
        }
    }
}

fn submit(store: &dyn Store, number: u64) -> Pending {
    let mut changes = vec![Change::put("last", number.to_string())];
    changes.extend((0..KEYS).map(|part| Change::put(slot(number, part), content(number, part))));
    store.commit(Txn::of(changes)).unwrap()
}
