//! Who is let in, and what others read.

use portcullis_api::iam;
use portcullis_blobs::Digest;

use super::{MANIFEST, Registry, manifest, start};

const TOKEN_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"}]}"#;

#[tokio::test]
async fn whoever_brings_no_token_is_told_how_to() {
    let (_server, registry) = start().await;
    let nobody = Registry {
        authorization: None,
        ..registry.clone()
    };
    let bearer = Registry {
        authorization: Some("Bearer x".to_owned()),
        ..registry.clone()
    };
    for client in [&nobody, &bearer] {
        for path in ["/v2/", "/v2/app/manifests/v1", "/v2/../x", "/v2/none/of/this"] {
            let reply = client.get(path).await;
            assert_eq!(reply.status, 401);
            assert_eq!(
                reply.header("www-authenticate"),
                "Basic realm=\"http://127.0.0.1:4566/\",service=\"ecr.amazonaws.com\""
            );
            assert_eq!(reply.body, "Not Authorized\n");
            assert_eq!(reply.header("docker-distribution-api-version"), "registry/2.0");
        }
    }
    assert_eq!(registry.get("/v2/").await.status, 200);
    assert_eq!(registry.get("/v2").await.status, 200);
}

#[tokio::test]
async fn a_broken_token_is_invalid_and_an_old_one_has_expired() {
    let (server, registry) = start().await;
    let words = "Your Authorization Token is invalid.";
    for (user, password) in [
        ("AWS", "x"),
        ("AWS", ""),
        ("root", "x"),
        ("AWS", "123456789012."),
        ("AWS", "123456789012.AAAA"),
        ("AWS", "999999999999.AAAA"),
    ] {
        let reply = registry.with_password(user, password).get("/v2/").await;
        reply.is(400, "DENIED");
        assert_eq!(reply.error().1, words, "{password}");
    }
    let broken = Registry {
        authorization: Some("Basic %%%".to_owned()),
        ..registry.clone()
    };
    broken.get("/v2/").await.is(400, "DENIED");
    server.clock.advance_seconds(12 * 3600);
    let expired = registry.get("/v2/").await;
    expired.is(403, "DENIED");
    assert_eq!(
        expired.error().1,
        "Your authorization token has expired. Reauthenticate and try again."
    );
}

#[tokio::test]
async fn a_token_ends_with_the_key_it_came_from() {
    let (server, _) = start().await;
    let user = server.user("dev", TOKEN_ONLY).await;
    let registry = Registry::of(&server, &user).await;
    assert_eq!(registry.get("/v2/").await.status, 200);
    let delete = iam::DeleteAccessKeyRequest {
        user_name: Some("dev".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    server.root.ok::<iam::op::DeleteAccessKey>(&delete).await;
    registry.get("/v2/").await.is(400, "DENIED");
}

#[tokio::test]
async fn every_request_is_decided_as_its_operation_and_says_so_in_ecrs_words() {
    let (server, owner) = start().await;
    let image = owner.push_image("app", "v1", b"layer").await;
    let digest = Digest::of(b"layer").to_string();
    let begun = owner.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    let upload = begun.header("location").to_owned();
    let user = server.user("dev", TOKEN_ONLY).await;
    let registry = Registry::of(&server, &user).await;
    let put = format!("{upload}?digest={digest}");
    let layer = format!("/v2/app/blobs/{digest}");
    let referrers = format!("/v2/app/referrers/{}", Digest::of(image.as_bytes()));
    for (method, path, body, action) in [
        ("GET", "/v2/app/manifests/v1", "", "BatchGetImage"),
        ("GET", layer.as_str(), "", "GetDownloadUrlForLayer"),
        ("POST", "/v2/app/blobs/uploads/", "", "InitiateLayerUpload"),
        ("PATCH", &upload, "x", "UploadLayerPart"),
        ("GET", &upload, "", "UploadLayerPart"),
        ("DELETE", &upload, "", "UploadLayerPart"),
        ("PUT", &put, "", "CompleteLayerUpload"),
        ("PUT", "/v2/app/manifests/v2", &image, "PutImage"),
        ("DELETE", "/v2/app/manifests/v1", "", "BatchDeleteImage"),
        ("GET", "/v2/app/tags/list", "", "ListImages"),
        ("GET", &referrers, "", "BatchGetImage"),
    ] {
        let reply = registry
            .send(method, path, &[("content-type", MANIFEST)], body.as_bytes())
            .await;
        reply.is(403, "DENIED");
        let text = reply.error().1;
        let expected = format!(
            "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: ecr:{action} on resource: \
             arn:aws:ecr:us-east-1:123456789012:repository/app because no identity-based policy allows the ecr:{action} action"
        );
        assert!(text.starts_with(&expected), "{method} {path}: {text}");
    }
    assert_eq!(registry.send("HEAD", &layer, &[], b"").await.status, 403);
    registry.get("/v2/_catalog").await.is(403, "DENIED");
    // Nothing of it happened.
    assert_eq!(owner.get(&upload).await.header("range"), "0-0");
    assert_eq!(owner.get("/v2/app/manifests/v1").await.status, 200);
    owner
        .get("/v2/app/manifests/v2")
        .await
        .is(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_pull_needs_no_more_than_the_managed_policys_actions() {
    let (server, owner) = start().await;
    owner.push_image("app", "v1", b"layer").await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Resource":"*","Action":[
        "ecr:GetAuthorizationToken","ecr:BatchCheckLayerAvailability","ecr:GetDownloadUrlForLayer","ecr:BatchGetImage"]}]}"#;
    let user = server.user("puller", policy).await;
    let registry = Registry::of(&server, &user).await;
    assert_eq!(registry.get("/v2/app/manifests/v1").await.status, 200);
    let layer = format!("/v2/app/blobs/{}", Digest::of(b"layer"));
    assert_eq!(registry.send("HEAD", &layer, &[], b"").await.status, 200);
    assert_eq!(registry.get(&layer).await.body, "layer");
    let put = registry
        .put_manifest("app", "v1", MANIFEST, &manifest(b"layer", None))
        .await;
    put.is(403, "DENIED");
}

#[tokio::test]
async fn names_that_are_none_name_nothing() {
    let (_server, registry) = start().await;
    for name in [
        "..",
        "../..",
        "a/../b",
        "A",
        "a//b",
        "a%2f..%2fb",
        "%2e%2e",
        "a%00",
        "-a",
        &"a/".repeat(200),
    ] {
        for path in [
            format!("/v2/{name}/manifests/v1"),
            format!("/v2/{name}/blobs/uploads/"),
        ] {
            let method = if path.ends_with('/') { "POST" } else { "GET" };
            let reply = registry.send(method, &path, &[], b"").await;
            assert!(matches!(reply.status, 400 | 404), "{path} {reply:?}");
            assert!(
                matches!(reply.error().0.as_str(), "NAME_INVALID" | "UNSUPPORTED"),
                "{path} {reply:?}"
            );
        }
    }
}
