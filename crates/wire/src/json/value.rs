//! Writing into a `serde_json::Value`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use portcullis_core::Timestamp;
use serde_json::{Map, Value};

use super::double_to_value;
use crate::schema::Structure;
use crate::writer::Writer;

/// Collects a value.
#[derive(Default)]
pub(super) struct ValueWriter {
    open: Vec<Open>,
    done: Value,
}

/// A container under construction.
enum Open {
    Structure {
        schema: &'static Structure,
        members: Map<String, Value>,
        next: &'static str,
    },
    Map {
        entries: Map<String, Value>,
        next: String,
    },
    List(Vec<Value>),
}

impl ValueWriter {
    /// The value written.
    pub(super) fn finish(self) -> Value {
        self.done
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::Structure { members, next, .. }) => {
                members.insert((*next).to_owned(), value);
            }
            Some(Open::Map { entries, next }) => {
                entries.insert(std::mem::take(next), value);
            }
            Some(Open::List(elements)) => elements.push(value),
            None => self.done = value,
        }
    }

    fn close(&mut self) {
        let value = match self.open.pop() {
            Some(Open::Structure { members, .. }) => Value::Object(members),
            Some(Open::Map { entries, .. }) => Value::Object(entries),
            Some(Open::List(elements)) => Value::Array(elements),
            None => return,
        };
        self.put(value);
    }
}

impl Writer for ValueWriter {
    fn begin_structure(&mut self, schema: &'static Structure) {
        self.open.push(Open::Structure {
            schema,
            members: Map::new(),
            next: "",
        });
    }

    fn member(&mut self, index: usize) {
        if let Some(Open::Structure { schema, next, .. }) = self.open.last_mut() {
            *next = schema.members.get(index).map_or("", |member| member.name);
        }
    }

    fn end_structure(&mut self) {
        self.close();
    }

    fn begin_list(&mut self) {
        self.open.push(Open::List(Vec::new()));
    }

    fn end_list(&mut self) {
        self.close();
    }

    fn begin_map(&mut self) {
        self.open.push(Open::Map {
            entries: Map::new(),
            next: String::new(),
        });
    }

    fn key(&mut self, key: &str) {
        if let Some(Open::Map { next, .. }) = self.open.last_mut() {
            key.clone_into(next);
        }
    }

    fn end_map(&mut self) {
        self.close();
    }

    fn string(&mut self, value: &str) {
        self.put(Value::from(value));
    }

    fn boolean(&mut self, value: bool) {
        self.put(Value::from(value));
    }

    fn integer(&mut self, value: i64) {
        self.put(Value::from(value));
    }

    fn double(&mut self, value: f64) {
        self.put(double_to_value(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.put(Value::from(value.as_fractional_seconds()));
    }

    fn blob(&mut self, value: &[u8]) {
        self.put(Value::from(BASE64.encode(value)));
    }

    fn document(&mut self, value: &Value) {
        self.put(value.clone());
    }
}
