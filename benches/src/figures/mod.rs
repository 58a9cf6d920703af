//! The figures, a file for each group.

pub mod docker;
pub mod durable;
pub mod endpoint;
pub mod identities;
pub mod logs;
pub mod reads;
pub mod records;
pub mod refusals;
pub mod scale;
pub mod secrets;
pub mod start;

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::load::{self, Plan};
use crate::subject::Subject;
use crate::work::Work;

/// Time at the start of a load that does not count.
const WARM_UP: Duration = Duration::from_millis(150);

/// How many connections make objects.
const WRITERS: usize = 20;
/// Longest time to make them.
const FILL_WITHIN: Duration = Duration::from_secs(60);

/// One call over and over, on one connection.
fn plan(subject: &Subject, work: Work, run: Duration) -> Plan {
    Plan {
        address: subject.address,
        key: subject.key.clone(),
        connections: 1,
        work: vec![work],
        unique_requests: 0,
        warm_up: WARM_UP,
        run,
    }
}

/// Makes a call so many times, each about something new.
async fn make(subject: &Subject, work: Work, count: usize) -> Result<()> {
    let plan = Plan {
        connections: WRITERS,
        unique_requests: count / WRITERS,
        warm_up: Duration::ZERO,
        ..plan(subject, work, FILL_WITHIN)
    };
    let outcome = load::run(&plan).await?.all_well()?;
    ensure!(
        outcome.answers == u64::try_from(count)?,
        "{} objects instead of {count} were made",
        outcome.answers
    );
    Ok(())
}
