//! What a manifest says: pure functions of its text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::layers::is_digest;

const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A manifest that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// What it is.
    pub media_type: &'static str,
    /// What the image is.
    pub artifact_type: Option<String>,
    /// Configuration and layers that must lie in the repository.
    pub layers: Vec<Part>,
    /// The images an index lists.
    pub manifests: Vec<String>,
    /// The image it refers to.
    pub subject: Option<String>,
}

/// A configuration or layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub digest: String,
    pub media_type: Option<String>,
    /// What the manifest says; the row of the layer knows better.
    pub size: u64,
}

/// Why a text is no manifest of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoManifest {
    #[error("must be a JSON document")]
    Json,
    #[error("must be a valid manifest: {0}")]
    Form(&'static str),
    #[error("unsupported media type '{0}'")]
    MediaType(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    #[serde(default)]
    size: u64,
}

impl Manifest {
    /// Reads a manifest. What it is, its sender says, or itself, or follows from its form.
    pub fn parse(text: &str, claimed: Option<&str>) -> Result<Self, NoManifest> {
        let value: Value = serde_json::from_str(text).map_err(|_| NoManifest::Json)?;
        if !value.is_object() {
            return Err(NoManifest::Json);
        }
        let document: Document = serde_json::from_value(value).map_err(|_| {
            NoManifest::Form("schemaVersion, config, layers or manifests are missing or misshapen")
        })?;
        if document.schema_version != 2 {
            return Err(NoManifest::Form("schemaVersion must be 2"));
        }
        let media_type = document.media_type(claimed)?;
        match media_type {
            DOCKER_INDEX | OCI_INDEX => document.index(media_type),
            _ => document.image(media_type),
        }
    }
}

impl Document {
    fn media_type(&self, claimed: Option<&str>) -> Result<&'static str, NoManifest> {
        let own = self.media_type.as_deref();
        if let (Some(own), Some(claimed)) = (own, claimed)
            && own != claimed
        {
            return Err(NoManifest::Form("its media type is not the one it is sent as"));
        }
        let is_index = self.manifests.is_some();
        let Some(said) = claimed.or(own) else {
            return Ok(if is_index { OCI_INDEX } else { OCI_IMAGE });
        };
        let known = [DOCKER_IMAGE, DOCKER_INDEX, OCI_IMAGE, OCI_INDEX];
        let known = known.into_iter().find(|known| *known == said);
        known.ok_or_else(|| NoManifest::MediaType(said.to_owned()))
    }

    fn index(self, media_type: &'static str) -> Result<Manifest, NoManifest> {
        if self.config.is_some() || self.layers.is_some() {
            return Err(NoManifest::Form("an index has no configuration and no layers"));
        }
        let manifests = self
            .manifests
            .ok_or(NoManifest::Form("an index lists manifests"))?;
        let manifests = manifests.into_iter().map(Descriptor::checked);
        let manifests = manifests.map(|one| one.map(|one| one.digest));
        Ok(Manifest {
            media_type,
            artifact_type: self.artifact_type,
            layers: Vec::new(),
            manifests: without_doubles(manifests.collect::<Result<_, _>>()?),
            subject: self
                .subject
                .map(Descriptor::checked)
                .transpose()?
                .map(|one| one.digest),
        })
    }

    fn image(self, media_type: &'static str) -> Result<Manifest, NoManifest> {
        if self.manifests.is_some() {
            return Err(NoManifest::Form("an image lists no manifests"));
        }
        let config = self
            .config
            .ok_or(NoManifest::Form("an image has a configuration"))?
            .checked()?;
        let artifact_type = self.artifact_type.or_else(|| config.media_type.clone());
        let layers = self.layers.ok_or(NoManifest::Form("an image has layers"))?;
        let mut parts = vec![config];
        for layer in layers {
            let layer = layer.checked()?;
            // Those lie where their URLs say.
            if !layer.is_foreign() {
                parts.push(layer);
            }
        }
        let mut seen = std::collections::HashSet::new();
        parts.retain(|part| seen.insert(part.digest.clone()));
        let part = |one: Descriptor| Part {
            digest: one.digest,
            media_type: one.media_type,
            size: one.size,
        };
        Ok(Manifest {
            media_type,
            artifact_type,
            layers: parts.into_iter().map(part).collect(),
            manifests: Vec::new(),
            subject: self
                .subject
                .map(Descriptor::checked)
                .transpose()?
                .map(|one| one.digest),
        })
    }
}

impl Descriptor {
    fn checked(self) -> Result<Self, NoManifest> {
        match is_digest(&self.digest) {
            true => Ok(self),
            false => Err(NoManifest::Form("a digest is not ALGORITHM:HEX")),
        }
    }

    fn is_foreign(&self) -> bool {
        let media_type = self.media_type.as_deref().unwrap_or_default();
        media_type.contains(".foreign.") || media_type.contains(".nondistributable.")
    }
}

fn without_doubles(mut digests: Vec<String>) -> Vec<String> {
    digests.sort_unstable();
    digests.dedup();
    digests
}

/// The annotations of a manifest that is kept.
pub(super) fn annotations(text: &str) -> Option<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Annotated {
        annotations: Option<BTreeMap<String, String>>,
    }
    serde_json::from_str::<Annotated>(text).ok()?.annotations
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(letter: char) -> String {
        format!("sha256:{}", letter.to_string().repeat(64))
    }

    fn image() -> Value {
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest('a'), "size": 1 },
            "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest('b'), "size": 2 }],
        })
    }

    #[test]
    fn an_image_needs_its_configuration_and_layers() {
        let read = Manifest::parse(&image().to_string(), None).unwrap();
        let digests: Vec<_> = read.layers.iter().map(|part| part.digest.clone()).collect();
        assert_eq!(digests, [digest('a'), digest('b')]);
        assert_eq!(
            read.artifact_type.as_deref(),
            Some("application/vnd.oci.image.config.v1+json")
        );
    }

    #[test]
    fn foreign_layers_lie_elsewhere() {
        let mut manifest = image();
        manifest["layers"][0]["mediaType"] =
            json!("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
        let read = Manifest::parse(&manifest.to_string(), None).unwrap();
        assert_eq!(read.layers.len(), 1);
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let with = |name: &str, value: Value| {
            let mut manifest = image();
            manifest[name] = value;
            manifest.to_string()
        };
        let without = |name: &str| {
            let mut manifest = image();
            manifest.as_object_mut().unwrap().remove(name);
            manifest.to_string()
        };
        let cases = [
            ("".to_owned(), None),
            ("[]".to_owned(), None),
            ("{}".to_owned(), None),
            ("{".to_owned(), None),
            (with("schemaVersion", json!(1)), None),
            (with("mediaType", json!("text/plain")), None),
            (with("mediaType", json!("text/plain")), Some("text/plain")),
            (image().to_string(), Some(DOCKER_IMAGE)),
            (image().to_string(), Some(OCI_INDEX)),
            (with("manifests", json!([])), None),
            (without("config"), None),
            (without("layers"), None),
            (
                with("layers", json!([{ "digest": "../../etc/passwd", "size": 1 }])),
                None,
            ),
            (with("config", json!({ "digest": 7 })), None),
            (with("subject", json!({ "digest": "x" })), None),
        ];
        for (text, claimed) in cases {
            assert!(Manifest::parse(&text, claimed).is_err(), "{text} {claimed:?}");
        }
    }
}
