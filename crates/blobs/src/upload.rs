//! Names of uploads.

use portcullis_core::{Random, uuid};

use crate::Digest;

/// An upload, by its id and by whom it belongs to. What others know of somebody's upload is worth nothing to them: under
/// another owner's name there is no such upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    id: String,
    name: String,
}

impl Upload {
    /// The upload of this owner with this id; whether there is one shows when it is used.
    pub fn of(owner: &str, id: &str) -> Self {
        let name = Digest::of(format!("{}:{owner}{id}", owner.len()).as_bytes()).hex();
        let id = id.to_owned();
        Self { id, name }
    }

    pub(crate) fn new(owner: &str, random: &dyn Random) -> Self {
        Self::of(owner, &uuid(random))
    }

    /// What its owner calls it: a UUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it is called where it is kept. Not the id, which may have come from anywhere.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}
