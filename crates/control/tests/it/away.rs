//! The registry's bytes in a bucket: what speaks S3 for the store of blobs, against S3 as another server of ours speaks it.

use std::sync::Arc;

use portcullis_blobs::{Blobs, Bucket, Digest};
use portcullis_control::registry::sweep;
use portcullis_core::{Clock as _, FixedClock, Secret, SeededRandom, SystemClock};
use portcullis_store::open_in_memory;

use crate::agent::Front;
use crate::harness::{REGION, Server};
use crate::registry::{Registry, create};
use crate::s3;

/// More than goes away in one part.
const LARGE: usize = 8 * 1024 * 1024 + 10;

/// A server that has a bucket, and where it listens. Signatures in it are of now: so is its clock.
async fn shop() -> (Server, Front) {
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(2))).unwrap();
    let server = Server::over(opened, clock).await;
    assert_eq!(s3::root(&server, "PUT", "/layers", b"").await.outcome(), "200");
    let front = Front::open(&server).await;
    (server, front)
}

/// A server that keeps its blobs there.
async fn registry(front: &Front, uploads: &std::path::Path) -> (Server, Registry) {
    let bucket = Bucket {
        name: "layers".to_owned(),
        prefix: "registry".to_owned(),
        region: REGION.to_owned(),
        endpoint: Some(format!("http://{}", front.address)),
        access_key_id: "AKIAROOT".to_owned(),
        secret_access_key: Secret::new("root-secret"),
    };
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    let store = Arc::new(bucket.open().unwrap());
    let random = Arc::new(SeededRandom::new(3));
    let blobs = Blobs::in_object_store(store, &bucket.prefix, uploads, clock.clone(), random).unwrap();
    let server = Server::keeping(blobs, clock).await;
    create(&server.root, "app").await;
    let registry = Registry::of(&server, &server.root).await;
    (server, registry)
}

/// The digests in the bucket.
fn kept(shop: &Server) -> Vec<String> {
    let view = shop.gate.world().view();
    let keys = view.s3.objects.iter().map(|(_, object)| object.key.clone());
    keys.map(|key| key.strip_prefix("registry/sha256/").unwrap().to_owned())
        .collect()
}

fn sorted(blobs: &[&[u8]]) -> Vec<String> {
    let mut digests: Vec<_> = blobs.iter().map(|bytes| Digest::of(bytes).hex()).collect();
    digests.sort();
    digests
}

#[tokio::test]
async fn images_in_a_bucket_are_pushed_read_and_swept() {
    let (shop, front) = shop().await;
    let uploads = tempfile::tempdir().unwrap();
    let (server, registry) = registry(&front, uploads.path()).await;
    let large: Vec<u8> = (0..=250).cycle().take(LARGE).collect();
    registry.push_image("app", "large", &large).await;
    assert_eq!(kept(&shop), sorted(&[b"{}", &large]));

    let path = format!("/v2/app/blobs/{}", Digest::of(&large));
    assert!(registry.get(&path).await.body == large);
    let range = registry
        .send("GET", &path, &[("range", "bytes=8388600-8388611")], b"")
        .await;
    assert_eq!(
        (range.status, &range.body[..]),
        (206, &large[8_388_600..8_388_612])
    );

    let orphan = b"of no image";
    let blobs = server.gate.world().blobs();
    blobs.put(orphan.to_vec().into()).await.unwrap();
    sweep(&server.accounts).await;
    assert_eq!(
        kept(&shop),
        sorted(&[b"{}", orphan, &large]),
        "what is young stays"
    );
    server.clock.advance_seconds(2 * 3600);
    sweep(&server.accounts).await;
    assert_eq!(kept(&shop), sorted(&[b"{}", &large]));
    assert!(registry.get(&path).await.body == large);
}
