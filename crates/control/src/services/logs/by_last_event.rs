//! The streams of a group in the order of their last events. Those that hold none stand behind all others, in the order of their
//! names; they are found by looking at all streams, some at a time: a page that found little has a token.

use std::sync::Arc;

use portcullis_core::Timestamp;
use portcullis_logs::{GroupId, LastEvent, Logs, Order, StreamId};

use crate::world::Snapshot;
use crate::world::records::logs::{LogGroup, LogStream};

/// How many streams that it does not show a page may look at.
const PASSED_MAX: usize = 1_000;

/// What the keys in tokens of this order begin with.
pub(super) const KEY_PREFIX: &str = "time:";

/// The last stream that a page looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Of those without events.
    Silent(String),
    /// Of those with events.
    Heard(LastEvent),
}

impl Place {
    /// From [`Place::key`].
    pub fn parse(key: &str) -> Option<Self> {
        let (time, stream) = key.strip_prefix(KEY_PREFIX)?.split_once(':')?;
        if time == "none" {
            return Some(Self::Silent(stream.to_owned()));
        }
        let time = Timestamp::from_millis(time.parse().ok()?);
        let stream = StreamId::new(stream);
        Some(Self::Heard(LastEvent { time, stream }))
    }

    /// As a page's token has it.
    pub fn key(&self) -> String {
        match self {
            Self::Silent(name) => format!("{KEY_PREFIX}none:{name}"),
            Self::Heard(last) => format!("{KEY_PREFIX}{}:{}", last.time.as_millis(), last.stream.as_str()),
        }
    }
}

/// A group whose streams are listed.
pub(super) struct Listed<'v> {
    pub view: &'v Snapshot,
    pub logs: &'v Logs,
    pub group: &'v LogGroup,
    /// What the store of log events knows the group by.
    pub stored: GroupId,
    pub order: Order,
}

/// A page in the making.
struct Page<'v> {
    rows: Vec<&'v Arc<LogStream>>,
    rows_max: usize,
    passed: usize,
    passed_max: usize,
    place: Option<Place>,
}

impl<'v> Page<'v> {
    fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max || self.passed >= self.passed_max
    }

    /// Goes on to a stream, which is shown if there is a row; whether the page had room for it.
    fn take(&mut self, row: Option<&'v Arc<LogStream>>, place: impl FnOnce() -> Place) -> bool {
        let has_room = match row {
            Some(_) => !self.is_full(),
            None => self.passed < self.passed_max,
        };
        if has_room {
            self.place = Some(place());
            match row {
                Some(row) => self.rows.push(row),
                None => self.passed += 1,
            }
        }
        has_room
    }
}

impl<'v> Listed<'v> {
    /// A page of at most `limit` streams, and where the next one goes on.
    pub fn page(&self, after: Option<Place>, limit: usize) -> (Vec<&'v Arc<LogStream>>, Option<Place>) {
        self.page_passing(after, limit, PASSED_MAX)
    }

    fn page_passing(
        &self,
        after: Option<Place>,
        rows_max: usize,
        passed_max: usize,
    ) -> (Vec<&'v Arc<LogStream>>, Option<Place>) {
        let mut page = Page {
            rows: Vec::new(),
            rows_max,
            passed: 0,
            passed_max,
            place: after,
        };
        let is_done = match &page.place {
            Some(Place::Silent(_)) => self.add_silent(&mut page),
            _ => self.add_heard(&mut page) && self.add_silent(&mut page),
        };
        let next = page.place.filter(|_| !is_done);
        (page.rows, next)
    }

    /// Whether all of them had room.
    fn add_heard(&self, page: &mut Page<'v>) -> bool {
        loop {
            let after = match &page.place {
                Some(Place::Heard(last)) => Some(last),
                _ => None,
            };
            // One more than there is room for: whether there is a next page.
            let wanted = page.rows_max.saturating_sub(page.rows.len()) + 1;
            let found = self.logs.by_last_event(&self.stored, after, self.order, wanted);
            let is_end = found.len() < wanted;
            for last in found {
                if !page.take(self.row(&last.stream), || Place::Heard(last)) {
                    return false;
                }
            }
            if is_end {
                return true;
            }
        }
    }

    /// The row of a stream; `None` if it was removed and its events are about to go.
    fn row(&self, stream: &StreamId) -> Option<&'v Arc<LogStream>> {
        let (name, _) = stream.as_str().split_once(':')?;
        let key = LogStream::key_of(&self.group.region, &self.group.name, name);
        let row = self.view.logs.streams.get(&key);
        row.filter(|row| row.is_stored_as(stream.as_str()))
    }

    /// Whether all of them had room.
    fn add_silent(&self, page: &mut Page<'v>) -> bool {
        let key_of = |name: &str| LogStream::key_of(&self.group.region, &self.group.name, name);
        let prefix = key_of("");
        let after = match &page.place {
            Some(Place::Silent(name)) => Some(key_of(name)),
            _ => None,
        };
        let table = &self.view.logs.streams;
        let mut add = |row: &'v Arc<LogStream>| {
            let is_silent = self.logs.stream(&self.stored, &row.stored_as()).is_none();
            page.take(Some(row).filter(|_| is_silent), || {
                Place::Silent(row.name.clone())
            })
        };
        match self.order {
            Order::OldestFirst => table.after(&prefix, after.as_deref()).all(|(_, row)| add(row)),
            Order::NewestFirst => table.before(&prefix, after.as_deref()).all(|(_, row)| add(row)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use portcullis_core::{AccountId, FixedClock, Region};
    use portcullis_logs::{InputEvent, Options};
    use proptest::prelude::{Strategy, prop, prop_assert_eq, proptest};
    use proptest::test_runner::Config;

    use super::*;

    const DAY: i64 = 86_400_000;
    const NOW: i64 = 1_000 * DAY;
    const NAMES: [&str; 5] = ["a", "a-b", "a0", "b", "z"];

    struct Room {
        view: Snapshot,
        logs: Logs,
        group: LogGroup,
        runtime: tokio::runtime::Runtime,
    }

    /// What happens to a stream: it is made, written to, removed from the picture alone.
    #[derive(Debug, Clone)]
    enum Step {
        Make(&'static str),
        Write(&'static str, i64),
        Remove(&'static str),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = (0..3_u8, 0..NAMES.len(), 0..20_i64).prop_map(|(what, name, hours)| match what {
            0 => Step::Make(NAMES[name]),
            1 => Step::Write(NAMES[name], NOW - hours * DAY / 10),
            _ => Step::Remove(NAMES[name]),
        });
        prop::collection::vec(step, 0..30)
    }

    impl Room {
        fn new() -> Self {
            let account: AccountId = "123456789012".parse().unwrap();
            let clock = FixedClock::at(Timestamp::from_millis(NOW));
            let room = Self {
                view: Snapshot::empty(account),
                logs: Logs::in_memory(Arc::new(clock), Options::default()),
                group: LogGroup {
                    id: "one".to_owned(),
                    region: region(),
                    name: "group".to_owned(),
                    class: crate::world::records::logs::LogGroupClass::Standard,
                    created: Timestamp::default(),
                    retention_days: Some(1),
                    is_protected: false,
                    kms_key: None,
                    has_sealed_events: false,
                    tags: portcullis_core::Tags::default(),
                },
                runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            };
            let stored = room.stored();
            let retained = room.logs.retain(&stored, Some(1));
            room.runtime.block_on(retained).unwrap();
            room
        }

        fn stored(&self) -> GroupId {
            self.group.stored_as(&self.view.account)
        }

        fn stream(&self, name: &str) -> Option<Arc<LogStream>> {
            let key = LogStream::key_of(&region(), "group", name);
            self.view.logs.streams.get(&key).cloned()
        }

        fn take(&mut self, number: usize, step: &Step) {
            match step {
                Step::Make(name) => self.view.keep(LogStream {
                    id: number.to_string(),
                    region: region(),
                    group: "group".to_owned(),
                    name: (*name).to_owned(),
                    created: Timestamp::default(),
                }),
                Step::Remove(name) => {
                    let mut rest = Snapshot::empty(self.view.account.clone());
                    let others = self.view.logs.streams.iter().map(|(_, row)| row);
                    for row in others.filter(|row| row.name != *name) {
                        rest.keep(LogStream::clone(row));
                    }
                    self.view = rest;
                }
                Step::Write(name, time) => {
                    let Some(stream) = self.stream(name) else { return };
                    let event = InputEvent {
                        timestamp: Timestamp::from_millis(*time),
                        message: "x".to_owned(),
                    };
                    let appended = self.logs.append(&self.stored(), &stream.stored_as(), vec![event]);
                    self.runtime.block_on(appended).unwrap();
                }
            }
        }

        /// All streams looked at, and sorted.
        fn naive(&self, order: Order) -> Vec<String> {
            let (mut heard, mut silent) = (BTreeMap::new(), Vec::new());
            for (_, row) in self.view.logs.streams.iter() {
                match self.logs.stream(&self.stored(), &row.stored_as()) {
                    None => silent.push(row.name.clone()),
                    Some(summary) => {
                        heard.insert((summary.last_event, row.stored_as()), row.name.clone());
                    }
                }
            }
            let mut names: Vec<_> = heard.into_values().collect();
            silent.sort();
            if order == Order::NewestFirst {
                names.reverse();
                silent.reverse();
            }
            [names, silent].concat()
        }

        fn paged(&self, order: Order, rows_max: usize, passed_max: usize) -> Vec<String> {
            let listed = Listed {
                view: &self.view,
                logs: &self.logs,
                group: &self.group,
                stored: self.stored(),
                order,
            };
            let (mut names, mut after) = (Vec::new(), None);
            loop {
                let (rows, next) = listed.page_passing(after, rows_max, passed_max);
                assert!(rows.len() <= rows_max);
                names.extend(rows.into_iter().map(|row| row.name.clone()));
                let Some(next) = next else { return names };
                after = Place::parse(&next.key());
                assert_eq!(after, Some(next));
            }
        }
    }

    fn region() -> Region {
        "eu-west-1".parse().unwrap()
    }

    proptest! {
        #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]
        #[test]
        fn pages_put_together_are_all_streams_sorted(
            steps in steps(),
            rows_max in 1..6_usize,
            passed_max in 1..6_usize,
        ) {
            let mut room = Room::new();
            for (number, step) in steps.iter().enumerate() {
                room.take(number, step);
            }
            for order in [Order::OldestFirst, Order::NewestFirst] {
                prop_assert_eq!(room.paged(order, rows_max, passed_max), room.naive(order));
            }
        }
    }

    #[test]
    fn a_page_looks_at_so_many_streams_however_many_there_are() {
        let mut room = Room::new();
        for (number, name) in NAMES.iter().enumerate() {
            room.take(number, &Step::Make(name));
            room.take(number, &Step::Write(name, NOW));
        }
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let listed = Listed {
                view: &room.view,
                logs: &room.logs,
                group: &room.group,
                stored: room.stored(),
                order,
            };
            // Those with events come at once.
            let (rows, next) = listed.page_passing(None, 5, 3);
            assert_eq!(rows.len(), 5);
            assert_eq!(next, Some(Place::Silent("a0".to_owned())));
        }
    }
}
