//! A stream of CloudWatch Logs, named as the session. Events are whole lines, unless a line is longer than an event.

use portcullis_api::logs as api;
use portcullis_api::logs::op::{CreateLogStream, DescribeLogGroups, PutLogEvents};
use portcullis_wire::session::document::SessionInputs;

use super::Scribe;
use crate::plane::CallError;

/// Bytes of the terminal in an event. What is no text takes up to three times as much, and an event may have 256 KiB.
const EVENT_BYTES_MAX: usize = 64 * 1024;
const SIGNING_NAME: &str = "logs";
/// AWS's words.
const NOT_ENCRYPTED: &str = "We couldn't start the session because encryption is not set up on the selected CloudWatch Logs log \
                             group. Either encrypt the log group or choose an option to enable logging without encryption.";

/// What is not written yet, and where it goes.
#[derive(Debug)]
pub(super) struct LogStream {
    group: String,
    region: String,
    name: String,
    waiting: Vec<u8>,
}

impl LogStream {
    /// Makes the stream. Its group must be there, and have a key if that is asked for.
    pub(super) async fn open(
        scribe: &mut Scribe,
        inputs: &SessionInputs,
        session: &str,
    ) -> Result<Self, String> {
        let own = scribe.parts.plane.region();
        let stream = Self {
            group: inputs.cloud_watch_log_group_name.clone(),
            region: inputs
                .cloud_watch_region
                .clone()
                .unwrap_or_else(|| own.to_owned()),
            name: session.to_owned(),
            waiting: Vec::new(),
        };
        let failed = |problem: String| {
            format!(
                "Couldn't start the session because its log cannot be written to the log group {}: {problem}",
                inputs.cloud_watch_log_group_name
            )
        };
        let group = stream.find(scribe).await.map_err(failed)?;
        let is_encrypted = group.as_ref().is_some_and(|group| group.kms_key_id.is_some());
        if inputs.cloud_watch_encryption_enabled && !is_encrypted {
            return Err(NOT_ENCRYPTED.to_owned());
        }
        if group.is_none() {
            return Err(failed("it does not exist".to_owned()));
        }
        stream.create(scribe).await.map_err(failed)?;
        Ok(stream)
    }

    /// The group's own name comes before the others that begin with it.
    async fn find(&self, scribe: &mut Scribe) -> Result<Option<api::LogGroup>, String> {
        let input = api::DescribeLogGroupsRequest {
            log_group_name_prefix: Some(self.group.clone()),
            ..Default::default()
        };
        let found = scribe
            .call::<DescribeLogGroups>(SIGNING_NAME, &self.region, &input)
            .await;
        let found = found.map_err(|error| error.to_string())?;
        let mut groups = found.log_groups.into_iter().flatten();
        Ok(groups.find(|group| group.log_group_name.as_deref() == Some(&self.group)))
    }

    async fn create(&self, scribe: &mut Scribe) -> Result<(), String> {
        let input = api::CreateLogStreamRequest {
            log_group_name: self.group.clone(),
            log_stream_name: self.name.clone(),
        };
        let created = scribe
            .call::<CreateLogStream>(SIGNING_NAME, &self.region, &input)
            .await;
        match created {
            Ok(_) => Ok(()),
            // The answer to an earlier try was lost.
            Err(CallError::Refused(error)) if error.code() == "ResourceAlreadyExistsException" => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Keeps it for the next event.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.waiting.extend_from_slice(piece);
    }

    /// Whether there is more than an event.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= EVENT_BYTES_MAX
    }

    /// Writes what there is; of the last line only when it is the end.
    pub(super) async fn flush(&mut self, scribe: &mut Scribe, is_end: bool) -> Result<(), String> {
        loop {
            let length = event_length(&self.waiting, is_end);
            if length == 0 {
                return Ok(());
            }
            let event: Vec<u8> = self.waiting.drain(..length).collect();
            self.put(scribe, message(&event)).await?;
        }
    }

    async fn put(&self, scribe: &mut Scribe, message: String) -> Result<(), String> {
        let timestamp = scribe.parts.clock.now().as_millis();
        let input = api::PutLogEventsRequest {
            log_group_name: self.group.clone(),
            log_stream_name: self.name.clone(),
            log_events: vec![api::InputLogEvent { timestamp, message }],
            ..Default::default()
        };
        let put = scribe
            .call::<PutLogEvents>(SIGNING_NAME, &self.region, &input)
            .await;
        let failed = |problem: &str| format!("the log group {} does not take the log: {problem}", self.group);
        let put = put.map_err(|error| failed(&error.to_string()))?;
        match put.rejected_log_events_info {
            None => Ok(()),
            Some(_) => Err(failed("an event was rejected for its time")),
        }
    }
}

/// How many of these bytes are the next event: up to the end of a line, if there is one.
fn event_length(waiting: &[u8], is_end: bool) -> usize {
    let window = waiting.get(..EVENT_BYTES_MAX).unwrap_or(waiting);
    let is_all = window.len() == waiting.len();
    if is_all && is_end {
        return waiting.len();
    }
    if let Some(at) = window.iter().rposition(|byte| *byte == b'\n') {
        return at + 1;
    }
    match is_all && window.len() < EVENT_BYTES_MAX {
        true => 0,
        // In the middle of a line, but not of a letter.
        false => {
            let starts = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
            let tail = window.iter().rev().take(4).position(starts).unwrap_or_default();
            window.len() - 1 - tail
        }
    }
}

/// As a log shows lines: without the terminal's returns, and without the end of the last line.
fn message(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    match text.strip_suffix('\n') {
        Some(line) if !line.is_empty() => line.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_whole_lines_while_lines_are_short() {
        for (waiting, is_end, length) in [
            (&b""[..], true, 0),
            (b"pass", false, 0),
            (b"pass", true, 4),
            (b"one\r\ntwo\r\nthr", false, 10),
            (b"one\r\ntwo\r\nthr", true, 13),
            (b"\n", false, 1),
        ] {
            assert_eq!(event_length(waiting, is_end), length, "{waiting:?} {is_end}");
        }
    }

    #[test]
    fn a_long_line_is_cut_between_letters() {
        let mut line = vec![b'x'; EVENT_BYTES_MAX - 2];
        line.extend("\u{20ac}uro".bytes());
        for is_end in [false, true] {
            let first = event_length(&line, is_end);
            assert_eq!(first, EVENT_BYTES_MAX - 2);
        }
        let noise = vec![0x80; EVENT_BYTES_MAX + 1];
        assert_eq!(event_length(&noise, false), EVENT_BYTES_MAX - 1);
        assert!(message(&noise).len() < 256 * 1024 - 26);
        let mut lines = vec![b'y'; EVENT_BYTES_MAX - 10];
        lines.extend(b"\nrest of a line");
        assert_eq!(event_length(&lines, true), EVENT_BYTES_MAX - 9);
    }

    #[test]
    fn a_message_is_text_without_returns() {
        for (bytes, text) in [
            (&b"a\r\nb\r\n"[..], "a\nb"),
            (b"a", "a"),
            (b"\n", "\n"),
            (b"\xff\r", "\u{fffd}\r"),
        ] {
            assert_eq!(message(bytes), text);
        }
    }
}
