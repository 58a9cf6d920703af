//! Writing straight into the bytes of an answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use portcullis_core::Timestamp;
use serde_json::Value;

use super::double_to_value;
use crate::schema::Structure;
use crate::writer::Writer;

/// Prints JSON as it comes.
#[derive(Default)]
pub(crate) struct JsonWriter {
    out: Vec<u8>,
    open: Vec<Open>,
}

/// A container that is being printed.
struct Open {
    schema: Option<&'static Structure>,
    is_empty: bool,
    /// Elements are set apart by commas here; members and entries by [`JsonWriter::comma`] before their name.
    is_list: bool,
}

impl JsonWriter {
    /// The text written.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn comma(&mut self) {
        if let Some(open) = self.open.last_mut()
            && !std::mem::replace(&mut open.is_empty, false)
        {
            self.out.push(b',');
        }
    }

    fn before_value(&mut self) {
        if self.open.last().is_some_and(|open| open.is_list) {
            self.comma();
        }
    }

    fn begin(&mut self, bracket: u8, schema: Option<&'static Structure>) {
        self.before_value();
        self.out.push(bracket);
        self.open.push(Open {
            schema,
            is_empty: true,
            is_list: bracket == b'[',
        });
    }

    fn end(&mut self, bracket: u8) {
        self.open.pop();
        self.out.push(bracket);
    }

    /// Prints what serde_json prints; writing to memory cannot fail.
    fn print(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        self.before_value();
        self.print_bare(value);
    }

    fn print_bare(&mut self, value: &(impl serde::Serialize + ?Sized)) {
        let written = serde_json::to_writer(&mut self.out, value);
        debug_assert!(written.is_ok(), "writing JSON to memory cannot fail");
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.print_bare(name);
        self.out.push(b':');
    }
}

impl Writer for JsonWriter {
    fn begin_structure(&mut self, schema: &'static Structure) {
        self.begin(b'{', Some(schema));
    }

    fn member(&mut self, index: usize) {
        let schema = self.open.last().and_then(|open| open.schema);
        if let Some(member) = schema.and_then(|schema| schema.members.get(index)) {
            self.name(member.name);
        }
    }

    fn end_structure(&mut self) {
        self.end(b'}');
    }

    fn begin_list(&mut self) {
        self.begin(b'[', None);
    }

    fn end_list(&mut self) {
        self.end(b']');
    }

    fn begin_map(&mut self) {
        self.begin(b'{', None);
    }

    fn key(&mut self, key: &str) {
        self.name(key);
    }

    fn end_map(&mut self) {
        self.end(b'}');
    }

    fn string(&mut self, value: &str) {
        self.print(value);
    }

    fn boolean(&mut self, value: bool) {
        self.print(&value);
    }

    fn integer(&mut self, value: i64) {
        self.print(&value);
    }

    fn double(&mut self, value: f64) {
        self.print(&double_to_value(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.print(&value.as_fractional_seconds());
    }

    fn blob(&mut self, value: &[u8]) {
        self.print(&BASE64.encode(value));
    }

    fn document(&mut self, value: &Value) {
        self.print(value);
    }
}
