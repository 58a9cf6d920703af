//! What the store promises, rule by rule.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_core::{Clock, Timestamp};
use portcullis_logs::{
    EVENT_OVERHEAD_BYTES, Followed, InputEvent, Logs, LogsError, OpenError, Options, Order, PAGE_BYTES_MAX,
    PAGE_EVENTS_MAX, Pattern, Start, Streams,
};

use crate::support::{
    NOW, append, block_on, clock, event, filter, filter_all, group, messages, open, question, read, small,
    stream,
};

fn lines(count: i64, text: &str) -> Vec<InputEvent> {
    (0..count)
        .map(|number| event(NOW + number, &format!("{text} {number}")))
        .collect()
}

fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn events_are_read_by_their_time_whatever_order_they_came_in() {
    let logs = Logs::in_memory(clock(), small());
    append(&logs, "a", vec![event(30, "c"), event(10, "a")]);
    append(&logs, "a", vec![event(20, "b"), event(30, "d")]);
    append(&logs, "b", vec![event(15, "x")]);
    assert_eq!(messages(&logs, "a"), ["a", "b", "c", "d"]);
    let all: Vec<String> = filter_all(&logs, question(Streams::All, ""))
        .into_iter()
        .map(|row| row.event.message)
        .collect();
    assert_eq!(all, ["a", "x", "b", "c", "d"]);
    let mut newest = question(Streams::All, "-x");
    newest.order = Order::NewestFirst;
    let newest: Vec<String> = filter_all(&logs, newest)
        .into_iter()
        .map(|row| row.event.message)
        .collect();
    assert_eq!(newest, ["d", "c", "b", "a"]);
}

#[test]
fn a_page_has_at_most_10_000_events_and_a_mebibyte_but_always_one() {
    let logs = Logs::in_memory(clock(), Options::default());
    append(&logs, "many", lines(PAGE_EVENTS_MAX as i64 + 5, ""));
    assert_eq!(
        read(&logs, "many", Start::Head, usize::MAX).events.len(),
        PAGE_EVENTS_MAX
    );
    assert_eq!(
        filter(&logs, question(Streams::Prefix("many".to_owned()), ""))
            .events
            .len(),
        PAGE_EVENTS_MAX
    );
    let half = "x".repeat(PAGE_BYTES_MAX / 2 - EVENT_OVERHEAD_BYTES);
    append(&logs, "big", (0..3).map(|time| event(time, &half)).collect());
    let first = read(&logs, "big", Start::Head, 10);
    assert_eq!(first.events.len(), 2);
    assert_eq!(
        read(&logs, "big", Start::Token(first.forward), 10).events.len(),
        1
    );
    append(
        &logs,
        "bigger",
        vec![event(0, &"y".repeat(PAGE_BYTES_MAX + 1)), event(1, "z")],
    );
    assert_eq!(read(&logs, "bigger", Start::Head, 10).events.len(), 1);
    let page = filter(&logs, question(Streams::Named(vec![stream("bigger")]), ""));
    assert_eq!(page.events.len(), 1);
    assert!(page.next.is_some());
}

#[test]
fn at_the_end_the_same_token_comes_back_and_later_events_are_behind_it() {
    let logs = Logs::in_memory(clock(), small());
    append(&logs, "a", lines(5, "old"));
    let tail = read(&logs, "a", Start::Tail, 2);
    assert_eq!(tail.events.len(), 2);
    let end = read(&logs, "a", Start::Token(tail.forward), 10);
    assert!(end.events.is_empty());
    assert_eq!(end.forward, tail.forward);
    append(&logs, "a", vec![event(NOW + 100, "new")]);
    let more = read(&logs, "a", Start::Token(end.forward), 10);
    assert_eq!(more.events.len(), 1);
    let back = read(&logs, "a", Start::Token(tail.backward), 10);
    assert_eq!(back.events.len(), 3);
    let begin = read(&logs, "a", Start::Token(back.backward), 10);
    assert_eq!((begin.events.len(), begin.backward), (0, back.backward));
    assert_eq!(read(&logs, "a", Start::Token(begin.forward), 10).events.len(), 6);
    for bad in ["", "f/", "x/1", &format!("g/{}", "0".repeat(56))] {
        assert!(bad.parse::<portcullis_logs::Token>().is_err());
    }
}

#[test]
fn one_call_looks_at_a_bounded_number_of_bytes() {
    let logs = Logs::in_memory(clock(), Options::default());
    let long = "x".repeat(900_000);
    for time in 0..30 {
        append(&logs, "a", vec![event(time, &long)]);
    }
    append(&logs, "a", vec![event(31, "needle")]);
    let page = filter(&logs, question(Streams::All, "needle"));
    assert!(page.events.is_empty() && page.next.is_some());
    let found = filter_all(&logs, question(Streams::All, "needle"));
    assert_eq!(found.len(), 1);
}

#[test]
fn removed_streams_and_groups_give_their_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let logs = open(directory.path());
    append(&logs, "stays", lines(200, "stays"));
    logs.settle();
    for _ in 0..5 {
        append(&logs, "goes", lines(200, "goes with its bytes"));
    }
    append(&logs, "stays", lines(200, "more"));
    logs.settle();
    let before = logs.stored_bytes();
    block_on(logs.remove_stream(&group(0), &stream("goes"))).unwrap();
    assert_eq!(messages(&logs, "goes").len(), 0);
    assert!(logs.stream(&group(0), &stream("goes")).is_none());
    append(&logs, "goes", vec![event(1, "again")]);
    logs.settle();
    assert!(logs.stored_bytes() < before, "{} {before}", logs.stored_bytes());
    assert_eq!(messages(&logs, "goes"), ["again"]);
    assert_eq!(messages(&logs, "stays").len(), 400);
    drop(logs);
    let logs = open(directory.path());
    assert_eq!(messages(&logs, "goes"), ["again"]);
    assert_eq!(logs.stream(&group(0), &stream("goes")).unwrap().events, 1);
    assert_eq!(messages(&logs, "stays").len(), 400);
    logs.settle();
    block_on(logs.remove_group(&group(0))).unwrap();
    logs.settle();
    assert_eq!(files(directory.path(), ".seg"), Vec::<PathBuf>::new());
    assert_eq!(messages(&logs, "stays").len(), 0);
    assert_eq!(logs.group_bytes(&group(0)), 0);
    append(&logs, "stays", vec![event(1, "anew")]);
    drop(logs);
    assert_eq!(messages(&open(directory.path()), "stays"), ["anew"]);
}

#[test]
fn retention_hides_old_events_at_once_and_removes_old_segments() {
    let directory = tempfile::tempdir().unwrap();
    let clock = clock();
    let logs = Logs::in_directory(directory.path(), Arc::clone(&clock) as Arc<dyn Clock>, small()).unwrap();
    append(&logs, "a", lines(300, "old"));
    logs.settle();
    block_on(logs.retain(&group(0), Some(1))).unwrap();
    assert_eq!(messages(&logs, "a").len(), 300);
    clock.advance_seconds(86_400);
    assert_eq!(messages(&logs, "a").len(), 300, "a day is a day");
    clock.advance_seconds(1);
    assert_eq!(messages(&logs, "a").len(), 0);
    assert!(logs.stream(&group(0), &stream("a")).is_none());
    append(&logs, "b", vec![event(NOW + 86_400_000, "new")]);
    logs.settle();
    let segments = files(directory.path(), ".seg");
    drop(logs);
    let logs = Logs::in_directory(directory.path(), clock, small()).unwrap();
    logs.settle();
    assert!(files(directory.path(), ".seg").len() <= segments.len().max(1));
    assert_eq!(messages(&logs, "a").len(), 0, "retention lasts");
    assert_eq!(messages(&logs, "b"), ["new"]);
    assert_eq!(logs.group_bytes(&group(0)), 3 + EVENT_OVERHEAD_BYTES as u64);
}

#[test]
fn what_was_acknowledged_is_never_dropped_for_the_quota() {
    let directory = tempfile::tempdir().unwrap();
    let quota_bytes = 20_000;
    let options = Options {
        quota_bytes,
        ..small()
    };
    let logs = Logs::in_directory(directory.path(), clock(), options).unwrap();
    let mut taken = 0;
    let refused = loop {
        // Text that does not compress well.
        let text: String = (0..500_u64)
            .map(|n| char::from(b'a' + ((((n * n + taken * 7919) * 2_654_435_761) >> 13) % 26) as u8))
            .collect();
        match block_on(logs.append(&group(0), &stream("a"), vec![event(taken as i64, &text)])) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, LogsError::QuotaReached { quota_bytes });
    assert!(taken > 10);
    assert_eq!(messages(&logs, "a").len(), taken as usize);
    block_on(logs.remove_stream(&group(0), &stream("a"))).unwrap();
    block_on(logs.remove_group(&group(0))).unwrap();
    logs.settle();
    append(&logs, "a", vec![event(1, "room again")]);
}

#[test]
fn a_full_disk_refuses_events_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let logs = open(directory.path());
    append(&logs, "a", vec![event(0, "first")]);
    let next = directory.path().join("journal/0000000000000002.log");
    symlink("/dev/full", &next).unwrap();
    symlink(
        "/dev/full",
        directory.path().join("groups/0000000000000001/segment.new"),
    )
    .unwrap();
    let (mut taken, mut full) = (1, 0);
    for number in 1..60 {
        match block_on(logs.append(&group(0), &stream("a"), vec![event(number, &"x".repeat(100))])) {
            Ok(_) => taken += 1,
            Err(error) => {
                assert_eq!(error, LogsError::DiskFull);
                full += 1;
            }
        }
    }
    assert!(full > 0 && taken > 10, "{full} {taken}");
    assert_eq!(messages(&logs, "a").len(), taken);
    logs.settle();
    append(&logs, "a", vec![event(100, "there is room again")]);
    drop(logs);
    assert_eq!(messages(&open(directory.path()), "a").len(), taken + 1);
}

#[test]
fn events_that_cannot_be_put_into_segments_wait_in_the_journal() {
    let directory = tempfile::tempdir().unwrap();
    let logs = open(directory.path());
    append(&logs, "a", vec![event(0, "first")]);
    let blocked = directory.path().join("groups/0000000000000001/segment.new");
    fs::create_dir(&blocked).unwrap();
    let mut taken = 1;
    let refused = (1..1000).find_map(|number| {
        let outcome = block_on(logs.append(&group(0), &stream("a"), vec![event(number, &"x".repeat(100))]));
        taken += usize::from(outcome.is_ok());
        outcome.err()
    });
    assert!(matches!(refused, Some(LogsError::Disk(_))), "{refused:?}");
    assert_eq!(messages(&logs, "a").len(), taken);
    fs::remove_dir(&blocked).unwrap();
    logs.settle();
    append(&logs, "a", vec![event(2000, "goes on")]);
    assert_eq!(messages(&logs, "a").len(), taken + 1);
    drop(logs);
    assert_eq!(messages(&open(directory.path()), "a").len(), taken + 1);
}

#[test]
fn damage_is_told_and_never_shown_as_events() {
    let directory = tempfile::tempdir().unwrap();
    let logs = Logs::in_directory(directory.path(), clock(), small()).unwrap();
    for _ in 0..4 {
        append(&logs, "a", lines(60, "some text that is long enough"));
    }
    drop(logs);
    // What is left in the journal goes into a segment.
    let logs = open(directory.path());
    logs.settle();
    drop(logs);
    let segments = files(directory.path(), ".seg");
    let whole = fs::read(&segments[0]).unwrap();
    let mut told = 0;
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&segments[0], &bytes).unwrap();
        match Logs::in_directory(directory.path(), clock(), small()) {
            Err(OpenError::Damaged { path, .. }) => {
                assert_eq!(path, segments[0]);
                told += 1;
            }
            Err(other) => panic!("{other}"),
            Ok(logs) => {
                let page = block_on(logs.filter(question(Streams::All, "")));
                assert!(
                    matches!(page, Err(LogsError::Damaged { .. })),
                    "byte {at}: {page:?}"
                );
            }
        }
    }
    assert!(told > 0);
}

#[test]
fn a_directory_belongs_to_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let logs = open(directory.path());
    let second = Logs::in_directory(directory.path(), clock(), small());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    drop(logs);
    drop(open(directory.path()));
}

#[test]
fn who_follows_sees_what_comes_in_and_matches() {
    let logs = Logs::in_memory(clock(), small());
    append(&logs, "a", vec![event(1, "ERROR before")]);
    let followed = Followed {
        group: group(0),
        streams: Streams::Prefix("a".to_owned()),
    };
    let mut follower = logs.follow(vec![followed], Pattern::parse("ERROR").unwrap());
    append(&logs, "a", vec![event(2, "ERROR one"), event(3, "fine")]);
    append(&logs, "b", vec![event(2, "ERROR elsewhere")]);
    append(&logs, "ab", vec![event(1, "ERROR two")]);
    let live = block_on(follower.next()).unwrap();
    let seen: Vec<&str> = live
        .events
        .iter()
        .map(|event| event.event.message.as_str())
        .collect();
    assert_eq!(seen, ["ERROR one", "ERROR two"]);
    assert_eq!(live.events[1].stream, stream("ab"));
    assert!(!live.sampled);
    let long = "ERROR ".repeat(150_000);
    for _ in 0..20 {
        append(&logs, "a", vec![event(4, &long)]);
    }
    let live = block_on(follower.next()).unwrap();
    assert!(
        live.sampled && live.events.len() < 20,
        "who is too slow is told so"
    );
    drop(logs);
    assert_eq!(block_on(follower.next()), None);
}

#[test]
fn summaries_tell_first_last_and_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let logs = open(directory.path());
    assert!(logs.stream(&group(0), &stream("a")).is_none());
    append(&logs, "a", vec![event(20, "12345")]);
    append(&logs, "a", vec![event(10, "123")]);
    append(&logs, "b", vec![event(5, "1")]);
    let check = |logs: &Logs| {
        let summary = logs.stream(&group(0), &stream("a")).unwrap();
        assert_eq!(summary.first_event, Timestamp::from_millis(10));
        assert_eq!(summary.last_event, Timestamp::from_millis(20));
        assert_eq!(summary.last_ingestion, Timestamp::from_millis(NOW));
        assert_eq!((summary.events, summary.stored_bytes), (2, 8 + 2 * 26));
        assert_eq!(logs.group_bytes(&group(0)), 9 + 3 * 26);
    };
    check(&logs);
    drop(logs);
    let logs = open(directory.path());
    check(&logs);
    logs.settle();
    check(&logs);
}

#[test]
fn nothing_is_appended_by_an_empty_call() {
    let logs = Logs::in_memory(clock(), small());
    append(&logs, "a", Vec::new());
    assert!(logs.stream(&group(0), &stream("a")).is_none());
    assert!(messages(&logs, "a").is_empty());
}
