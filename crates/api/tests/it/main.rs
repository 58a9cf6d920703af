//! The generated shapes through the codecs.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod arbitrary;
mod ec2;
mod requests;
mod round_trip;
mod routing;
mod tables;
