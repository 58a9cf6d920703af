//! What the tests share.

use std::path::Path;
use std::sync::Arc;

use portcullis_core::{FixedClock, Timestamp};
use portcullis_logs::{
    Filter, Filtered, GroupId, InputEvent, Logs, Options, Order, PAGE_EVENTS_MAX, Page, Pattern, Read, Start,
    StreamEvent, StreamId, Streams,
};

pub const NOW: i64 = 1_795_304_278_737;

pub fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock::at(Timestamp::from_millis(NOW)))
}

/// So little memory that segments are written all the time, and that reads close and open again what overlaps.
pub fn small() -> Options {
    Options {
        memory_bytes: 1500,
        walk_bytes: 700,
        ..Options::default()
    }
}

pub fn open(directory: &Path) -> Logs {
    Logs::in_directory(directory, clock(), small()).expect("the store opens")
}

pub fn group(number: usize) -> GroupId {
    GroupId::new("111122223333", "eu-central-1", &format!("/group/{number}"))
}

pub fn stream(name: &str) -> StreamId {
    StreamId::new(name)
}

pub fn event(time: i64, message: &str) -> InputEvent {
    InputEvent {
        timestamp: Timestamp::from_millis(time),
        message: message.to_owned(),
    }
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

pub fn append(logs: &Logs, name: &str, events: Vec<InputEvent>) {
    block_on(logs.append(&group(0), &stream(name), events)).expect("events are taken");
}

pub fn read(logs: &Logs, name: &str, start: Start, limit: usize) -> Page {
    block_on(logs.read(Read {
        group: group(0),
        stream: stream(name),
        from: None,
        before: None,
        start,
        limit,
    }))
    .expect("a page")
}

pub fn question(streams: Streams, pattern: &str) -> Filter {
    Filter {
        group: group(0),
        streams,
        from: None,
        until: None,
        pattern: Pattern::parse(pattern).expect("a pattern"),
        order: Order::OldestFirst,
        token: None,
        limit: PAGE_EVENTS_MAX,
    }
}

pub fn filter(logs: &Logs, question: Filter) -> Filtered {
    block_on(logs.filter(question)).expect("a page")
}

/// All pages of a question.
pub fn filter_all(logs: &Logs, mut question: Filter) -> Vec<StreamEvent> {
    let mut events = Vec::new();
    loop {
        let page = filter(logs, question.clone());
        events.extend(page.events);
        question.token = page.next;
        if page.next.is_none() {
            return events;
        }
    }
}

pub fn messages(logs: &Logs, name: &str) -> Vec<String> {
    let page = read(logs, name, Start::Head, PAGE_EVENTS_MAX);
    page.events.into_iter().map(|event| event.message).collect()
}
