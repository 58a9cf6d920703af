//! ECR: what its API does beside the cases of tests/clients.

mod images;
mod layers;
mod lifecycle;
mod other_accounts;
mod policies;
mod templates;
mod tokens;

use portcullis_api::ecr::{self as api, op};
use portcullis_blobs::Digest;
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, Client, REGION, Server};

/// The ARN of a repository of the first account.
pub fn arn(name: &str) -> String {
    format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}")
}

/// Makes a repository.
pub async fn repository(client: &Client, name: &str) {
    let create = api::CreateRepositoryRequest {
        repository_name: name.to_owned(),
        ..Default::default()
    };
    client.ok::<op::CreateRepository>(&create).await;
}

/// Uploads a layer; its digest.
pub async fn layer(client: &Client, repository: &str, bytes: &[u8]) -> String {
    let upload = begin(client, repository).await;
    part(client, repository, &upload, 0, bytes).await.unwrap();
    complete(client, repository, &upload, &Digest::of(bytes).to_string())
        .await
        .unwrap()
}

pub async fn begin(client: &Client, repository: &str) -> String {
    let initiate = api::InitiateLayerUploadRequest {
        repository_name: repository.to_owned(),
        ..Default::default()
    };
    client
        .ok::<op::InitiateLayerUpload>(&initiate)
        .await
        .upload_id
        .unwrap()
}

pub async fn part(
    client: &Client,
    repository: &str,
    upload: &str,
    first: i64,
    bytes: &[u8],
) -> Result<i64, String> {
    let input = api::UploadLayerPartRequest {
        repository_name: repository.to_owned(),
        upload_id: upload.to_owned(),
        part_first_byte: first,
        part_last_byte: first + i64::try_from(bytes.len()).unwrap() - 1,
        layer_part_blob: bytes.to_vec(),
        ..Default::default()
    };
    let reply = client.call::<op::UploadLayerPart>(&input).await;
    reply
        .map(|reply| reply.last_byte_received.unwrap())
        .map_err(|error| error.to_string())
}

pub async fn complete(
    client: &Client,
    repository: &str,
    upload: &str,
    digest: &str,
) -> Result<String, String> {
    let input = api::CompleteLayerUploadRequest {
        repository_name: repository.to_owned(),
        upload_id: upload.to_owned(),
        layer_digests: vec![digest.to_owned()],
        ..Default::default()
    };
    let reply = client.call::<op::CompleteLayerUpload>(&input).await;
    reply
        .map(|reply| reply.layer_digest.unwrap())
        .map_err(|error| error.to_string())
}

/// The manifest of an image of one layer; both must have been uploaded.
pub fn manifest(config: &str, layer: &str) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2 },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 5 }],
    })
}

/// An index that lists images.
pub fn index(images: &[&str]) -> Value {
    let listed: Vec<_> = images
        .iter()
        .map(|digest| json!({ "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1 }))
        .collect();
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": listed,
    })
}

pub fn put(repository: &str, manifest: &Value, tag: Option<&str>) -> api::PutImageRequest {
    api::PutImageRequest {
        repository_name: repository.to_owned(),
        image_manifest: manifest.to_string(),
        image_tag: tag.map(str::to_owned),
        ..Default::default()
    }
}

/// Pushes an image whose one layer has these bytes; its digest.
pub async fn push(client: &Client, repository: &str, bytes: &str, tag: Option<&str>) -> String {
    let config = match has(client, repository, &Digest::of(b"{}").to_string()).await {
        true => Digest::of(b"{}").to_string(),
        false => layer(client, repository, b"{}").await,
    };
    let layer = layer(client, repository, bytes.as_bytes()).await;
    let manifest = manifest(&config, &layer);
    client.ok::<op::PutImage>(&put(repository, &manifest, tag)).await;
    Digest::of(manifest.to_string().as_bytes()).to_string()
}

pub async fn has(client: &Client, repository: &str, digest: &str) -> bool {
    let input = api::BatchCheckLayerAvailabilityRequest {
        repository_name: repository.to_owned(),
        layer_digests: vec![digest.to_owned()],
        ..Default::default()
    };
    let reply = client.ok::<op::BatchCheckLayerAvailability>(&input).await;
    let layers = reply.layers.unwrap();
    layers[0].layer_availability.as_deref() == Some("AVAILABLE")
}

pub fn by_digest(digest: &str) -> api::ImageIdentifier {
    api::ImageIdentifier {
        image_digest: Some(digest.to_owned()),
        image_tag: None,
    }
}

pub fn by_tag(tag: &str) -> api::ImageIdentifier {
    api::ImageIdentifier {
        image_digest: None,
        image_tag: Some(tag.to_owned()),
    }
}

/// Digests of a repository's images, each with its tags, by the order of the tags.
pub async fn images(client: &Client, repository: &str) -> Vec<(String, Vec<String>)> {
    let input = api::DescribeImagesRequest {
        repository_name: repository.to_owned(),
        ..Default::default()
    };
    let details = client
        .ok::<op::DescribeImages>(&input)
        .await
        .image_details
        .unwrap();
    let one = |detail: api::ImageDetail| {
        (
            detail.image_digest.unwrap(),
            detail.image_tags.unwrap_or_default(),
        )
    };
    let mut images: Vec<_> = details.into_iter().map(one).collect();
    images.sort_by(|one, other| one.1.cmp(&other.1));
    images
}

/// Does what the server does by itself every few seconds.
pub async fn upkeep(server: &Server) {
    portcullis_control::schedule::forget(server.gate.world()).await;
}
