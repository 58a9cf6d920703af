//! Repositories.

use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Region, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use crate::world::records::{PolicyText, Record};
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// A repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Repository {
    /// Where.
    pub region: Region,
    /// Its name, slashes included.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Which tags stay with their image.
    pub mutability: TagMutability,
    /// Whether images are to be scanned when they come.
    pub scan_on_push: bool,
    /// How its images are said to be encrypted.
    pub encryption: Encryption,
    /// Its tags.
    pub tags: Tags,
    /// Its resource policy.
    pub policy: Option<PolicyText>,
    /// Its lifecycle policy.
    pub lifecycle: Option<Lifecycle>,
    /// The last preview of a lifecycle policy.
    pub preview: Option<Preview>,
}

/// Which tags stay with the image they were given to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagMutability {
    /// `MUTABLE`, `IMMUTABLE`, or one of them `_WITH_EXCLUSION`.
    pub mode: String,
    /// Patterns of the tags for which it is the other way round.
    pub exclusions: Vec<String>,
}

/// How a repository's images are said to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `AES256`, `KMS` or `KMS_DSSE`.
    pub kind: String,
    /// The key.
    pub key: Option<String>,
}

/// A lifecycle policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lifecycle {
    /// As it was put.
    pub text: String,
    /// When it was last evaluated.
    pub evaluated: Option<Timestamp>,
}

/// A preview of what a lifecycle policy would do. What it found follows from the images of then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Preview {
    /// The policy.
    pub text: String,
    /// The moment it was asked for.
    pub at: Timestamp,
}

impl Repository {
    /// `REGION/NAME`
    pub fn key_of(region: &Region, name: &str) -> String {
        format!("{region}/{name}")
    }

    /// `arn:aws:ecr:REGION:ACCOUNT:repository/NAME`
    pub fn arn_of(region: &Region, account: &AccountId, name: &str) -> Arn {
        Arn::regional("ecr", region, account, format_args!("repository/{name}"))
    }

    /// Sorts by when the lifecycle policy was last evaluated.
    fn lifecycle_key(&self) -> Option<String> {
        let evaluated = self.lifecycle.as_ref()?.evaluated;
        let at = evaluated.map_or(0, Timestamp::as_millis);
        Some(format!("{at:015}/{}", self.key()))
    }
}

impl Record for Repository {
    const KIND: &'static str = "ecr-repository";
    fn key(&self) -> String {
        Self::key_of(&self.region, &self.name)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecr.repositories
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecr.repositories
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let (gone, new) = (
            before.and_then(Self::lifecycle_key),
            after.and_then(Self::lifecycle_key),
        );
        if gone == new {
            return;
        }
        if let Some(gone) = gone {
            snapshot.ecr.lifecycles.remove(&gone);
        }
        if let Some((new, row)) = new.zip(after) {
            snapshot.ecr.lifecycles.insert(&new, Arc::new(row.key()));
        }
    }
}
