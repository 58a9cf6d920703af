//! Log events that last, and the language of filter patterns.
//!
//! [`Logs`] keeps events by group, stream and time: appended to a journal that all groups share, one fsync for many, and put into
//! compressed segments of their group from there (docs/adr/0006-log-segments.md). [`Pattern`] is the language of FilterLogEvents.
//!
//! ```
//! use std::sync::Arc;
//! use portcullis_core::{Clock, SystemClock};
//! use portcullis_logs::{GroupId, InputEvent, Logs, Options, Read, Start, StreamId};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let logs = Logs::in_memory(Arc::new(SystemClock), Options::default());
//! let group = GroupId::new("111122223333", "eu-central-1", "/ecs/web");
//! let stream = StreamId::new("web/app/1");
//! let event = InputEvent { timestamp: SystemClock.now(), message: "started".to_owned() };
//! logs.append(&group, &stream, vec![event]).await?;
//!
//! let page = logs.read(Read { group, stream, from: None, before: None, start: Start::Head, limit: 100 }).await?;
//! assert_eq!(page.events.len(), 1);
//! # Ok::<(), portcullis_logs::LogsError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The code: `writer` takes appends in order and makes them last (`journal`), `keeper` puts them into segments and looks after those
//! (`segment`), `scan` walks through what `group` holds in memory and in segments, `pages` makes answers of it, `open` is the way
//! back from a directory. `sealing` is what is known of events that are kept sealed.

mod batch;
mod cache;
mod chores;
mod codec;
mod engine;
mod error;
mod event;
mod follow;
mod group;
mod group_file;
mod id;
mod items;
mod journal;
mod keeper;
mod logs;
mod open;
mod pages;
pub mod pattern;
mod query;
mod queue;
mod scan;
mod sealing;
mod segment;
mod span;
mod summaries;
mod writer;

pub use error::{LogsError, OpenError};
pub use event::{EVENT_OVERHEAD_BYTES, Event, EventKey, InputEvent, StreamEvent};
pub use follow::{Followed, Follower, Live, LiveEvent};
pub use id::{GroupId, StreamId};
pub use logs::{Logs, Options};
pub use pattern::{Pattern, PatternError};
pub use query::{
    Appended, Filter, FilterToken, Filtered, Gap, InvalidToken, LastEvent, Order, PAGE_BYTES_MAX,
    PAGE_EVENTS_MAX, Page, Read, Start, StreamSummary, Streams, Token,
};
pub use sealing::{Opener, Seal};
