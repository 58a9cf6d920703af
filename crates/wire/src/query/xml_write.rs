//! Writing the XML of answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use portcullis_core::Timestamp;
use serde_json::Value;

use crate::schema::{List, Map, Schema, Structure};
use crate::writer::Writer;

/// Prints elements as they come; the root structure prints its members only, its element is the caller's.
#[derive(Default)]
pub(crate) struct XmlWriter {
    out: String,
    open: Vec<Open>,
}

/// A container that is being printed.
struct Open {
    kind: Kind,
    /// The element to close at its end; flattened lists and maps have none, nor has the root.
    element: Option<&'static str>,
}

/// What a container is, and what its next value is called.
#[derive(Clone, Copy)]
enum Kind {
    Structure {
        schema: &'static Structure,
        next: usize,
    },
    List {
        list: &'static List,
        element: &'static str,
    },
    Map {
        map: &'static Map,
        entry: &'static str,
    },
    /// Something its schema does not describe; generated code never gets here.
    Unknown,
}

impl XmlWriter {
    /// The text written.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Element and schema of the value that comes next.
    fn next(&self) -> Option<(&'static str, &'static Schema)> {
        match self.open.last()?.kind {
            Kind::Structure { schema, next } => schema.members.get(next).map(|m| (m.xml_name, m.schema)),
            Kind::List { list, element } => Some((element, list.member)),
            Kind::Map { map, .. } => Some((map.value_name, map.value)),
            Kind::Unknown => None,
        }
    }

    fn open_tag(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn close_tag(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    fn begin(&mut self, kind: Kind, element: Option<&'static str>) {
        if let Some(element) = element {
            self.open_tag(element);
        }
        self.open.push(Open { kind, element });
    }

    fn end(&mut self) {
        if let Some(element) = self.open.pop().and_then(|open| open.element) {
            self.close_tag(element);
        }
        self.after_value();
    }

    /// A value of a map closes its entry.
    fn after_value(&mut self) {
        if let Some(Open {
            kind: Kind::Map { entry, .. },
            ..
        }) = self.open.last()
        {
            self.close_tag(entry);
        }
    }

    fn scalar(&mut self, text: &str) {
        if let Some((element, _)) = self.next() {
            self.open_tag(element);
            escape(&mut self.out, text);
            self.close_tag(element);
        }
        self.after_value();
    }
}

impl Writer for XmlWriter {
    fn begin_structure(&mut self, schema: &'static Structure) {
        let element = self.next().map(|(element, _)| element);
        self.begin(Kind::Structure { schema, next: 0 }, element);
    }

    fn member(&mut self, index: usize) {
        if let Some(Open {
            kind: Kind::Structure { next, .. },
            ..
        }) = self.open.last_mut()
        {
            *next = index;
        }
    }

    fn end_structure(&mut self) {
        self.end();
    }

    fn begin_list(&mut self) {
        match self.next() {
            Some((name, Schema::List(list))) if list.flattened => {
                self.begin(Kind::List { list, element: name }, None);
            }
            Some((name, Schema::List(list))) => {
                self.begin(
                    Kind::List {
                        list,
                        element: list.member_name,
                    },
                    Some(name),
                );
            }
            _ => self.begin(Kind::Unknown, None),
        }
    }

    fn end_list(&mut self) {
        self.end();
    }

    fn begin_map(&mut self) {
        match self.next() {
            Some((name, Schema::Map(map))) if map.flattened => {
                self.begin(Kind::Map { map, entry: name }, None)
            }
            Some((name, Schema::Map(map))) => self.begin(Kind::Map { map, entry: "entry" }, Some(name)),
            _ => self.begin(Kind::Unknown, None),
        }
    }

    fn key(&mut self, key: &str) {
        if let Some(Open {
            kind: Kind::Map { map, entry },
            ..
        }) = self.open.last()
        {
            let (map, entry) = (*map, *entry);
            self.open_tag(entry);
            self.open_tag(map.key_name);
            escape(&mut self.out, key);
            self.close_tag(map.key_name);
        }
    }

    fn end_map(&mut self) {
        self.end();
    }

    fn string(&mut self, value: &str) {
        self.scalar(value);
    }

    fn boolean(&mut self, value: bool) {
        self.scalar(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.scalar(&value.to_string());
    }

    fn double(&mut self, value: f64) {
        self.scalar(&double_text(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.scalar(&timestamp_text(value));
    }

    fn blob(&mut self, value: &[u8]) {
        self.scalar(&BASE64.encode(value));
    }

    fn document(&mut self, value: &Value) {
        self.scalar(&value.to_string());
    }
}

/// A double in the words of XML Schema.
pub(super) fn double_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 {
            "Infinity".to_owned()
        } else {
            "-Infinity".to_owned()
        }
    } else {
        value.to_string()
    }
}

/// ISO 8601; milliseconds only where there are any, as AWS prints them.
pub(super) fn timestamp_text(value: Timestamp) -> String {
    match value.as_millis().rem_euclid(1000) {
        0 => value.to_iso(),
        millis => value.format(&format!("%Y-%m-%dT%H:%M:%S.{millis:03}Z")),
    }
}

/// Appends text as character data; what XML 1.0 cannot hold becomes the replacement character.
pub(crate) fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    // Runs of ordinary characters are nearly all of every answer: copied whole.
    while let Some((run, special)) = rest.find(is_special).and_then(|at| rest.split_at_checked(at)) {
        out.push_str(run);
        let mut characters = special.chars();
        match characters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            Some('\r') => out.push_str("&#xD;"),
            _ => out.push('\u{fffd}'),
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

fn is_special(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        '&' | '<' | '>' | '"' | '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => true,
        _ => false,
    }
}
