//! Server-sent events: messages out of a stream of bytes.

/// Longest line, in bytes: events are far shorter. What is longer is left out.
const LINE_MAX: usize = 4 * 1024 * 1024;

/// One message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Where to go on after it.
    pub id: Option<String>,
    /// Its kind; plain messages have none.
    pub event: Option<String>,
    /// What it says.
    pub data: String,
}

/// Puts messages together from bytes as they come.
#[derive(Debug, Default)]
pub struct Messages {
    rest: Vec<u8>,
    message: Message,
    begun: bool,
}

impl Messages {
    /// The messages that are whole with these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut whole = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.rest);
                    whole.extend(self.line(&String::from_utf8_lossy(&line)));
                }
                b'\r' => {}
                byte if self.rest.len() < LINE_MAX => self.rest.push(*byte),
                _ => {}
            }
        }
        whole
    }

    /// An empty line ends a message; a line that begins with a colon says nothing.
    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return std::mem::take(&mut self.begun).then_some(message);
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.message.id = Some(value.to_owned()),
            "event" => self.message.event = Some(value.to_owned()),
            "data" if self.message.data.is_empty() => value.clone_into(&mut self.message.data),
            "data" => {
                self.message.data.push('\n');
                self.message.data.push_str(value);
            }
            _ => return None,
        }
        self.begun = true;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: Option<&str>, event: Option<&str>, data: &str) -> Message {
        Message {
            id: id.map(str::to_owned),
            event: event.map(str::to_owned),
            data: data.to_owned(),
        }
    }

    #[test]
    fn messages_come_whole_however_the_bytes_come() {
        let stream = ": hello\n\nid: 7-1\ndata: {\"a\":1}\n\n:\nid: 7-4\n\nevent: missed\r\ndata: {}\r\n\r\ndata: x\ndata: y\n\ndata: un";
        let wanted = vec![
            message(Some("7-1"), None, "{\"a\":1}"),
            message(Some("7-4"), None, ""),
            message(None, Some("missed"), "{}"),
            message(None, None, "x\ny"),
        ];
        for size in [1, 2, 3, 7, 1_000] {
            let mut messages = Messages::default();
            let got: Vec<_> = stream
                .as_bytes()
                .chunks(size)
                .flat_map(|bytes| messages.take(bytes))
                .collect();
            assert_eq!(got, wanted, "in pieces of {size}");
        }
    }
}
