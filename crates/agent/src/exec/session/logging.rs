//! The session's end of its log. What is shown waits for the log, but not for ever; meanwhile the session hears its client
//! and its channel.

use std::time::Duration;

use portcullis_wire::session::document::SessionOrder;
use tokio::time::{Instant, interval, timeout, timeout_at};

use super::super::log::{self, SessionLog};
use super::super::presence;
use super::{End, Session, TICK};

/// How long a log that nobody demanded may keep the session waiting.
const OPTIONAL: Duration = Duration::from_secs(10);
/// How long one that was demanded may.
const DEMANDED: Duration = Duration::from_secs(60);

/// What the terminal shows, not in the log yet.
pub(super) struct Shown {
    pub(super) output: Vec<u8>,
    until: Instant,
    patience: Duration,
}

/// Hands it to the log, if there is one. May be given up and done again without a loss.
pub(super) async fn note(log: &mut Option<SessionLog>, shown: Option<&Shown>) -> Result<(), String> {
    let (Some(log), Some(shown)) = (log, shown) else {
        return Ok(());
    };
    let noted = timeout_at(shown.until, log.note(&shown.output)).await;
    noted.unwrap_or_else(|_| Err(stalled(shown.patience)))
}

fn stalled(patience: Duration) -> String {
    format!("it has taken nothing for {} s", patience.as_secs())
}

impl Session<'_> {
    fn patience(&self) -> Duration {
        match self.log_is_optional {
            true => OPTIONAL,
            false => DEMANDED,
        }
    }

    /// What was shown now.
    pub(super) fn shown(&self, output: Vec<u8>) -> Shown {
        let patience = self.patience();
        Shown {
            output,
            until: Instant::now() + patience,
            patience,
        }
    }

    /// From now on there is no log: the end of a session that demanded one, words for the terminal of another.
    pub(super) fn without_log(&mut self, problem: &str) -> Result<Vec<u8>, End> {
        self.log = None;
        match self.log_is_optional {
            true => Ok(format!("\r\nThis session is not logged any more: {problem}\r\n").into_bytes()),
            false => Err(End::Done(format!(
                "The session was ended because its log cannot be written: {problem}"
            ))),
        }
    }

    /// Why the log is not whole, to be told.
    pub(super) async fn finish_log(&mut self) -> Option<String> {
        let problem = self.log.take()?.finish().await.err()?;
        (!self.log_is_optional).then(|| format!("The session's log is not whole: {problem}"))
    }

    /// A log that was demanded and cannot be written is the session's end; of another the person is told.
    pub(super) async fn open_log(&mut self, order: &SessionOrder) -> Result<Option<String>, End> {
        let problem = match self.opened_log(order).await? {
            Ok(log) => {
                self.log = log;
                return Ok(None);
            }
            Err(problem) => problem,
        };
        tracing::warn!(session = order.session_id, problem, "a session has no log");
        match self.log_is_optional {
            true => Ok(Some(format!("This session is not logged. {problem}"))),
            false => Err(End::Done(problem)),
        }
    }

    /// Opens it, unless the session ends before.
    async fn opened_log(&mut self, order: &SessionOrder) -> Result<Result<Option<SessionLog>, String>, End> {
        let patience = self.patience();
        let opening = timeout(patience, log::open(self.parts, self.place, order));
        tokio::pin!(opening);
        let mut tick = interval(TICK);
        loop {
            tokio::select! {
                opened = &mut opening => return Ok(opened.unwrap_or_else(|_| {
                    let problem = stalled(patience);
                    Err(format!("Couldn't start the session because its log cannot be written: {problem}"))
                })),
                // Nobody reads yet what is typed: without its receipt it comes again.
                message = presence::next(&mut self.socket, &mut self.pulse) => {
                    self.taken(message, false).await?;
                }
                _ = tick.tick() => self.tick().await?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_log_that_takes_nothing_is_waited_for_until_the_deadline_however_often_it_is_asked() {
        let (log, mut given) = SessionLog::stalled();
        let mut log = Some(log);
        let shown = |output: &[u8]| Shown {
            output: output.to_vec(),
            until: Instant::now() + OPTIONAL,
            patience: OPTIONAL,
        };
        note(&mut log, Some(&shown(b"first"))).await.unwrap();
        let (begun, second) = (Instant::now(), shown(b"second"));
        for _ in 0..50 {
            assert!(timeout(TICK, note(&mut log, Some(&second))).await.is_err());
        }
        let stalled = note(&mut log, Some(&second)).await.unwrap_err();
        assert_eq!(stalled, "it has taken nothing for 10 s");
        assert_eq!(begun.elapsed(), OPTIONAL);
        assert_eq!(given.recv().await.unwrap(), b"first");
        note(&mut log, Some(&shown(b"third"))).await.unwrap();
        assert_eq!(
            given.recv().await.unwrap(),
            b"third",
            "what was given up is not there"
        );
        note(&mut None, Some(&second)).await.unwrap();
    }
}
