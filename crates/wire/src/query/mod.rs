//! The query protocol: forms in, XML out; and the other way round for clients.

pub(crate) mod form;
mod form_write;
mod xml_read;
mod xml_write;

pub(crate) use form::Dialect;
pub(crate) use form_write::{ENCODED, FormWriter};
pub(crate) use xml_read::{Element, parse as parse_xml, to_value as xml_to_value};
pub(crate) use xml_write::{XmlWriter, escape};
