//! Power and processes that go away: what was acknowledged is there, and nothing by halves.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use portcullis_logs::{Logs, OpenError, Options, Streams};

use crate::support::{
    append, block_on, clock, event, filter_all, group, messages, open, question, small, stream,
};

const FIRST_JOURNAL: &str = "journal/0000000000000001.log";
/// Tells the child where to write.
const CHILD: &str = "PORTCULLIS_LOGS_CRASH_DIRECTORY";
const EVENTS_OF_A_BATCH: usize = 3;

/// A store with some batches that are all in its first journal.
fn written(directory: &Path, batches: usize) {
    let logs = Logs::in_directory(directory, clock(), Options::default()).unwrap();
    for number in 0..batches {
        let events = (0..EVENTS_OF_A_BATCH).map(|part| event(number as i64, &format!("{number}/{part}")));
        append(&logs, "a", events.collect());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_journal_cut_at_any_byte_opens_with_whole_batches_only() {
    let original = tempfile::tempdir().unwrap();
    written(original.path(), 5);
    let journal = fs::read(original.path().join(FIRST_JOURNAL)).unwrap();
    let mut last = 0;
    for cut in 0..=journal.len() {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        fs::write(directory.path().join(FIRST_JOURNAL), &journal[..cut]).unwrap();
        let logs = open(directory.path());
        let found = messages(&logs, "a");
        assert_eq!(
            found.len() % EVENTS_OF_A_BATCH,
            0,
            "half a batch after {cut} bytes"
        );
        let expected: Vec<String> = (0..found.len())
            .map(|n| format!("{}/{}", n / EVENTS_OF_A_BATCH, n % EVENTS_OF_A_BATCH))
            .collect();
        assert_eq!(found, expected);
        assert!(found.len() >= last);
        last = found.len();
        append(&logs, "b", vec![event(1, "goes on")]);
        drop(logs);
        let logs = open(directory.path());
        assert_eq!(messages(&logs, "a").len(), last);
        assert_eq!(messages(&logs, "b"), ["goes on"]);
    }
    assert_eq!(last, 5 * EVENTS_OF_A_BATCH);
}

#[test]
fn an_unfinished_end_is_cut_off_and_damage_before_it_is_told() {
    let original = tempfile::tempdir().unwrap();
    written(original.path(), 5);
    let journal = fs::read(original.path().join(FIRST_JOURNAL)).unwrap();
    for end in [
        vec![0; 100],
        b"\xf1PLF".to_vec(),
        journal[28..60].to_vec(),
        vec![0xff; 3],
    ] {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        let mut bytes = journal.clone();
        bytes.extend(end);
        fs::write(directory.path().join(FIRST_JOURNAL), bytes).unwrap();
        assert_eq!(
            messages(&open(directory.path()), "a").len(),
            5 * EVENTS_OF_A_BATCH
        );
    }
    let mut told = 0;
    for at in 0..journal.len() {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        let mut bytes = journal.clone();
        bytes[at] ^= 0x40;
        fs::write(directory.path().join(FIRST_JOURNAL), bytes).unwrap();
        match Logs::in_directory(directory.path(), clock(), small()) {
            Err(OpenError::Damaged { .. }) => told += 1,
            Err(other) => panic!("{other}"),
            // The last frame cannot be told from one that was never finished.
            Ok(logs) => assert_eq!(messages(&logs, "a").len(), 4 * EVENTS_OF_A_BATCH, "byte {at}"),
        }
    }
    assert!(told > journal.len() / 2);
}

/// What the killed process runs; as a test of its own it does nothing.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return;
    };
    let logs = Logs::in_directory(Path::new(&directory), clock(), small()).unwrap();
    let begun = filter_all(&logs, question(Streams::All, "")).len();
    let mut out = std::io::stdout();
    for round in begun.. {
        let appends: Vec<_> = (0..4)
            .map(|part| {
                let number = round * 4 + part;
                let events =
                    (0..EVENTS_OF_A_BATCH).map(|n| event((number % 97) as i64, &format!("{number}/{n}")));
                (
                    number,
                    logs.append(&group(0), &stream(&format!("s{}", number % 5)), events.collect()),
                )
            })
            .collect();
        for (number, append) in appends {
            block_on(append).unwrap();
            writeln!(out, "acknowledged {number}").unwrap();
        }
    }
}

#[test]
fn kill_9_loses_no_acknowledged_event_and_shows_no_half_batch() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<usize> = Vec::new();
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "crash::child_appends_until_it_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let numbers = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<usize>().ok());
        let before = acknowledged.len();
        acknowledged.extend(numbers.take(20 + round * 35));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged.len() > before, "the child appended something");
        let logs = open(directory.path());
        let mut batches: BTreeMap<usize, usize> = BTreeMap::new();
        for row in filter_all(&logs, question(Streams::All, "")) {
            let (number, _) = row.event.message.split_once('/').unwrap();
            *batches.entry(number.parse().unwrap()).or_default() += 1;
        }
        for number in &acknowledged {
            assert!(
                batches.contains_key(number),
                "{number} was acknowledged and is gone"
            );
        }
        assert!(
            batches.values().all(|count| *count == EVENTS_OF_A_BATCH),
            "half a batch or a batch twice"
        );
    }
}
