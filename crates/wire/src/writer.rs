//! The one door through which shapes are written, whatever the protocol.

use portcullis_core::Timestamp;
use serde_json::Value;

use crate::schema::Structure;

/// Writes a value whose type is left behind: what is made of it is compiled once and not once per shape.
pub(crate) type Write<'a> = dyn Fn(&mut dyn Writer) + 'a;

/// Receives a value as a sequence of events. Object-safe, so that every shape is compiled once and not once per
/// protocol. The caller (generated code) keeps begin and end balanced.
pub trait Writer {
    /// A structure starts; its members follow, each as [`member`](Self::member) and a value.
    fn begin_structure(&mut self, schema: &'static Structure);
    /// The next value is the member with this index.
    fn member(&mut self, index: usize);
    /// The structure ends.
    fn end_structure(&mut self);
    /// A list starts; its elements follow.
    fn begin_list(&mut self);
    /// The list ends.
    fn end_list(&mut self);
    /// A map starts; its entries follow, each as [`key`](Self::key) and a value.
    fn begin_map(&mut self);
    /// The next value belongs to this key.
    fn key(&mut self, key: &str);
    /// The map ends.
    fn end_map(&mut self);
    /// A text.
    fn string(&mut self, value: &str);
    /// A boolean.
    fn boolean(&mut self, value: bool);
    /// An integer of either width.
    fn integer(&mut self, value: i64);
    /// A floating-point number.
    fn double(&mut self, value: f64);
    /// An instant.
    fn timestamp(&mut self, value: Timestamp);
    /// Bytes.
    fn blob(&mut self, value: &[u8]);
    /// Any JSON.
    fn document(&mut self, value: &Value);
}
