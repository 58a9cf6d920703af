//! ECR's resources, kept apart per region: every key starts with `REGION/`. Bytes of layers lie in the blob store; what is
//! here says which repository has which.

mod image;
mod registry;
mod repository;

use std::sync::Arc;

use portcullis_core::Region;
use portcullis_store::{Store, StoreError};

use super::load;
use crate::world::snapshot::Snapshot;
use crate::world::table::{Index, Table};

pub use image::{Image, Layer};
pub use registry::{CreationTemplate, PullThroughRule, Registry, ScanningRule};
pub use repository::{Encryption, Lifecycle, Preview, Repository, TagMutability};

/// The tables of ECR.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// By [`Repository::key_of`].
    pub repositories: Table<Repository>,
    /// By [`of_repository`] and digest.
    pub images: Table<Image>,
    /// By [`of_repository`] and digest.
    pub layers: Table<Layer>,
    /// What a registry has as a whole, by region: one row, once something is set.
    pub registries: Table<Registry>,
    /// By [`PullThroughRule::key_of`].
    pub pull_through_rules: Table<PullThroughRule>,
    /// By [`CreationTemplate::key_of`].
    pub templates: Table<CreationTemplate>,
    /// Digests of images, by repository and tag. Derived.
    pub(super) tags: Table<String>,
    /// Which image a layer belongs to: repository, layer, `>`, image. Derived.
    pub(super) layer_users: Index,
    /// Which index lists an image: repository, image, `>`, index. Derived.
    pub(super) parents: Index,
    /// Which image refers to one as its subject: repository, subject, `>`, image. Derived.
    pub(super) referrers: Index,
    /// Layers that belong to no image, by their key. Derived.
    pub(super) unused_layers: Index,
    /// Which repositories have a blob: digest, `>`, repository. Derived.
    pub(super) blob_users: Index,
    /// Repositories with a lifecycle policy, by when it was last evaluated. Derived.
    pub(super) lifecycles: Table<String>,
}

/// `REGION/NAME:`, with which the keys of everything in a repository begin. No name has a colon.
pub fn of_repository(region: &Region, name: &str) -> String {
    format!("{region}/{name}:")
}

impl Tables {
    /// The repository of that name.
    pub fn repository(&self, region: &Region, name: &str) -> Option<&Arc<Repository>> {
        self.repositories.get(&Repository::key_of(region, name))
    }

    /// The image with that digest.
    pub fn image(&self, region: &Region, repository: &str, digest: &str) -> Option<&Arc<Image>> {
        self.images.get(&(of_repository(region, repository) + digest))
    }

    /// The digest of the image with that tag.
    pub fn tagged(&self, region: &Region, repository: &str, tag: &str) -> Option<&str> {
        let digest = self.tags.get(&(of_repository(region, repository) + tag))?;
        Some(digest.as_str())
    }

    /// Tags of a repository after one of them, in order.
    pub fn tags_after(
        &self,
        region: &Region,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Vec<String> {
        let prefix = of_repository(region, repository);
        let last = after.map(|tag| format!("{prefix}{tag}"));
        let keys = self.tags.after(&prefix, last.as_deref()).take(limit);
        keys.filter_map(|(key, _)| Some(key.get(prefix.len()..)?.to_owned()))
            .collect()
    }

    /// The layer with that digest.
    pub fn layer(&self, region: &Region, repository: &str, digest: &str) -> Option<&Arc<Layer>> {
        self.layers.get(&(of_repository(region, repository) + digest))
    }

    /// The images of a repository after one of them, in the order of their digests.
    pub fn images_after<'a>(
        &'a self,
        region: &Region,
        repository: &str,
        last: Option<&str>,
    ) -> impl Iterator<Item = &'a Arc<Image>> + use<'a> {
        let prefix = of_repository(region, repository);
        let mut last = last.map(|last| format!("{prefix}{last}"));
        std::iter::from_fn(move || {
            let (key, row) = self.images.after(&prefix, last.as_deref()).next()?;
            last = Some(key.to_owned());
            Some(row)
        })
    }

    /// Whether a repository has images.
    pub fn has_images(&self, region: &Region, repository: &str) -> bool {
        self.images
            .prefix(&of_repository(region, repository))
            .next()
            .is_some()
    }

    /// Digests of the indexes that list an image.
    pub fn parents(&self, region: &Region, repository: &str, digest: &str) -> Vec<String> {
        users(&self.parents, &(of_repository(region, repository) + digest))
    }

    /// Digests of the images that refer to one as their subject, after one of them.
    pub fn referrers(&self, region: &Region, repository: &str, subject: &str) -> Vec<String> {
        users(&self.referrers, &(of_repository(region, repository) + subject))
    }

    /// Keys of layers that belong to no image.
    pub fn unused_layers(&self) -> impl Iterator<Item = &str> {
        self.unused_layers.iter().map(|(key, ())| key)
    }

    /// Whether a repository needs the blob with that digest.
    pub fn needs_blob(&self, digest: &str) -> bool {
        self.blob_users.prefix(&format!("{digest}>")).next().is_some()
    }

    /// Keys of the repositories with a lifecycle policy, those first whose policy was evaluated longest ago.
    pub fn lifecycles(&self) -> impl Iterator<Item = &str> {
        self.lifecycles.iter().map(|(_, key)| key.as_str())
    }
}

/// The second halves of the keys `USED>USER`.
fn users(index: &Index, used: &str) -> Vec<String> {
    let prefix = format!("{used}>");
    let keys = index.prefix(&prefix);
    keys.filter_map(|(key, ())| Some(key.get(prefix.len()..)?.to_owned()))
        .collect()
}

/// Fills the tables from the store.
pub(super) fn load_all(snapshot: &mut Snapshot, store: &dyn Store) -> Result<(), StoreError> {
    load::<Repository>(snapshot, store)?;
    load::<Layer>(snapshot, store)?;
    load::<Image>(snapshot, store)?;
    load::<Registry>(snapshot, store)?;
    load::<PullThroughRule>(snapshot, store)?;
    load::<CreationTemplate>(snapshot, store)
}
