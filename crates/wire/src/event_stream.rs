//! `application/vnd.amazon.eventstream`: an answer that goes on, as a sequence of messages. Each has its length, its headers
//! and two checksums, so that a reader knows where the next begins and whether it is whole.

use thiserror::Error;

/// The media type of such an answer.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Total length, length of the headers, and their checksum, in bytes.
const PRELUDE_BYTES: usize = 12;
/// Prelude and the checksum at the end, in bytes.
const OVERHEAD_BYTES: usize = PRELUDE_BYTES + 4;
/// Largest message in bytes: headers up to 128 KiB and a payload up to 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024 + 128 * 1024 + OVERHEAD_BYTES;
/// The type of a header whose value is text: the only one our services use.
const TEXT: u8 = 7;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Names and values, all of them texts.
    pub headers: Vec<(String, String)>,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// The lengths do not go together, or are over the limit.
    #[error("the lengths of the message do not go together")]
    Length,
    /// A checksum does not fit.
    #[error("the message is damaged: its checksum does not fit")]
    Checksum,
    /// A header that cannot be read, or is not text.
    #[error("a header of the message cannot be read")]
    Header,
}

impl Message {
    /// The first message of an answer in AWS JSON: the members outside the stream, of which there are none.
    pub fn initial_response() -> Self {
        Self::event("initial-response", b"{}".to_vec())
    }

    /// An event of a stream, its members in JSON.
    pub fn event(kind: &str, payload: Vec<u8>) -> Self {
        Self::of(":event-type", kind, "event", payload)
    }

    /// An error that ends a stream, as the model names it.
    pub fn exception(kind: &str, payload: Vec<u8>) -> Self {
        Self::of(":exception-type", kind, "exception", payload)
    }

    fn of(naming: &str, kind: &str, message_type: &str, payload: Vec<u8>) -> Self {
        let headers = [
            (naming, kind),
            (":content-type", "application/json"),
            (":message-type", message_type),
        ];
        let owned = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            headers: owned.to_vec(),
            payload,
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Its bytes. Names over 255 bytes and values over 65,535 are cut off; ours are short.
    pub fn encode(&self) -> Vec<u8> {
        let mut headers = Vec::new();
        for (name, value) in &self.headers {
            let name = name.get(..name.floor_char_boundary(255)).unwrap_or(name);
            let value = value.get(..value.floor_char_boundary(65_535)).unwrap_or(value);
            headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            headers.extend_from_slice(name.as_bytes());
            headers.push(TEXT);
            headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
            headers.extend_from_slice(value.as_bytes());
        }
        let total = OVERHEAD_BYTES + headers.len() + self.payload.len();
        let mut bytes = Vec::with_capacity(total);
        bytes.extend_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(headers.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend_from_slice(&headers);
        bytes.extend_from_slice(&self.payload);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    /// The first message of some bytes and how many it took; `None` when it is not there as a whole yet.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, MessageError> {
        let Some(prelude) = bytes.get(..PRELUDE_BYTES) else {
            return Ok(None);
        };
        if number(prelude, 8) != Some(crc32fast::hash(prelude.get(..8).unwrap_or_default())) {
            return Err(MessageError::Checksum);
        }
        let length = |at| number(prelude, at).and_then(|length| usize::try_from(length).ok());
        let (Some(total), Some(headers)) = (length(0), length(4)) else {
            return Err(MessageError::Length);
        };
        if !(OVERHEAD_BYTES..=MESSAGE_BYTES_MAX).contains(&total) || headers > total - OVERHEAD_BYTES {
            return Err(MessageError::Length);
        }
        let Some(message) = bytes.get(..total) else {
            return Ok(None);
        };
        let (rest, checksum) = message.split_at(total - 4);
        if number(checksum, 0) != Some(crc32fast::hash(rest)) {
            return Err(MessageError::Checksum);
        }
        let (headers, payload) = rest.split_at(PRELUDE_BYTES).1.split_at(headers);
        let message = Self {
            headers: read_headers(headers)?,
            payload: payload.to_vec(),
        };
        Ok(Some((message, total)))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*four))
}

fn read_headers(mut bytes: &[u8]) -> Result<Vec<(String, String)>, MessageError> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = read_header(bytes).ok_or(MessageError::Header)?;
        headers.push(header);
        bytes = rest;
    }
    Ok(headers)
}

fn read_header(bytes: &[u8]) -> Option<((String, String), &[u8])> {
    let (length, bytes) = bytes.split_first()?;
    let (name, bytes) = bytes.split_at_checked(usize::from(*length))?;
    let (kind, bytes) = bytes.split_first()?;
    let (length, bytes) = bytes.split_first_chunk::<2>()?;
    let (value, bytes) = bytes.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    (*kind == TEXT).then_some(((text(name)?, text(value)?), bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The message that botocore's own tests have for an event with text headers: bytes made by AWS's encoder.
    #[test]
    fn an_empty_message_is_as_aws_writes_it() {
        let expected = [
            0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff,
        ];
        assert_eq!(Message::default().encode(), expected);
    }

    #[test]
    fn an_event_names_its_kind_and_its_json() {
        let message = Message::event("sessionUpdate", b"{}".to_vec());
        let (read, length) = Message::decode(&message.encode()).unwrap().unwrap();
        assert_eq!((&read, length), (&message, message.encode().len()));
        assert_eq!(read.header(":event-type"), Some("sessionUpdate"));
        assert_eq!(read.header(":message-type"), Some("event"));
        assert_eq!(read.header(":content-type"), Some("application/json"));
        let error = Message::exception("SessionTimeoutException", Vec::new());
        assert_eq!(error.header(":exception-type"), Some("SessionTimeoutException"));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let mut bytes = Message::event("e", b"payload".to_vec()).encode();
        bytes.splice(4..8, u32::MAX.to_be_bytes());
        let sum = crc32fast::hash(&bytes[..8]).to_be_bytes();
        bytes.splice(8..12, sum);
        assert_eq!(Message::decode(&bytes), Err(MessageError::Length));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_no_part_of_it_is(
            headers in proptest::collection::vec(("[a-z:-]{1,30}", ".{0,40}"), 0..5),
            payload in proptest::collection::vec(any::<u8>(), 0..200),
            cut in any::<prop::sample::Index>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let message = Message { headers, payload };
            let mut bytes = message.encode();
            prop_assert_eq!(Message::decode(&bytes), Ok(Some((message, bytes.len()))));
            let cut = cut.index(bytes.len());
            prop_assert_eq!(Message::decode(&bytes[..cut]), Ok(None));
            let flip = flip.index(bytes.len());
            bytes[flip] ^= 0x20;
            prop_assert!(!matches!(Message::decode(&bytes), Ok(Some(_))));
        }
    }
}
