//! What generated code implements: values that can stand on the wire, shapes, operations.

use std::collections::BTreeMap;
use std::fmt;

use portcullis_core::Timestamp;
use serde_json::Value;

use crate::reader::{ReadError, Reader};
use crate::schema::{OperationMeta, Structure};
use crate::writer::Writer;

/// A value that can be read from and written to any protocol.
pub trait Wire: Sized {
    /// Reads it from a request or an answer.
    fn read(reader: Reader<'_>) -> Result<Self, ReadError>;

    /// Writes it.
    fn write(&self, writer: &mut dyn Writer);

    /// Whether there is anything to write; `false` only for `None`.
    fn is_present(&self) -> bool {
        true
    }
}

/// A structure of a model.
pub trait Shape: Wire + Clone + fmt::Debug + Default + PartialEq + Send + Sync + 'static {
    /// Its schema.
    fn schema() -> &'static Structure;
}

/// An operation of a model; generated as an empty marker type.
pub trait Operation: Send + Sync + 'static {
    /// What it takes.
    type Input: Shape;
    /// What it answers.
    type Output: Shape;
    /// What the model says about it.
    const META: &'static OperationMeta;
}

/// Input or output of operations that have none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Empty {}

/// The schema of [`Empty`].
static EMPTY: Structure = Structure {
    name: "Empty",
    members: &[],
};

impl Empty {
    /// Its schema, for operation tables.
    pub const SCHEMA: &'static Structure = &EMPTY;
}

impl Shape for Empty {
    fn schema() -> &'static Structure {
        Self::SCHEMA
    }
}

impl Wire for Empty {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.structure(&EMPTY, &mut |_, _| Ok(()))?;
        Ok(Self {})
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.begin_structure(&EMPTY);
        writer.end_structure();
    }
}

/// Writes the member with this index if it is present; generated code is made of this.
pub fn put<T: Wire>(writer: &mut dyn Writer, index: usize, value: &T) {
    if value.is_present() {
        writer.member(index);
        value.write(writer);
    }
}

impl<T: Wire> Wire for Option<T> {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        T::read(reader).map(Some)
    }

    fn write(&self, writer: &mut dyn Writer) {
        if let Some(value) = self {
            value.write(writer);
        }
    }

    fn is_present(&self) -> bool {
        self.is_some()
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        let mut list = Self::new();
        reader.list(&mut |element| {
            list.push(T::read(element)?);
            Ok(())
        })?;
        Ok(list)
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.begin_list();
        for element in self {
            element.write(writer);
        }
        writer.end_list();
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        let mut map = Self::new();
        reader.map(&mut |key, value| {
            map.insert(key.to_owned(), T::read(value)?);
            Ok(())
        })?;
        Ok(map)
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.begin_map();
        for (key, value) in self {
            writer.key(key);
            value.write(writer);
        }
        writer.end_map();
    }
}

impl Wire for String {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.string().map(ToOwned::to_owned)
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.string(self);
    }
}

impl Wire for bool {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.boolean()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.boolean(*self);
    }
}

impl Wire for i32 {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.integer()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.integer(i64::from(*self));
    }
}

impl Wire for i64 {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.long()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.integer(*self);
    }
}

impl Wire for f64 {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.double()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.double(*self);
    }
}

impl Wire for Timestamp {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.timestamp()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.timestamp(*self);
    }
}

/// A blob.
impl Wire for Vec<u8> {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        reader.blob()
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.blob(self);
    }
}

/// A document: any JSON.
impl Wire for Value {
    fn read(reader: Reader<'_>) -> Result<Self, ReadError> {
        Ok(reader.document().clone())
    }

    fn write(&self, writer: &mut dyn Writer) {
        writer.document(self);
    }
}
