//! The one door through which shapes are read, whatever the protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use portcullis_core::Timestamp;
use serde_json::Value;
use thiserror::Error;

use crate::schema::Structure;

/// A value has another type than its schema says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ReadError(String);

impl ReadError {
    /// An error with this text, which the caller of the API will see.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Reads one value of the normal form: the JSON 1.1 form of AWS, into which every protocol's decoder brings its input
/// (names on the wire, timestamps as numbers or ISO text, blobs as base64).
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(&'a Value);

/// What is called with each member present: its index and its value.
pub type VisitMember<'v, 'a> = &'v mut dyn FnMut(usize, Reader<'a>) -> Result<(), ReadError>;
/// What is called with each element of a list.
pub type VisitElement<'v, 'a> = &'v mut dyn FnMut(Reader<'a>) -> Result<(), ReadError>;
/// What is called with each entry of a map.
pub type VisitEntry<'v, 'a> = &'v mut dyn FnMut(&'a str, Reader<'a>) -> Result<(), ReadError>;

impl<'a> Reader<'a> {
    /// Reads from this value.
    pub fn new(value: &'a Value) -> Self {
        Self(value)
    }

    /// Visits the members that are present and not null; members the schema does not know are passed over.
    pub fn structure(self, schema: &'static Structure, visit: VisitMember<'_, 'a>) -> Result<(), ReadError> {
        let object = self.0.as_object().ok_or_else(|| self.mismatch("Structure"))?;
        for (index, member) in schema.members.iter().enumerate() {
            match object.get(member.name) {
                None | Some(Value::Null) => {}
                Some(value) => visit(index, Reader(value))?,
            }
        }
        Ok(())
    }

    /// Visits the elements of a list.
    pub fn list(self, visit: VisitElement<'_, 'a>) -> Result<(), ReadError> {
        let elements = self.0.as_array().ok_or_else(|| self.mismatch("List"))?;
        elements.iter().try_for_each(|element| visit(Reader(element)))
    }

    /// Visits the entries of a map; entries whose value is null are passed over.
    pub fn map(self, visit: VisitEntry<'_, 'a>) -> Result<(), ReadError> {
        let object = self.0.as_object().ok_or_else(|| self.mismatch("Map"))?;
        for (key, value) in object.iter().filter(|(_, value)| !value.is_null()) {
            visit(key, Reader(value))?;
        }
        Ok(())
    }

    /// A text.
    pub fn string(self) -> Result<&'a str, ReadError> {
        self.0.as_str().ok_or_else(|| self.mismatch("String"))
    }

    /// A boolean.
    pub fn boolean(self) -> Result<bool, ReadError> {
        self.0.as_bool().ok_or_else(|| self.mismatch("Boolean"))
    }

    /// A 32-bit integer.
    pub fn integer(self) -> Result<i32, ReadError> {
        let wide = self.whole_number().ok_or_else(|| self.mismatch("Integer"))?;
        i32::try_from(wide).map_err(|_| self.mismatch("Integer"))
    }

    /// A 64-bit integer.
    pub fn long(self) -> Result<i64, ReadError> {
        self.whole_number().ok_or_else(|| self.mismatch("Long"))
    }

    /// A floating-point number; the three that JSON cannot write come as text.
    pub fn double(self) -> Result<f64, ReadError> {
        match self.0.as_str() {
            Some("NaN") => Ok(f64::NAN),
            Some("Infinity") => Ok(f64::INFINITY),
            Some("-Infinity") => Ok(f64::NEG_INFINITY),
            _ => self.0.as_f64().ok_or_else(|| self.mismatch("Double")),
        }
    }

    /// An instant: seconds since the epoch, or ISO 8601.
    pub fn timestamp(self) -> Result<Timestamp, ReadError> {
        match self.0 {
            Value::Number(number) => number.as_f64().map(Timestamp::from_fractional_seconds),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| self.mismatch("Timestamp"))
    }

    /// Bytes, from base64.
    pub fn blob(self) -> Result<Vec<u8>, ReadError> {
        BASE64
            .decode(self.string()?)
            .map_err(|_| ReadError::new("Invalid Base64 in a Blob"))
    }

    /// Any JSON.
    pub fn document(self) -> &'a Value {
        self.0
    }

    fn whole_number(self) -> Option<i64> {
        /// Beyond this a double has lost whole numbers.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = self.0.as_number()?;
        number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() <= EXACT)?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a whole number of at most 53 bits"
            )]
            Some(float as i64)
        })
    }

    fn mismatch(self, wanted: &str) -> ReadError {
        ReadError(match self.0 {
            Value::Null => format!("NULL_VALUE cannot be converted to {wanted}"),
            Value::Bool(true) => format!("TRUE_VALUE cannot be converted to {wanted}"),
            Value::Bool(false) => format!("FALSE_VALUE cannot be converted to {wanted}"),
            Value::Number(number) if number.is_f64() => {
                format!("DECIMAL_VALUE cannot be converted to {wanted}")
            }
            Value::Number(_) => format!("NUMBER_VALUE cannot be converted to {wanted}"),
            Value::String(_) => format!("STRING_VALUE cannot be converted to {wanted}"),
            Value::Array(_) => "Start of list found where not expected".to_owned(),
            Value::Object(_) => "Start of structure or map found where not expected.".to_owned(),
        })
    }
}
