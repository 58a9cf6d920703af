//! The words every room uses: ARNs, accounts, regions, ids, tags, time, secrets, and the seams for clock and
//! randomness. This crate knows nobody and does no I/O beyond the two seams.
//!
//! ```
//! use portcullis_core::Arn;
//! let arn: Arn = "arn:aws:ecs:us-east-1:123456789012:task/default/0123456789abcdef0123456789abcdef".parse()?;
//! assert_eq!(arn.service(), "ecs");
//! assert_eq!(arn.resource(), "task/default/0123456789abcdef0123456789abcdef");
//! # Ok::<(), portcullis_core::InvalidArn>(())
//! ```

mod account;
mod arn;
mod ids;
mod seams;
mod secret;
mod tags;
mod time;

pub use account::{AccountId, InvalidAccountId, InvalidRegion, Partition, Region};
pub use arn::{Arn, InvalidArn};
pub use ids::{IamIdKind, account_of_key, hex, hex_id, iam_id, secret_access_key, uuid};
pub use seams::{Clock, FixedClock, Random, SeededRandom, SystemClock, SystemRandom};
pub use secret::Secret;
pub use tags::{Tag, Tags};
pub use time::{InvalidTimestamp, Timestamp};
