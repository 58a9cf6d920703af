//! Writing a form, as clients do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_core::Timestamp;
use serde_json::Value;

use super::form::Dialect;
use crate::schema::{List, Map, Schema, Structure};
use crate::writer::Writer;

/// Everything but RFC 3986's unreserved characters.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Prints parameters as they come.
pub(crate) struct FormWriter {
    out: String,
    dialect: Dialect,
    open: Vec<Open>,
}

/// A container, with the name of its parameters up to it.
struct Open {
    path: String,
    kind: Kind,
    /// Elements or entries so far.
    count: usize,
}

/// What a container is.
#[derive(Clone, Copy)]
enum Kind {
    Structure {
        schema: &'static Structure,
        next: usize,
    },
    List(&'static List),
    Map(&'static Map),
    /// Something its schema does not describe; generated code never gets here.
    Unknown,
}

impl FormWriter {
    /// A form that starts with the operation and the version of its API.
    pub(crate) fn new(action: &str, version: &str, dialect: Dialect) -> Self {
        Self {
            out: format!("Action={action}&Version={version}"),
            dialect,
            open: Vec::new(),
        }
    }

    /// The form written.
    pub(crate) fn finish(self) -> String {
        self.out
    }

    /// Name and schema of the value that comes next. The root has neither.
    fn next(&mut self) -> (String, Option<&'static Schema>) {
        let Some(open) = self.open.last_mut() else {
            return (String::new(), None);
        };
        match open.kind {
            Kind::Structure { schema, next } => match schema.members.get(next) {
                Some(member) => (join(&open.path, member.form_name), Some(member.schema)),
                None => (open.path.clone(), None),
            },
            Kind::List(list) => {
                open.count += 1;
                let step = if self.dialect.flattens(list) {
                    String::new()
                } else {
                    format!("{}.", list.member_name)
                };
                (
                    join(&open.path, &format!("{step}{}", open.count)),
                    Some(list.member),
                )
            }
            Kind::Map(map) => (entry_path(open, map, map.value_name), Some(map.value)),
            Kind::Unknown => (open.path.clone(), None),
        }
    }

    fn begin(&mut self, kind_of: impl FnOnce(Option<&'static Schema>) -> Kind) {
        let (path, schema) = self.next();
        self.open.push(Open {
            path,
            kind: kind_of(schema),
            count: 0,
        });
    }

    /// Ends a list or map; one without elements is told by an empty parameter, in EC2's dialect by nothing.
    fn end(&mut self) {
        if let Some(open) = self.open.pop()
            && open.count == 0
            && self.dialect == Dialect::Query
        {
            self.pair(&open.path, "");
        }
    }

    fn scalar(&mut self, text: &str) {
        let (path, _) = self.next();
        self.pair(&path, text);
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.out.push('&');
        self.out.extend(utf8_percent_encode(name, ENCODED));
        self.out.push('=');
        self.out.extend(utf8_percent_encode(value, ENCODED));
    }
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() {
        step.to_owned()
    } else {
        format!("{path}.{step}")
    }
}

fn entry_path(open: &Open, map: &Map, step: &str) -> String {
    let entry = if map.flattened { "" } else { "entry." };
    join(&open.path, &format!("{entry}{}.{step}", open.count))
}

impl Writer for FormWriter {
    fn begin_structure(&mut self, schema: &'static Structure) {
        self.begin(|_| Kind::Structure { schema, next: 0 });
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
        self.open.pop();
    }

    fn begin_list(&mut self) {
        self.begin(|schema| match schema {
            Some(Schema::List(list)) => Kind::List(list),
            _ => Kind::Unknown,
        });
    }

    fn end_list(&mut self) {
        self.end();
    }

    fn begin_map(&mut self) {
        self.begin(|schema| match schema {
            Some(Schema::Map(map)) => Kind::Map(map),
            _ => Kind::Unknown,
        });
    }

    fn key(&mut self, key: &str) {
        if let Some(open) = self.open.last_mut()
            && let Kind::Map(map) = open.kind
        {
            open.count += 1;
            let path = entry_path(open, map, map.key_name);
            self.pair(&path, key);
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
        self.scalar(&super::xml_write::double_text(value));
    }

    fn timestamp(&mut self, value: Timestamp) {
        self.scalar(&super::xml_write::timestamp_text(value));
    }

    fn blob(&mut self, value: &[u8]) {
        self.scalar(&BASE64.encode(value));
    }

    fn document(&mut self, value: &Value) {
        self.scalar(&value.to_string());
    }
}
