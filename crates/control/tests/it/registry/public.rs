//! Images of ECR Public are passed on from where an operator said that they are, to whoever has a token.

use http_body_util::Empty;
use hyper::body::Bytes;
use portcullis_blobs::Digest;

use super::pull_through::server;
use super::upstream::Upstream;
use super::{MANIFEST, Registry};
use crate::accounts::account;

const V1: &str = "/v2/public.ecr.aws/team/app/manifests/v1";

#[tokio::test]
async fn images_of_ecr_public_are_passed_on_without_any_permission() {
    let upstream = Upstream::start().await;
    let server = server(&[format!("public.ecr.aws={}", upstream.url)]).await;
    let manifest = upstream.image("team/app", "v1", b"layer");
    // A token needs an action; what it is used for needs none.
    let user = server
        .user("dev", &crate::harness::allow("ecr:GetAuthorizationToken", "*"))
        .await;
    let registry = Registry::of(&server, &user).await;
    let stranger = Registry {
        authorization: None,
        ..registry.clone()
    };
    for path in ["/v2/public.ecr.aws/", V1] {
        assert_eq!(stranger.get(path).await.status, 401, "{path}");
    }
    assert!(upstream.asked().is_empty());

    assert_eq!(registry.get("/v2/public.ecr.aws/").await.status, 200);
    let head = registry.send("HEAD", V1, &[], b"").await;
    assert_eq!(head.header("content-length"), manifest.len().to_string());
    let digest = Digest::of(manifest.as_bytes()).to_string();
    for reference in ["v1", digest.as_str()] {
        let got = registry
            .get(&format!("/v2/public.ecr.aws/team/app/manifests/{reference}"))
            .await;
        assert_eq!((got.status, got.body.as_ref()), (200, manifest.as_bytes()));
        assert_eq!(got.header("content-type"), MANIFEST);
        assert_eq!(got.header("docker-content-digest"), digest);
    }
    let layer = format!("/v2/public.ecr.aws/team/app/blobs/{}", Digest::of(b"layer"));
    assert_eq!(registry.get(&layer).await.body.as_ref(), b"layer");

    let absent = registry.get("/v2/public.ecr.aws/team/app/manifests/v2").await;
    absent.is(404, "MANIFEST_UNKNOWN");
    let no_layer = format!("/v2/public.ecr.aws/team/app/blobs/{}", Digest::of(b"other"));
    registry.get(&no_layer).await.is(404, "BLOB_UNKNOWN");
    upstream.put("/v2/team/app/manifests/v2", "429 Too Many Requests", "", b"");
    let throttled = registry.get("/v2/public.ecr.aws/team/app/manifests/v2").await;
    throttled.is(429, "TOOMANYREQUESTS");
    let sent_on = "Location: http://169.254.169.254/latest/meta-data\r\n";
    upstream.put("/v2/team/app/manifests/v2", "302 Found", sent_on, b"");
    let nowhere = registry.get("/v2/public.ecr.aws/team/app/manifests/v2").await;
    nowhere.is(503, "UNKNOWN");
    for (method, path) in [
        ("PUT", V1),
        ("DELETE", V1),
        ("POST", "/v2/public.ecr.aws/team/app/blobs/uploads/"),
        ("GET", "/v2/public.ecr.aws/team/app/tags/list"),
    ] {
        assert_eq!(registry.send(method, path, &[], b"").await.status, 405, "{path}");
    }
}

#[tokio::test]
async fn an_account_that_stops_reading_keeps_no_other_from_ecr_public() {
    let upstream = Upstream::start().await;
    let server = server(&[format!("public.ecr.aws={}", upstream.url)]).await;
    upstream.image("team/app", "v1", b"layer");
    let layer = format!("/v2/public.ecr.aws/team/app/blobs/{}", Digest::of(b"layer"));
    let (_, admin) = account(&server, "other").await;
    let (registry, other) = (
        Registry::of(&server, &server.root).await,
        Registry::of(&server, &admin).await,
    );
    let mut unread = Vec::new();
    loop {
        let response = registry.open("GET", &layer, &[], Empty::<Bytes>::new()).await;
        if response.status() != 200 {
            break;
        }
        unread.push(response);
    }
    assert_eq!(unread.len(), 16);
    registry.get(V1).await.is(429, "TOOMANYREQUESTS");
    assert_eq!(other.get(&layer).await.body.as_ref(), b"layer");
    drop(unread);
    while registry.get(V1).await.status == 429 {
        tokio::task::yield_now().await;
    }
    assert_eq!(registry.get(&layer).await.body.as_ref(), b"layer");
}

#[tokio::test]
async fn a_server_that_was_told_nothing_of_ecr_public_says_so_and_has_its_own_repositories() {
    let (server, registry) = super::start().await;
    let stranger = Registry {
        authorization: None,
        ..registry.clone()
    };
    let asked = stranger.get("/v2/public.ecr.aws/").await;
    assert_eq!(asked.status, 404, "agents leave such images to their engines");
    super::create(&server.root, "public.ecr.aws/app").await;
    let pushed = registry.push_image("public.ecr.aws/app", "v1", b"own").await;
    let got = registry.get("/v2/public.ecr.aws/app/manifests/v1").await;
    assert_eq!(got.body, pushed);
}
