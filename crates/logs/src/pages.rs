//! Pages of GetLogEvents and FilterLogEvents.

use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::items::{Item, Items};
use crate::query::Gap;
use crate::scan::{Picture, Scan};
use crate::sealing::Opener;
use crate::span::Span;
use crate::{
    EVENT_OVERHEAD_BYTES, Event, Filter, FilterToken, Filtered, GroupId, LogsError, Order, PAGE_BYTES_MAX,
    PAGE_EVENTS_MAX, Page, Read, Start, StreamEvent, Streams, Token,
};

/// Bytes of events one FilterLogEvents looks at before it answers with what it has.
const LOOKED_AT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Time after which it does so, too: there are patterns that are slow to evaluate.
const LOOKED_AT_TIME_MAX: Duration = Duration::from_secs(1);

/// Bytes of events a page opens at most, once it has an event: batches that overlap are opened over and over.
const OPENED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// GetLogEvents.
pub(crate) fn read(engine: &Engine, read: &Read, opener: Option<&Opener>) -> Result<Page, LogsError> {
    let (gap, order) = match read.start {
        Start::Head => (None, Order::OldestFirst),
        Start::Tail => (None, Order::NewestFirst),
        Start::Token(Token::Forward(gap)) => (Some(gap), Order::OldestFirst),
        Start::Token(Token::Backward(gap)) => (Some(gap), Order::NewestFirst),
    };
    let mut span = Span::ALL;
    span = read.from.map_or(span, |from| span.from(from));
    span = read.before.map_or(span, |before| span.before(before));
    span = gap.map_or(span, |gap| span.beyond(gap, order));
    let streams = Streams::Named(vec![read.stream.clone()]);
    let mut page = PageEvents::new(read.limit);
    let mut events: Vec<Event> = Vec::new();
    let walk = Walk {
        engine,
        opener,
        group: &read.group,
        streams: &streams,
        span,
        order,
    };
    walk.run(|items, item| {
        let takes = page.takes(items.message(item).len());
        if takes {
            events.push(items.event(item));
        }
        takes
    })?;
    if order == Order::NewestFirst {
        events.reverse();
    }
    let gap = gap.unwrap_or(Gap::FIRST);
    Ok(Page {
        forward: Token::Forward(events.last().map_or(gap, |event| Gap::after(event.key))),
        backward: Token::Backward(events.first().map_or(gap, |event| Gap::before(event.key))),
        events,
    })
}

/// FilterLogEvents.
pub(crate) fn filter(
    engine: &Engine,
    filter: &Filter,
    opener: Option<&Opener>,
) -> Result<Filtered, LogsError> {
    let order = filter.order;
    let mut span = Span::ALL;
    span = filter.from.map_or(span, |from| span.from(from));
    span = filter.until.map_or(span, |until| span.until(until));
    span = filter.token.map_or(span, |token| span.beyond(token.0, order));
    let mut page = PageEvents::new(filter.limit);
    let mut events = Vec::new();
    let (mut looked_at, mut last) = (0, None);
    let began = Instant::now();
    let walk = Walk {
        engine,
        opener,
        group: &filter.group,
        streams: &filter.streams,
        span,
        order,
    };
    let is_end = walk.run(|items, item| {
        let is_enough =
            looked_at >= LOOKED_AT_BYTES_MAX || (last.is_some() && began.elapsed() > LOOKED_AT_TIME_MAX);
        if page.is_full() || is_enough {
            return false;
        }
        let message = items.message(item);
        if filter.pattern.matches(message) {
            let Some(stream) = items.stream(item) else {
                return true;
            };
            if !page.takes(message.len()) {
                return false;
            }
            events.push(StreamEvent {
                stream: stream.clone(),
                event: items.event(item),
            });
        }
        looked_at += message.len() + EVENT_OVERHEAD_BYTES;
        last = Some(item.key);
        true
    })?;
    let gap = last.map(|key| match order {
        Order::OldestFirst => Gap::after(key),
        Order::NewestFirst => Gap::before(key),
    });
    Ok(Filtered {
        events,
        next: gap.filter(|_| !is_end).map(FilterToken),
    })
}

/// How much of a page is taken.
struct PageEvents {
    limit: usize,
    count: usize,
    bytes: usize,
}

impl PageEvents {
    fn new(limit: usize) -> Self {
        Self {
            limit: limit.clamp(1, PAGE_EVENTS_MAX),
            count: 0,
            bytes: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.count >= self.limit
    }

    /// Takes an event if there is room for it; there is always room for one.
    fn takes(&mut self, message_bytes: usize) -> bool {
        let bytes = self.bytes + message_bytes + EVENT_OVERHEAD_BYTES;
        if self.is_full() || (bytes > PAGE_BYTES_MAX && self.count > 0) {
            return false;
        }
        self.count += 1;
        self.bytes = bytes;
        true
    }
}

/// A walk through the events of some streams of a group that are not older than its retention.
struct Walk<'a> {
    engine: &'a Engine,
    opener: Option<&'a Opener>,
    group: &'a GroupId,
    streams: &'a Streams,
    span: Span,
    order: Order,
}

impl Walk<'_> {
    /// Hands over the events until `each` says no; whether it came to the end.
    fn run(&self, each: impl FnMut(&Items, &Item) -> bool) -> Result<bool, LogsError> {
        let engine = self.engine;
        let Some(group) = engine.group(self.group) else {
            return Ok(true);
        };
        let picture = {
            let state = group.read();
            let cutoff = state.cutoff(engine.now());
            let span = cutoff.map_or(self.span, |cutoff| self.span.from(cutoff));
            Picture::of(&state, self.streams.clone(), span)
        };
        let scan = Scan::new(&picture, engine, self.order).opening(OPENED_BYTES_MAX);
        let walked = scan.opened_by(self.opener).run(each);
        // The files of a group that was removed meanwhile are gone, and rightly so.
        match walked {
            Err(_) if group.read().is_gone => Ok(true),
            walked => walked,
        }
    }
}
