//! What is in a repository: images, and the layers they are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_core::{Region, Timestamp};
use serde::{Deserialize, Serialize};

use super::of_repository;
use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

/// An image, an index of images, or another artifact with a manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    /// Where.
    pub region: Region,
    /// The repository's name.
    pub repository: String,
    /// `sha256:` and 64 hexadecimal digits, of the manifest's bytes.
    pub digest: String,
    /// The manifest, byte for byte. It lies in the row, so that an image is there whole or not at all.
    pub manifest: Arc<str>,
    /// What the manifest is.
    pub media_type: String,
    /// What the image is: its artifact type, or the media type of its configuration.
    pub artifact_type: Option<String>,
    /// Bytes of its layers and configuration; of an index those of the largest image it lists.
    pub size: u64,
    /// When it first came.
    pub pushed: Timestamp,
    /// When a pull of it was last written down.
    pub pulled: Option<Timestamp>,
    /// Its tags, sorted.
    pub tags: Vec<String>,
    /// When an upstream registry was last asked what it has under a tag; tags that were pushed here are not asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub checked: BTreeMap<String, Timestamp>,
    /// Layers and configuration, as far as they lie in the repository.
    pub layers: Vec<String>,
    /// The images an index lists.
    pub manifests: Vec<String>,
    /// The image it refers to.
    pub subject: Option<String>,
}

/// A layer of a repository.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Layer {
    /// Where.
    pub region: Region,
    /// The repository's name.
    pub repository: String,
    /// The digest of its bytes, which is their name in the blob store.
    pub digest: String,
    /// How many bytes.
    pub size: u64,
    /// What manifests say it is, once one has.
    pub media_type: Option<String>,
    /// Since when it was seen to belong to no image.
    pub unused_since: Option<Timestamp>,
}

impl Image {
    fn key_in(&self, rest: &str) -> String {
        of_repository(&self.region, &self.repository) + rest
    }

    fn tag_keys(&self) -> Vec<String> {
        self.tags.iter().map(|tag| self.key_in(tag)).collect()
    }

    fn users_of<'a>(&self, used: impl Iterator<Item = &'a String>) -> Vec<String> {
        used.map(|used| format!("{}>{}", self.key_in(used), self.digest))
            .collect()
    }
}

impl Record for Image {
    const KIND: &'static str = "ecr-image";
    fn key(&self) -> String {
        self.key_in(&self.digest)
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecr.images
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecr.images
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let tables = &mut snapshot.ecr;
        for key in before.iter().flat_map(|row| row.tag_keys()) {
            // The tag may have gone to another image in the same change.
            let is_mine = |row: &Self| tables.tags.get(&key).is_some_and(|digest| **digest == row.digest);
            if before.is_some_and(is_mine) {
                tables.tags.remove(&key);
            }
        }
        if let Some(row) = after {
            let digest = Arc::new(row.digest.clone());
            for key in row.tag_keys() {
                tables.tags.insert(&key, Arc::clone(&digest));
            }
        }
        if before.is_some() && after.is_some() {
            // The same manifest: only tags and times change.
            return;
        }
        let Some(row) = before.or(after) else { return };
        let put = after.is_some();
        set(&mut tables.parents, row.users_of(row.manifests.iter()), put);
        set(&mut tables.referrers, row.users_of(row.subject.iter()), put);
        set(&mut tables.layer_users, row.users_of(row.layers.iter()), put);
        for digest in &row.layers {
            Layer::note_use(snapshot, &row.key_in(digest));
        }
    }
}

fn set(index: &mut Index, keys: Vec<String>, put: bool) {
    for key in keys {
        match put {
            true => index.insert(&key, ()),
            false => index.remove(&key),
        }
    }
}

impl Layer {
    /// Keeps the list of layers without image in step.
    fn note_use(snapshot: &mut Snapshot, key: &str) {
        let tables = &mut snapshot.ecr;
        let is_there = tables.layers.get(key).is_some();
        let is_used = tables.layer_users.prefix(&format!("{key}>")).next().is_some();
        match is_there && !is_used {
            true => tables.unused_layers.insert(key, ()),
            false => tables.unused_layers.remove(key),
        }
    }

    fn blob_key(&self) -> String {
        format!("{}>{}/{}", self.digest, self.region, self.repository)
    }
}

impl Record for Layer {
    const KIND: &'static str = "ecr-layer";
    fn key(&self) -> String {
        of_repository(&self.region, &self.repository) + &self.digest
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecr.layers
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecr.layers
    }
    fn reindex(snapshot: &mut Snapshot, before: Option<&Self>, after: Option<&Self>) {
        let tables = &mut snapshot.ecr;
        match (before, after) {
            (None, Some(row)) => {
                let key = row.key();
                let is_used = tables.layer_users.prefix(&format!("{key}>")).next().is_some();
                if !is_used {
                    tables.unused_layers.insert(&key, ());
                }
                tables.blob_users.insert(&row.blob_key(), ());
            }
            (Some(row), None) => {
                tables.unused_layers.remove(&row.key());
                tables.blob_users.remove(&row.blob_key());
            }
            _ => {}
        }
    }
}
