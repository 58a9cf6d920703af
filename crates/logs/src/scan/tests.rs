use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_core::{FixedClock, Timestamp};

use super::*;
use crate::batch::Packed;
use crate::segment::{Name, Place, SegmentWriter};
use crate::{EventKey, InputEvent, Options};

const BATCHES: u64 = 100;
const BATCH_BYTES: usize = 1100;

fn engine(walk_bytes: usize) -> Engine {
    let options = Options {
        walk_bytes,
        ..Options::default()
    };
    let clock = Arc::new(FixedClock::at(Timestamp::from_millis(0)));
    Engine::new(None, options, clock)
}

fn sealed(first_sequence: u64, times: &[i64]) -> Arc<Batch> {
    let events = times.iter().map(|time| InputEvent {
        timestamp: Timestamp::from_millis(*time),
        message: "x".repeat(1000 / times.len()),
    });
    let packed = Packed::new(events.collect()).unwrap();
    Arc::new(Batch {
        stream: StreamId::new("a"),
        ingestion_time: Timestamp::from_millis(0),
        first_sequence,
        packed: packed.sealed(&|clear| Ok(clear.to_vec())).unwrap(),
    })
}

fn picture(batches: Vec<Arc<Batch>>) -> Picture {
    Picture {
        batches,
        segments: Vec::new(),
        removed: Arc::default(),
        streams: Streams::All,
        span: Span::ALL,
        has_sealed: true,
    }
}

fn opener() -> (Opener, Arc<AtomicUsize>) {
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let opener = Opener::new(move |_, sealed| {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(sealed.to_vec())
    });
    (opener, opened)
}

#[test]
fn sealed_batches_of_one_moment_are_opened_one_after_the_other() {
    let engine = engine(usize::MAX);
    let picture = picture(
        (0..BATCHES)
            .map(|number| sealed(1 + number * 2, &[5, 5]))
            .collect(),
    );
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let (opener, opened) = opener();
        let mut scan = Scan::new(&picture, &engine, order).opened_by(Some(&opener));
        let mut seen = Vec::new();
        let is_end = scan.run(|_, item| {
            seen.push(item.key.sequence);
            seen.len() < 3
        });
        assert_eq!(is_end, Ok(false));
        assert_eq!(opened.load(Ordering::Relaxed), 2, "{order:?} {seen:?}");
        assert!(scan.most_open_bytes < 2 * BATCH_BYTES);
    }
}

#[test]
fn batches_that_overlap_are_closed_and_opened_again_when_too_much_is_open() {
    let limit = 5 * BATCH_BYTES;
    let engine = engine(limit);
    let batch = |number: u64| {
        let time = number.cast_signed();
        sealed(1 + number * 2, &[time, 1000 - time])
    };
    let mut picture = picture((0..BATCHES).map(batch).collect());
    let (opener, _) = opener();
    let walked = |picture: &Picture, order| {
        let mut scan = Scan::new(picture, &engine, order).opened_by(Some(&opener));
        let mut seen = Vec::new();
        let is_end = scan.run(|_, item| {
            seen.push(item.key);
            true
        });
        assert_eq!(is_end, Ok(true));
        assert!(
            scan.most_open_bytes <= limit + BATCH_BYTES,
            "{}",
            scan.most_open_bytes
        );
        assert_eq!(scan.open_bytes, 0);
        seen
    };
    let mut seen = walked(&picture, Order::OldestFirst);
    assert_eq!(seen.len(), 2 * usize::try_from(BATCHES).unwrap());
    assert!(seen.is_sorted());
    seen.reverse();
    assert_eq!(walked(&picture, Order::NewestFirst), seen);
    // Where all of them come up before the first event: a page that goes on in their midst.
    picture.span = Span::ALL.from(Timestamp::from_millis(500));
    assert_eq!(walked(&picture, Order::OldestFirst).len(), 100);
}

#[test]
fn a_walk_that_opened_enough_ends_but_has_an_event() {
    let engine = engine(0);
    let picture = picture(
        (0..BATCHES)
            .map(|number| sealed(1 + number * 2, &[0, 9]))
            .collect(),
    );
    let (opener, _) = opener();
    let mut scan = Scan::new(&picture, &engine, Order::OldestFirst)
        .opened_by(Some(&opener))
        .opening(BATCH_BYTES / 2);
    let mut count = 0;
    let is_end = scan.run(|_, _| {
        count += 1;
        true
    });
    assert_eq!((is_end, count), (Ok(false), 1));
}

#[test]
fn blocks_of_one_stream_and_moment_are_opened_one_after_the_other() {
    const BLOCK_BYTES: usize = 32 * 1024;
    let mut writer = SegmentWriter::new(Vec::new());
    let (time, message) = (Timestamp::from_millis(7), "x".repeat(1000));
    for sequence in 1..=1000 {
        let key = EventKey {
            timestamp: time,
            sequence,
        };
        writer.push(&StreamId::new("a"), key, time, &message).unwrap();
    }
    let (bytes, index, length) = writer.finish().unwrap();
    assert!(index.blocks.len() > 20);
    let name = Name::parse("0000000000000001-0000000000000001.00000000.seg").unwrap();
    let segment = Segment::new(name, Place::Memory(bytes.into()), &index, length);
    let picture = Picture {
        segments: vec![Arc::new(segment)],
        ..picture(Vec::new())
    };
    let engine = engine(usize::MAX);
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut scan = Scan::new(&picture, &engine, order);
        let mut seen = Vec::new();
        let is_end = scan.run(|_, item| {
            seen.push(item.key.sequence);
            true
        });
        assert_eq!((is_end, seen.len()), (Ok(true), 1000));
        if order == Order::NewestFirst {
            seen.reverse();
        }
        assert!(seen.is_sorted());
        assert!(scan.most_open_bytes < 3 * BLOCK_BYTES, "{}", scan.most_open_bytes);
    }
}
