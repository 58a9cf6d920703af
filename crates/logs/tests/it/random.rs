//! The store against its model, by chance: appends out of order, walks with tokens both ways, removals, retention, reopening.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::{Clock, FixedClock, Timestamp};
use portcullis_logs::{
    Filter, InputEvent, LastEvent, Logs, Order, Pattern, Read, Seal, Start, StreamId, Streams, Token,
};
use proptest::prelude::*;

use crate::model::{self, Model, Place};
use crate::sealed::{opener, seal};
use crate::support::{block_on, clock, group, small};

const GROUPS: usize = 2;
const STREAMS: [&str; 4] = ["a", "ab", "b", "c/0"];
const HOUR: i64 = 3_600_000;

#[derive(Debug, Clone)]
enum Step {
    Append(usize, usize, Vec<(i64, String)>),
    Read(usize, usize, Option<(i64, i64)>, bool, usize),
    GoOn(usize, bool, usize),
    Filter(usize, Vec<usize>, Option<(i64, i64)>, bool, usize),
    RemoveStream(usize, usize),
    RemoveGroup(usize),
    Retain(usize, Option<u32>),
    Wait(i64),
    Settle,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (groups, streams) = (0..GROUPS, 0..STREAMS.len());
    let time = 0..60_i64;
    let window = prop::option::of((time.clone(), time.clone()));
    let message = prop::collection::vec(
        prop::sample::select(vec!["x", "yy ", "fail", "ok", "\n", "ä"]),
        0..30,
    );
    let events = prop::collection::vec((time, message.prop_map(|words| words.concat())), 1..12);
    prop_oneof![
        8 => (groups.clone(), streams.clone(), events).prop_map(|(g, s, e)| Step::Append(g, s, e)),
        4 => (groups.clone(), streams.clone(), window.clone(), any::<bool>(), 1..20_usize)
            .prop_map(|(g, s, w, head, limit)| Step::Read(g, s, w, head, limit)),
        6 => (0..8_usize, any::<bool>(), 1..20_usize).prop_map(|(n, forward, limit)| Step::GoOn(n, forward, limit)),
        4 => (groups.clone(), prop::collection::vec(streams.clone(), 0..3), window, any::<bool>(), 1..20_usize)
            .prop_map(|(g, s, w, oldest, limit)| Step::Filter(g, s, w, oldest, limit)),
        1 => (groups.clone(), streams).prop_map(|(g, s)| Step::RemoveStream(g, s)),
        1 => groups.clone().prop_map(Step::RemoveGroup),
        1 => (groups, prop::option::of(1..3_u32)).prop_map(|(g, days)| Step::Retain(g, days)),
        1 => (1..20_i64).prop_map(Step::Wait),
        1 => Just(Step::Settle),
        1 => Just(Step::Reopen),
    ]
}

/// Two walks through the same stream that stand in the same place.
struct Walk {
    group: usize,
    stream: StreamId,
    window: (i64, i64),
    forward: (Token, Place),
    backward: (Token, Place),
}

struct Pair {
    logs: Option<Logs>,
    directory: Option<tempfile::TempDir>,
    clock: Arc<FixedClock>,
    model: Model,
    walks: Vec<Walk>,
}

fn time(hours: i64) -> i64 {
    crate::support::NOW - 60 * HOUR + hours * HOUR
}

fn window(hours: Option<(i64, i64)>) -> (i64, i64) {
    hours.map_or((i64::MIN, i64::MAX), |(from, length)| {
        (time(from), time(from + length))
    })
}

impl Pair {
    fn new(is_on_disk: bool) -> Self {
        let directory = is_on_disk.then(|| tempfile::tempdir().unwrap());
        let mut pair = Self {
            logs: None,
            directory,
            clock: clock(),
            model: Model::default(),
            walks: Vec::new(),
        };
        pair.open();
        pair
    }

    fn open(&mut self) {
        // The store that was there lets go of the directory first.
        self.logs = None;
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let logs = match &self.directory {
            Some(directory) => Logs::in_directory(directory.path(), clock, small()).unwrap(),
            None => Logs::in_memory(clock, small()),
        };
        self.logs = Some(logs.opened_by(opener(&[7], &Arc::default())));
    }

    fn logs(&self) -> &Logs {
        self.logs.as_ref().unwrap()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(g, s, events) => self.append(g, s, events),
            Step::Read(g, s, hours, head, limit) => {
                let start = if head {
                    (Start::Head, model::Start::Head)
                } else {
                    (Start::Tail, model::Start::Tail)
                };
                self.read(g, &StreamId::new(STREAMS[s]), window(hours), start, limit);
            }
            Step::GoOn(number, forward, limit) => self.go_on(number, forward, limit),
            Step::Filter(g, s, hours, oldest, limit) => self.filter(g, &s, window(hours), oldest, limit),
            Step::RemoveStream(g, s) => {
                let stream = StreamId::new(STREAMS[s]);
                block_on(self.logs().remove_stream(&group(g), &stream)).unwrap();
                self.model.remove_stream(g, &stream);
            }
            Step::RemoveGroup(g) => {
                block_on(self.logs().remove_group(&group(g))).unwrap();
                self.model.remove_group(g);
            }
            Step::Retain(g, days) => {
                // What is hidden may be gone or not; the model cannot know, so that retention only gets shorter here.
                let days = days.map(|days| self.model.retention(g).map_or(days, |before| before.min(days)));
                let days = days.or(self.model.retention(g));
                block_on(self.logs().retain(&group(g), days)).unwrap();
                self.model.retain(g, days);
            }
            Step::Wait(hours) => self.clock.advance_seconds(hours * 3600),
            Step::Settle => self.logs().settle(),
            Step::Reopen => {
                if self.directory.is_some() {
                    self.open();
                }
            }
        }
    }

    fn append(&mut self, g: usize, s: usize, events: Vec<(i64, String)>) {
        let events: Vec<InputEvent> = events
            .into_iter()
            .map(|(hours, message)| InputEvent {
                timestamp: Timestamp::from_millis(time(hours)),
                message,
            })
            .collect();
        let stream = StreamId::new(STREAMS[s]);
        // Some are sealed.
        let sealed = |clear: &[u8]| Ok(seal(7, clear));
        let seal = (!events.len().is_multiple_of(3)).then_some(&sealed as &Seal<'_>);
        let append = self
            .logs()
            .append_sealed(&group(g), &stream, events.clone(), seal);
        let appended = block_on(append).unwrap();
        let now = self.now();
        self.model
            .append(g, &stream, events, appended.first_sequence, now);
    }

    fn read(
        &mut self,
        g: usize,
        stream: &StreamId,
        window: (i64, i64),
        start: (Start, model::Start),
        limit: usize,
    ) {
        let page = block_on(self.logs().read(Read {
            group: group(g),
            stream: stream.clone(),
            from: Some(Timestamp::from_millis(window.0)),
            before: Some(Timestamp::from_millis(window.1)),
            start: start.0,
            limit,
        }))
        .unwrap();
        let expected = self.model.read(g, stream, window, start.1, limit, self.now());
        assert_eq!(page.events, expected.events);
        if let (Start::Token(token), true) = (start.0, page.events.is_empty()) {
            assert!(
                page.forward == token || page.backward == token,
                "at the end the token given comes back"
            );
        }
        let (forward, backward) = (page.forward.to_string(), page.backward.to_string());
        self.walks.push(Walk {
            group: g,
            stream: stream.clone(),
            window,
            forward: (forward.parse().unwrap(), expected.forward),
            backward: (backward.parse().unwrap(), expected.backward),
        });
    }

    fn go_on(&mut self, number: usize, forward: bool, limit: usize) {
        if self.walks.is_empty() {
            return;
        }
        let walk = self.walks.swap_remove(number % self.walks.len());
        let start = if forward {
            (
                Start::Token(walk.forward.0),
                model::Start::Forward(walk.forward.1),
            )
        } else {
            (
                Start::Token(walk.backward.0),
                model::Start::Backward(walk.backward.1),
            )
        };
        self.read(walk.group, &walk.stream, walk.window, start, limit);
    }

    fn filter(&mut self, g: usize, streams: &[usize], window: (i64, i64), oldest: bool, limit: usize) {
        let streams = match streams {
            [] => Streams::All,
            [one] => Streams::Prefix(STREAMS[*one].to_owned()),
            more => Streams::Named(more.iter().map(|one| StreamId::new(STREAMS[*one])).collect()),
        };
        let order = if oldest {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        };
        let word = if limit.is_multiple_of(2) { "fail" } else { "" };
        let mut question = Filter {
            group: group(g),
            streams: streams.clone(),
            from: Some(Timestamp::from_millis(window.0)),
            until: Some(Timestamp::from_millis(window.1)),
            pattern: Pattern::parse(word).unwrap(),
            order,
            token: None,
            limit,
        };
        let expected = self.model.filter(g, &streams, window, order, word, self.now());
        let mut events = Vec::new();
        loop {
            let page = block_on(self.logs().filter(question.clone())).unwrap();
            assert!(page.events.len() <= limit);
            events.extend(page.events);
            question.token = page.next.map(|token| token.to_string().parse().unwrap());
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(events, expected);
    }

    /// Streams in the order of their last events, page by page in both directions.
    fn check_order(&self, g: usize) {
        let mut last_events = BTreeMap::new();
        for row in self.model.rows(g, self.now()) {
            last_events.insert(row.stream, row.event.key.timestamp);
        }
        let places = last_events
            .into_iter()
            .map(|(stream, time)| LastEvent { time, stream });
        let mut expected: Vec<_> = places.collect();
        expected.sort();
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let mut found: Vec<LastEvent> = Vec::new();
            loop {
                let page = self.logs().by_last_event(&group(g), found.last(), order, 2);
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            assert_eq!(found, expected, "{order:?}");
            expected.reverse();
        }
    }

    fn check_all(&mut self) {
        for g in 0..GROUPS {
            self.filter(g, &[], (i64::MIN, i64::MAX), true, 7);
            self.check_order(g);
            for name in STREAMS {
                let stream = StreamId::new(name);
                let rows = self.model.rows(g, self.now());
                let rows: Vec<_> = rows.into_iter().filter(|row| row.stream == stream).collect();
                let summary = self.logs().stream(&group(g), &stream);
                assert_eq!(summary.is_some(), !rows.is_empty(), "{g} {name}");
                if let (Some(summary), Some(last)) = (summary, rows.last()) {
                    assert_eq!(summary.last_event, last.event.key.timestamp);
                    assert!(summary.events as usize >= rows.len());
                    assert!(summary.first_event <= rows[0].event.key.timestamp);
                }
            }
        }
    }
}

fn run(steps: Vec<Step>, is_on_disk: bool) {
    let mut pair = Pair::new(is_on_disk);
    for step in steps {
        pair.take(step);
    }
    pair.check_all();
    pair.logs().settle();
    pair.check_all();
    if is_on_disk {
        pair.open();
        pair.check_all();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_on_disk_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        run(steps, true);
    }

    #[test]
    fn the_store_in_memory_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        run(steps, false);
    }
}
