//! Push: layers.

use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use portcullis_api::ecr::{self, op};
use portcullis_blobs::Digest;

use super::{MANIFEST, Registry, create, manifest, start};
use crate::full_disk::Disk;

async fn begin(registry: &Registry, name: &str) -> String {
    let begun = registry
        .send("POST", &format!("/v2/{name}/blobs/uploads/"), &[], b"")
        .await;
    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!(begun.header("range"), "0-0");
    let location = begun.header("location").to_owned();
    assert!(location.ends_with(begun.header("docker-upload-uuid")));
    location
}

#[tokio::test]
async fn a_blob_is_pushed_at_once_by_post_and_put_or_by_post_alone() {
    let (_server, registry) = start().await;
    let digest = registry.push_blob("app", b"by post and put").await;
    let got = registry.get(&format!("/v2/app/blobs/{digest}")).await;
    assert_eq!(got.body, "by post and put");
    let digest = Digest::of(b"by post alone").to_string();
    let path = format!("/v2/app/blobs/uploads/?digest={digest}");
    let made = registry.send("POST", &path, &[], b"by post alone").await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.header("location"), format!("/v2/app/blobs/{digest}"));
    assert_eq!(made.header("docker-content-digest"), digest);
    assert_eq!(registry.get(made.header("location")).await.body, "by post alone");
    // Twice is as good as once.
    assert_eq!(
        registry.send("POST", &path, &[], b"by post alone").await.status,
        201
    );
}

#[tokio::test]
async fn chunks_follow_each_other_and_nothing_else() {
    let (_server, registry) = start().await;
    let upload = begin(&registry, "app").await;
    let patch = async |range: &str, body: &[u8]| {
        registry
            .send("PATCH", &upload, &[("content-range", range)], body)
            .await
    };
    let first = patch("0-3", b"0123").await;
    assert_eq!((first.status, first.header("range")), (202, "0-3"), "{first:?}");
    assert_eq!(first.header("location"), upload);
    for (range, body) in [
        ("0-3", b"0123".as_slice()),
        ("2-5", b"2345"),
        ("9-9", b"9"),
        ("5-5", b"5"),
    ] {
        let refused = patch(range, body).await;
        refused.is(416, "BLOB_UPLOAD_INVALID");
        assert_eq!(refused.header("range"), "0-3", "{range}");
        assert_eq!(refused.header("location"), upload);
    }
    patch("4-9", b"456").await.is(400, "SIZE_INVALID");
    for range in ["9-4", "x-y", "4", "", "bytes"] {
        patch(range, b"456").await.is(400, "BLOB_UPLOAD_INVALID");
    }
    assert_eq!(patch("bytes 4-6/*", b"456").await.status, 202);
    let status = registry.get(&upload).await;
    assert_eq!((status.status, status.header("range")), (204, "0-6"));
    // Without a range the bytes go on where the upload ends, as container engines send them.
    assert_eq!(
        registry.send("PATCH", &upload, &[], b"78").await.header("range"),
        "0-8"
    );
    let digest = Digest::of(b"0123456789").to_string();
    let put = registry
        .send(
            "PUT",
            &format!("{upload}?digest={digest}"),
            &[("content-range", "9-9")],
            b"9",
        )
        .await;
    assert_eq!(put.status, 201, "{put:?}");
    assert_eq!(
        registry.get(&format!("/v2/app/blobs/{digest}")).await.body,
        "0123456789"
    );
    registry.get(&upload).await.is(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn a_wrong_digest_or_none_makes_nothing() {
    let (_server, registry) = start().await;
    let upload = begin(&registry, "app").await;
    registry.send("PATCH", &upload, &[], b"bytes").await;
    for digest in [
        "",
        "digest=",
        "digest=sha256:00",
        "digest=sha512:00",
        "digest=md5:00",
        "other=1",
    ] {
        let put = registry
            .send("PUT", &format!("{upload}?{digest}"), &[], b"")
            .await;
        put.is(400, "DIGEST_INVALID");
    }
    let other = Digest::of(b"others").to_string();
    let put = registry
        .send("PUT", &format!("{upload}?digest={other}"), &[], b"")
        .await;
    put.is(400, "DIGEST_INVALID");
    for digest in [other, Digest::of(b"bytes").to_string()] {
        registry
            .get(&format!("/v2/app/blobs/{digest}"))
            .await
            .is(404, "BLOB_UNKNOWN");
    }
    // Nor does a digest that is there already make other bytes good.
    let there = registry.push_blob("app", b"there").await;
    let put = registry
        .send("PUT", &format!("{upload}?digest={there}"), &[], b"")
        .await;
    put.is(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn an_upload_that_was_given_up_is_gone() {
    let (_server, registry) = start().await;
    let upload = begin(&registry, "app").await;
    assert_eq!(registry.send("DELETE", &upload, &[], b"").await.status, 204);
    for method in ["GET", "PATCH", "DELETE"] {
        let reply = registry.send(method, &upload, &[], b"").await;
        reply.is(404, "BLOB_UPLOAD_UNKNOWN");
    }
    let digest = Digest::of(b"").to_string();
    let put = registry
        .send("PUT", &format!("{upload}?digest={digest}"), &[], b"x")
        .await;
    put.is(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let (server, registry) = start().await;
    super::create(&server.root, "other").await;
    let upload = begin(&registry, "app").await;
    let elsewhere = upload.replace("/v2/app/", "/v2/other/");
    registry
        .send("PATCH", &elsewhere, &[], b"x")
        .await
        .is(404, "BLOB_UPLOAD_UNKNOWN");
    registry
        .send("PATCH", "/v2/app/blobs/uploads/..", &[], b"x")
        .await
        .is(404, "BLOB_UPLOAD_UNKNOWN");
    let missing = registry.send("POST", "/v2/never/blobs/uploads/", &[], b"").await;
    missing.is(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_part_of_a_layer() {
    let (_server, registry) = start().await;
    let upload = begin(&registry, "app").await;
    let frames = [
        Ok(Frame::data(Bytes::from_static(b"half"))),
        Err("the line broke".to_owned()),
    ];
    let body = StreamBody::new(stream::iter(frames));
    let broken = registry
        .send_body("PATCH", &upload, &[("content-range", "0-7")], body)
        .await;
    broken.is(400, "BLOB_UPLOAD_INVALID");
    for announced in ["3", "5"] {
        let frames = [Ok::<_, String>(Frame::data(Bytes::from_static(b"four")))];
        let body = StreamBody::new(stream::iter(frames));
        let reply = registry
            .send_body("PATCH", &upload, &[("content-length", announced)], body)
            .await;
        reply.is(400, "SIZE_INVALID");
    }
    // The upload says where to go on; what it is made of after that is right.
    let status = registry.get(&upload).await;
    assert_eq!(status.status, 204);
    let digest = Digest::of(b"whole").to_string();
    registry.send("DELETE", &upload, &[], b"").await;
    let upload = begin(&registry, "app").await;
    let put = registry
        .send("PUT", &format!("{upload}?digest={digest}"), &[], b"whole")
        .await;
    assert_eq!(put.status, 201);
}

#[tokio::test]
async fn a_layer_is_mounted_where_the_registry_lets_layers_be_shared_and_the_caller_may_read_it() {
    let (server, registry) = start().await;
    super::create(&server.root, "other").await;
    let digest = registry.push_blob("app", b"shared").await;
    let mount = format!("/v2/other/blobs/uploads/?mount={digest}&from=app");
    // As ECR comes: the client sends the bytes.
    assert_eq!(registry.send("POST", &mount, &[], b"").await.status, 202);
    let setting = ecr::PutAccountSettingRequest {
        name: "BLOB_MOUNTING".to_owned(),
        value: "ENABLED".to_owned(),
    };
    server.root.ok::<op::PutAccountSetting>(&setting).await;
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"ecr:GetAuthorizationToken","Resource":"*"},
        {"Effect":"Allow","Action":"ecr:*","Resource":"arn:aws:ecr:us-east-1:123456789012:repository/other"}]}"#;
    let user = server.user("dev", policy).await;
    let stranger = Registry::of(&server, &user).await;
    assert_eq!(stranger.send("POST", &mount, &[], b"").await.status, 202);
    registry
        .get(&format!("/v2/other/blobs/{digest}"))
        .await
        .is(404, "BLOB_UNKNOWN");
    for wrong in [
        "mount=sha256:00&from=app",
        "mount=x&from=../app",
        &format!("mount={}&from=app", Digest::of(b"no")),
    ] {
        let path = format!("/v2/other/blobs/uploads/?{wrong}");
        assert_eq!(
            registry.send("POST", &path, &[], b"").await.status,
            202,
            "{wrong}"
        );
    }
    let mounted = registry.send("POST", &mount, &[], b"").await;
    assert_eq!(
        (mounted.status, mounted.header("docker-content-digest")),
        (201, digest.as_str())
    );
    assert_eq!(registry.get(mounted.header("location")).await.body, "shared");
}

#[tokio::test]
async fn a_push_and_a_pull_are_on_record_as_ecrs_operations() {
    let (server, registry) = start().await;
    registry.push_image("app", "v1", b"layer").await;
    registry.get("/v2/app/manifests/v1").await;
    registry
        .get(&format!("/v2/app/blobs/{}", Digest::of(b"layer")))
        .await;
    let records = server.records().await;
    let names: Vec<_> = records
        .iter()
        .filter(|record| record["eventSource"] == "ecr.amazonaws.com")
        .map(|record| record["eventName"].as_str().unwrap().to_owned())
        .rev()
        .collect();
    let layer = ["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"];
    let pull = ["PutImage", "BatchGetImage", "GetDownloadUrlForLayer"];
    let expected = ["CreateRepository", "GetAuthorizationToken"]
        .iter()
        .chain(&layer)
        .chain(&layer)
        .chain(&pull);
    let mut expected: Vec<_> = expected.map(|name| (*name).to_owned()).collect();
    let mut names = names;
    // Events of one millisecond have no order.
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    let part = records
        .iter()
        .find(|record| record["eventName"] == "UploadLayerPart")
        .unwrap();
    assert_eq!(part["requestParameters"]["repositoryName"], "app");
    assert_eq!(part["readOnly"], false);
}

#[tokio::test]
async fn uploads_that_are_begun_and_not_ended_have_a_limit() {
    let (disk, server) = Disk::with_server().await;
    create(&server.root, "app").await;
    let registry = Registry::of(&server, &server.root).await;
    let begin = async || registry.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    // What was not begun after all does not count.
    disk.fill();
    begin().await.is(507, "UNKNOWN");
    disk.free();
    let first = begin().await.header("location").to_owned();
    for _ in 1..1_000 {
        assert_eq!(begin().await.status, 202);
    }
    let refused = begin().await;
    refused.is(429, "TOOMANYREQUESTS");
    assert!(
        refused
            .error()
            .1
            .contains("has 1000 uploads that were begun and not completed")
    );
    assert_eq!(registry.send("DELETE", &first, &[], b"").await.status, 204);
    assert_eq!(begin().await.status, 202);
    begin().await.is(429, "TOOMANYREQUESTS");
}

#[tokio::test]
async fn uploads_that_nobody_went_on_with_make_room_after_a_day() {
    let (server, registry) = start().await;
    for _ in 0..1_000 {
        registry.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    }
    server.clock.advance_seconds(24 * 3_600);
    let registry = super::Registry::of(&server, &server.root).await;
    let begun = registry.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    assert_eq!(begun.status, 202, "{begun:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_each_step_of_a_push_which_goes_on_when_there_is_room() {
    let (disk, server) = Disk::with_server().await;
    create(&server.root, "app").await;
    let registry = Registry::of(&server, &server.root).await;
    let (layer, image) = (b"layer", manifest(b"layer", None));
    registry.push_blob("app", b"{}").await;
    let upload = begin(&registry, "app").await;
    let sent = registry.send("PATCH", &upload, &[], layer).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let complete = format!("{upload}?digest={}", Digest::of(layer));
    let whole = begin(&registry, "app").await;
    let whole = format!("{whole}?digest={}", Digest::of(b"whole"));
    disk.fill();
    let again = registry.send("POST", "/v2/app/blobs/uploads/", &[], b"").await;
    again.is(507, "UNKNOWN");
    registry.send("PUT", &complete, &[], b"").await.is(507, "UNKNOWN");
    // Clients send it with its bytes too.
    registry
        .send("PUT", &whole, &[], b"whole")
        .await
        .is(507, "UNKNOWN");
    disk.free();
    assert_eq!(registry.send("PUT", &whole, &[], b"whole").await.status, 201);
    registry
        .send("PUT", &whole, &[], b"whole")
        .await
        .is(404, "BLOB_UPLOAD_UNKNOWN");
    // With another digest it is another layer, and not this one's end.
    let other = format!("{upload}?digest={}", Digest::of(b"other"));
    registry
        .send("PUT", &other, &[], b"")
        .await
        .is(404, "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(registry.send("PUT", &complete, &[], b"").await.status, 201);
    disk.fill();
    registry
        .put_manifest("app", "v1", MANIFEST, &image)
        .await
        .is(507, "UNKNOWN");
    disk.free();
    assert_eq!(
        registry.put_manifest("app", "v1", MANIFEST, &image).await.status,
        201
    );
    registry
        .send("PUT", &complete, &[], b"")
        .await
        .is(404, "BLOB_UPLOAD_UNKNOWN");
}
