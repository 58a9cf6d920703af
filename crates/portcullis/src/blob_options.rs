//! Where images and objects are kept.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Args;
use portcullis_blobs::Blobs;
use portcullis_control::world::World;

use crate::secret_option::SecretOption;

/// The bucket for images and objects, instead of the data directory. Only builds with the feature `s3` take one.
#[derive(Debug, Default, Clone, Args)]
pub struct BlobOptions {
    /// Bucket of S3, or of what speaks as it does, that keeps images and objects [default: the data directory]
    #[arg(long, value_name = "BUCKET", hide = cfg!(not(feature = "s3")))]
    blobs_bucket: Option<String>,
    /// What their keys begin with
    #[arg(long, value_name = "PREFIX", hide = cfg!(not(feature = "s3")))]
    blobs_prefix: Option<String>,
    /// Region of the bucket [default: us-east-1]
    #[arg(long, value_name = "REGION", hide = cfg!(not(feature = "s3")))]
    blobs_region: Option<String>,
    /// Address of the store [default: S3's]
    #[arg(long, value_name = "URL", hide = cfg!(not(feature = "s3")))]
    blobs_endpoint: Option<String>,
    /// Access key id for the bucket
    #[arg(long, env = "PORTCULLIS_BLOBS_ACCESS_KEY_ID", hide = true)]
    blobs_key_id: Option<String>,
    /// Secret access key for the bucket
    #[arg(
        long,
        env = "PORTCULLIS_BLOBS_SECRET_ACCESS_KEY",
        hide = true,
        hide_env_values = true
    )]
    blobs_secret: Option<SecretOption>,
}

impl BlobOptions {
    /// The blobs of a server whose uploads lie in `folder`. Blocks.
    pub fn open(self, folder: &Path, world: &World) -> Result<Blobs> {
        let Some(bucket) = self.blobs_bucket.clone() else {
            return in_directory(folder, world);
        };
        self.in_bucket(bucket, folder, world)
    }

    #[cfg(feature = "s3")]
    fn in_bucket(self, name: String, folder: &Path, world: &World) -> Result<Blobs> {
        let (id, secret) = self.blobs_key_id.zip(self.blobs_secret).context(
            "a bucket needs PORTCULLIS_BLOBS_ACCESS_KEY_ID and PORTCULLIS_BLOBS_SECRET_ACCESS_KEY",
        )?;
        let bucket = portcullis_blobs::Bucket {
            name,
            prefix: self.blobs_prefix.unwrap_or_default(),
            region: self.blobs_region.unwrap_or_else(|| "us-east-1".to_owned()),
            endpoint: self.blobs_endpoint,
            access_key_id: id,
            secret_access_key: secret.into_secret(),
        };
        let store = std::sync::Arc::new(bucket.open().context("the bucket cannot be used")?);
        let (clock, random) = (world.clock().clone(), world.random().clone());
        Blobs::in_object_store(store, &bucket.prefix, folder, clock, random)
            .with_context(|| format!("{} cannot be used for uploads", folder.display()))
    }

    #[cfg(not(feature = "s3"))]
    #[expect(clippy::unused_self, reason = "as with the feature")]
    fn in_bucket(self, _: String, _: &Path, _: &World) -> Result<Blobs> {
        anyhow::bail!(
            "this build keeps images and objects in the data directory: build with --features s3 for a bucket"
        )
    }
}

fn in_directory(folder: &Path, world: &World) -> Result<Blobs> {
    Blobs::in_directory(folder, world.clock().clone(), world.random().clone())
        .with_context(|| format!("{} cannot be used for images and objects", folder.display()))
}
