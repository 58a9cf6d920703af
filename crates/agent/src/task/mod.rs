//! Tasks: what they are, what to do next, and the one loop that does it.

pub(crate) mod accept;
pub(crate) mod admission;
pub(crate) mod environment;
pub(crate) mod images;
pub(crate) mod manager;
pub(crate) mod metadata_file;
pub(crate) mod model;
pub(crate) mod namespaces;
mod observation;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod shared;
