//! Pull.

use portcullis_blobs::Digest;

use super::{MANIFEST, start};

#[tokio::test]
async fn a_manifest_comes_by_its_tag_and_by_its_digest_byte_for_byte() {
    let (_server, registry) = start().await;
    let manifest = registry.push_image("app", "v1", b"layer").await;
    let digest = Digest::of(manifest.as_bytes()).to_string();
    for reference in ["v1", digest.as_str()] {
        let path = format!("/v2/app/manifests/{reference}");
        let got = registry.get(&path).await;
        assert_eq!(got.status, 200);
        assert_eq!(got.body, manifest);
        assert_eq!(got.header("content-type"), MANIFEST);
        assert_eq!(got.header("docker-content-digest"), digest);
        let head = registry.send("HEAD", &path, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), manifest.len().to_string());
        assert_eq!(head.header("docker-content-digest"), digest);
        assert_eq!(head.header("docker-distribution-api-version"), "registry/2.0");
    }
    let other = Digest::of(b"other").to_string();
    for reference in ["v2", other.as_str()] {
        let missing = registry.get(&format!("/v2/app/manifests/{reference}")).await;
        missing.is(404, "MANIFEST_UNKNOWN");
        assert_eq!(missing.error().1, "Requested image not found");
    }
    registry
        .get("/v2/app/manifests/sha256:00")
        .await
        .is(400, "DIGEST_INVALID");
    registry
        .get("/v2/app/manifests/.hidden")
        .await
        .is(400, "TAG_INVALID");
}

#[tokio::test]
async fn a_blob_comes_whole_or_in_ranges() {
    let (_server, registry) = start().await;
    let bytes: Vec<u8> = (0..1_500_000_u32).map(|number| (number % 239) as u8).collect();
    let digest = registry.push_blob("app", &bytes).await;
    let path = format!("/v2/app/blobs/{digest}");
    let got = registry.get(&path).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body, bytes);
    assert_eq!(got.header("docker-content-digest"), digest);
    let head = registry.send("HEAD", &path, &[], b"").await;
    assert_eq!((head.status, head.header("content-length")), (200, "1500000"));
    assert_eq!(head.header("accept-ranges"), "bytes");
    for (range, from, to) in [
        ("bytes=0-9", 0, 10),
        ("bytes=700000-", 700_000, 1_500_000),
        ("bytes=-5", 1_499_995, 1_500_000),
    ] {
        let part = registry.send("GET", &path, &[("range", range)], b"").await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, bytes[from..to]);
        assert_eq!(
            part.header("content-range"),
            format!("bytes {from}-{}/1500000", to - 1)
        );
    }
    let beyond = registry
        .send("GET", &path, &[("range", "bytes=1500000-")], b"")
        .await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, "bytes */1500000")
    );
    let missing = format!("/v2/app/blobs/{}", Digest::of(b"missing"));
    registry.get(&missing).await.is(404, "BLOB_UNKNOWN");
    assert_eq!(registry.send("HEAD", &missing, &[], b"").await.status, 404);
    registry
        .get("/v2/app/blobs/sha256:../../../FORMAT")
        .await
        .is(404, "UNSUPPORTED");
    registry
        .get("/v2/app/blobs/sha256:zz")
        .await
        .is(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn what_another_repository_has_is_not_there() {
    let (server, registry) = start().await;
    super::create(&server.root, "other").await;
    let digest = registry.push_blob("app", b"secret").await;
    registry
        .get(&format!("/v2/other/blobs/{digest}"))
        .await
        .is(404, "BLOB_UNKNOWN");
    registry.push_image("app", "v1", b"layer").await;
    registry
        .get("/v2/other/manifests/v1")
        .await
        .is(404, "MANIFEST_UNKNOWN");
    let missing = registry.get("/v2/never/manifests/v1").await;
    missing.is(404, "NAME_UNKNOWN");
    assert_eq!(
        missing.error().1,
        "The repository with name 'never' does not exist in the registry with id '123456789012'"
    );
}

#[tokio::test]
async fn the_registry_is_the_hosts_or_the_paths_and_each_region_has_its_own() {
    let (_server, registry) = start().await;
    registry.push_image("app", "v1", b"layer").await;
    let status = async |host: &str, path: &str| {
        let registry = super::Registry {
            host: host.to_owned(),
            ..registry.clone()
        };
        registry.get(path).await.status
    };
    let here = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
    let elsewhere = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    assert_eq!(status(here, "/v2/app/manifests/v1").await, 200);
    assert_eq!(
        status("127.0.0.1:9", &format!("/v2/{here}/app/manifests/v1")).await,
        200
    );
    // The path wins over the host.
    assert_eq!(
        status(elsewhere, &format!("/v2/{here}/app/manifests/v1")).await,
        200
    );
    assert_eq!(status(elsewhere, "/v2/app/manifests/v1").await, 404);
    assert_eq!(
        status(here, &format!("/v2/{elsewhere}/app/manifests/v1")).await,
        404
    );
    assert_eq!(
        status(
            "999999999999.dkr.ecr.us-east-1.amazonaws.com",
            "/v2/app/manifests/v1"
        )
        .await,
        404
    );
    // What an answer names begins as what was asked for.
    let begun = registry
        .send("POST", &format!("/v2/{here}/app/blobs/uploads/"), &[], b"")
        .await;
    assert!(
        begun
            .header("location")
            .starts_with(&format!("/v2/{here}/app/blobs/uploads/"))
    );
}

#[tokio::test]
async fn a_layers_address_needs_no_token_but_its_ticket() {
    use portcullis_api::ecr::{self, op};
    let (server, registry) = start().await;
    let digest = registry.push_blob("app", b"layer").await;
    let ask = ecr::GetDownloadUrlForLayerRequest {
        repository_name: "app".to_owned(),
        layer_digest: digest.clone(),
        ..Default::default()
    };
    let url = server
        .root
        .ok::<op::GetDownloadUrlForLayer>(&ask)
        .await
        .download_url
        .unwrap();
    let (_, signed) = url.split_once("/v2-layers/").unwrap();
    let path = format!("/v2-layers/{signed}");
    let nobody = super::Registry {
        authorization: None,
        ..registry.clone()
    };
    assert_eq!(nobody.get(&path).await.body, "layer");
    let other = path.replace(&digest, &registry.push_blob("app", b"other").await);
    nobody.get(&other).await.is(403, "DENIED");
    let cut: String = path.chars().take(path.len() - 2).collect();
    nobody.get(&cut).await.is(403, "DENIED");
    nobody
        .send("DELETE", &path, &[], b"")
        .await
        .is(405, "UNSUPPORTED");
    server.clock.advance_seconds(3601);
    nobody.get(&path).await.is(403, "DENIED");
}
