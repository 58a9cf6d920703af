//! `portcullis audit`: who fetched credentials on which host, beside what was called with them.

mod line;
mod sources;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use portcullis_core::{Clock as _, SystemClock, Timestamp};

use crate::connection::Connection;
use crate::printable::printable;
use crate::say;
use sources::{Entry, Missing, Sources};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Agents and disks may be late by so much, in seconds: what came in the meantime is looked at again.
const LATE_SECONDS: i64 = 90;

/// Show who fetched credentials on which host, beside the calls CloudTrail has, in the order of their times.
///
/// Fetches come from the agents' audit logs, which agents of Portcullis ship to the server. The caller needs
/// portcullis:ReadAuditLog on the cluster, or on cluster/* of the region without --cluster, and cloudtrail:LookupEvents for
/// the calls; without the latter only fetches are shown.
///
/// Ends with 0 at the end, 1 when the server refuses, 2 when it cannot be asked.
#[derive(Debug, Args)]
pub struct Options {
    /// Only this task: its id or ARN; of the calls, those its role made
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Only fetches on hosts of this cluster, and the calls of the tasks that made them
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// From when on: a time such as 2026-11-22T07:00:00Z, or how long ago, such as 90s, 15m, 2h, 7d
    #[arg(long, value_name = "TIME", default_value = "1h")]
    since: String,
    /// Go on with what happens next
    #[arg(long, short)]
    follow: bool,
    /// Leave the calls of CloudTrail out
    #[arg(long)]
    fetches_only: bool,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub async fn run(options: Options) -> Result<ExitCode> {
    let since = moment(&options.since, SystemClock.now())?;
    let mut sources = Sources::new(
        options.connection.client()?,
        options.cluster.as_deref(),
        options.task.as_deref(),
        !options.fetches_only,
    );
    let mut shown = Shown::default();
    let mut is_empty = true;
    let mut from = since;
    loop {
        let looked = tokio::select! {
            looked = sources.since(from) => looked?,
            interrupted = crate::interrupted() => {
                interrupted?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let entries = match looked {
            Ok(entries) => entries,
            Err(Missing(why)) => {
                crate::complain(&format!("portcullis: {why}"));
                return Ok(ExitCode::from(1));
            }
        };
        for entry in shown.news(entries) {
            is_empty = false;
            say(&if options.json {
                entry.json()
            } else {
                line::of(&entry)
            });
        }
        if !options.follow {
            if is_empty {
                crate::complain(&options.nothing_found());
            }
            return Ok(ExitCode::SUCCESS);
        }
        from = since.max(SystemClock.now().plus_seconds(-LATE_SECONDS));
        shown.forget_before(from);
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            interrupted = crate::interrupted() => {
                interrupted?;
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

impl Options {
    fn nothing_found(&self) -> String {
        let asked = [("task", &self.task), ("cluster", &self.cluster)];
        let asked = asked.iter().filter_map(|(kind, name)| {
            let name = name.as_deref()?;
            Some(format!(" for {kind} `{}`", printable(name)))
        });
        let asked = asked.collect::<String>();
        format!(
            "portcullis: nothing found{asked} since {}",
            printable(&self.since)
        )
    }
}

/// What was printed already.
#[derive(Default)]
struct Shown(BTreeMap<String, Timestamp>);

impl Shown {
    /// What was not, in the order of the times; within a second as it came.
    fn news(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut news: Vec<_> = entries
            .into_iter()
            .filter(|entry| self.0.insert(entry.id.clone(), entry.at).is_none())
            .collect();
        news.sort_by_key(|entry| entry.at);
        news
    }

    fn forget_before(&mut self, time: Timestamp) {
        // A second more: times are whole seconds.
        let time = time.plus_seconds(-2);
        self.0.retain(|_, at| *at >= time);
    }
}

/// A time, or how long ago.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    let number = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = match text.strip_prefix(number) {
        Some("s") => Some(1),
        Some("m") => Some(60),
        Some("h") => Some(60 * 60),
        Some("d") => Some(24 * 60 * 60),
        _ => None,
    };
    if let (Some(unit), Ok(count)) = (unit, number.parse::<u32>()) {
        return Ok(now.plus_seconds(-i64::from(count).saturating_mul(unit)));
    }
    match text.parse() {
        Ok(time) if text.contains('T') => Ok(time),
        _ => bail!("`{text}` is neither a time such as 2026-11-22T07:00:00Z nor how long ago, such as 15m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let read = |text| moment(text, now).ok().map(Timestamp::to_iso);
        for (text, time) in [
            ("2026-11-22T07:00:00Z", "2026-11-22T07:00:00Z"),
            ("90s", "2026-11-22T09:58:30Z"),
            ("15m", "2026-11-22T09:45:00Z"),
            ("2h", "2026-11-22T08:00:00Z"),
            ("7d", "2026-11-15T10:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(time), "{text}");
        }
        for bad in ["", "yesterday", "5", "-1h", "h", "1w"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_entry_is_shown_once_and_in_order() {
        let entry = |id: &str, seconds| Entry {
            id: id.into(),
            at: Timestamp::from_seconds(seconds),
            what: serde_json::Value::Null,
            is_fetch: true,
        };
        let ids = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.id).collect::<Vec<_>>();
        let mut shown = Shown::default();
        let first = shown.news(vec![entry("c2", 20), entry("b", 20), entry("a", 10)]);
        assert_eq!(ids(first), ["a", "c2", "b"]);
        shown.forget_before(Timestamp::from_seconds(15));
        let next = shown.news(vec![entry("b", 20), entry("c", 5)]);
        assert_eq!(ids(next), ["c"]);
    }
}
