//! Push and management of manifests.

use portcullis_blobs::Digest;
use serde_json::json;

use super::{INDEX, MANIFEST, manifest, start};

#[tokio::test]
async fn a_manifest_is_taken_by_tag_or_by_its_own_digest() {
    let (_server, registry) = start().await;
    registry.push_blob("app", b"{}").await;
    registry.push_blob("app", b"layer").await;
    let manifest = manifest(b"layer", None);
    let digest = Digest::of(manifest.as_bytes()).to_string();
    let other = Digest::of(b"other").to_string();
    let wrong = registry.put_manifest("app", &other, MANIFEST, &manifest).await;
    wrong.is(400, "DIGEST_INVALID");
    for reference in [digest.as_str(), "v1", "v1", "latest"] {
        let put = registry.put_manifest("app", reference, MANIFEST, &manifest).await;
        assert_eq!(put.status, 201, "{reference} {put:?}");
        assert_eq!(put.header("docker-content-digest"), digest);
        assert_eq!(put.header("location"), format!("/v2/app/manifests/{digest}"));
    }
}

#[tokio::test]
async fn a_manifest_that_points_nowhere_is_refused() {
    let (_server, registry) = start().await;
    let lonely = manifest(b"never pushed", None);
    registry
        .put_manifest("app", "v1", MANIFEST, &lonely)
        .await
        .is(404, "MANIFEST_BLOB_UNKNOWN");
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{ "mediaType": MANIFEST, "digest": Digest::of(b"x").to_string(), "size": 1 }],
    });
    registry
        .put_manifest("app", "v1", INDEX, &index.to_string())
        .await
        .is(404, "MANIFEST_BLOB_UNKNOWN");
    registry
        .get("/v2/app/manifests/v1")
        .await
        .is(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let (_server, registry) = start().await;
    for body in [
        "",
        "x",
        "[]",
        "{}",
        "{\"schemaVersion\":1}",
        "{\"schemaVersion\":2}",
        "null",
        "{\"schemaVersion\":2,",
    ] {
        let put = registry.put_manifest("app", "v1", MANIFEST, body).await;
        assert_eq!(put.status, 400, "{body} {put:?}");
    }
    let put = registry
        .send(
            "PUT",
            "/v2/app/manifests/v1",
            &[("content-type", MANIFEST)],
            b"\xff\xfe",
        )
        .await;
    put.is(400, "MANIFEST_INVALID");
    let known = manifest(b"layer", None);
    for kind in [
        "text/plain",
        "application/vnd.unknown+json",
        "application/octet-stream",
    ] {
        let put = registry.put_manifest("app", "v1", kind, &known).await;
        assert!((400..500).contains(&put.status), "{kind} {put:?}");
    }
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let put = registry.put_manifest("app", "v1", MANIFEST, &large).await;
    put.is(413, "MANIFEST_INVALID");
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let put = registry.put_manifest("app", "v1", MANIFEST, &deep).await;
    assert_eq!(put.status, 400);
}

#[tokio::test]
async fn an_index_lists_images_that_are_there() {
    let (_server, registry) = start().await;
    let image = registry.push_image("app", "amd64", b"layer").await;
    let digest = Digest::of(image.as_bytes()).to_string();
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [{
            "mediaType": MANIFEST, "digest": digest, "size": image.len(),
            "platform": { "architecture": "amd64", "os": "linux" },
        }],
    });
    let put = registry
        .put_manifest("app", "v1", INDEX, &index.to_string())
        .await;
    assert_eq!(put.status, 201, "{put:?}");
    let got = registry.get("/v2/app/manifests/v1").await;
    assert_eq!(
        (got.header("content-type"), got.body.clone()),
        (INDEX, index.to_string().into())
    );
    // What an index lists goes with it, not before.
    let kept = registry
        .send("DELETE", &format!("/v2/app/manifests/{digest}"), &[], b"")
        .await;
    kept.is(403, "DENIED");
}

#[tokio::test]
async fn tags_and_images_are_deleted_and_layers_are_not() {
    let (_server, registry) = start().await;
    let image = registry.push_image("app", "v1", b"layer").await;
    registry.push_image("app", "v2", b"layer").await;
    let digest = Digest::of(image.as_bytes()).to_string();
    let path = format!("/v2/app/manifests/{digest}");
    assert_eq!(
        registry
            .send("DELETE", "/v2/app/manifests/v1", &[], b"")
            .await
            .status,
        202
    );
    registry
        .get("/v2/app/manifests/v1")
        .await
        .is(404, "MANIFEST_UNKNOWN");
    assert_eq!(registry.get(&path).await.status, 200);
    assert_eq!(registry.send("DELETE", &path, &[], b"").await.status, 202);
    registry.get(&path).await.is(404, "MANIFEST_UNKNOWN");
    registry
        .get("/v2/app/manifests/v2")
        .await
        .is(404, "MANIFEST_UNKNOWN");
    registry
        .send("DELETE", &path, &[], b"")
        .await
        .is(404, "MANIFEST_UNKNOWN");
    let layer = format!("/v2/app/blobs/{}", Digest::of(b"layer"));
    registry
        .send("DELETE", &layer, &[], b"")
        .await
        .is(405, "UNSUPPORTED");
}

#[tokio::test]
async fn bytes_that_no_row_needs_go_after_an_hour_and_no_others() {
    let (server, registry) = start().await;
    registry.push_image("app", "v1", b"layer").await;
    let begun = registry.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    let blobs = server.gate.world().blobs().clone();
    let orphan = blobs.put("orphan".into()).await.unwrap().digest;
    portcullis_control::registry::sweep(&server.accounts).await;
    assert!(blobs.size(&orphan).await.unwrap().is_some());
    server.clock.advance_seconds(3601);
    portcullis_control::registry::sweep(&server.accounts).await;
    assert!(blobs.size(&orphan).await.unwrap().is_none());
    assert_eq!(
        registry
            .get(&format!("/v2/app/blobs/{}", Digest::of(b"layer")))
            .await
            .body,
        "layer"
    );
    assert_eq!(registry.get(begun.header("location")).await.status, 204);
}
