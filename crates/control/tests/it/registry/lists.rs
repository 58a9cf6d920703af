//! Content discovery: tags, repositories, referrers.

use portcullis_blobs::Digest;
use serde_json::json;

use super::{MANIFEST, create, manifest, start};

#[tokio::test]
async fn tags_come_in_order_and_in_pages() {
    let (_server, registry) = start().await;
    let empty = registry.get("/v2/app/tags/list").await;
    assert_eq!(empty.json(), json!({ "name": "app", "tags": [] }));
    for tag in ["v2", "v10", "a", "Z"] {
        registry.push_image("app", tag, tag.as_bytes()).await;
    }
    let all = registry.get("/v2/app/tags/list").await;
    assert_eq!(
        all.json(),
        json!({ "name": "app", "tags": ["Z", "a", "v10", "v2"] })
    );
    assert_eq!(all.header("link"), "");
    let page = registry.get("/v2/app/tags/list?n=3").await;
    assert_eq!(page.json()["tags"], json!(["Z", "a", "v10"]));
    assert_eq!(
        page.header("link"),
        "</v2/app/tags/list?n=3&last=v10>; rel=\"next\""
    );
    let rest = registry.get("/v2/app/tags/list?n=3&last=v10").await;
    assert_eq!(
        (rest.json()["tags"].clone(), rest.header("link")),
        (json!(["v2"]), "")
    );
    let after = registry.get("/v2/app/tags/list?last=b").await;
    assert_eq!(after.json()["tags"], json!(["v10", "v2"]));
    assert_eq!(
        registry.get("/v2/app/tags/list?n=0").await.json()["tags"],
        json!([])
    );
    registry.get("/v2/app/tags/list?n=x").await.is(405, "UNSUPPORTED");
    registry.get("/v2/never/tags/list").await.is(404, "NAME_UNKNOWN");
    registry
        .send("POST", "/v2/app/tags/list", &[], b"")
        .await
        .is(405, "UNSUPPORTED");
}

#[tokio::test]
async fn repositories_come_in_order_and_in_pages() {
    let (server, registry) = start().await;
    for name in ["team/b", "team/a"] {
        create(&server.root, name).await;
    }
    let all = registry.get("/v2/_catalog").await;
    assert_eq!(all.json(), json!({ "repositories": ["app", "team/a", "team/b"] }));
    let page = registry.get("/v2/_catalog?n=2").await;
    assert_eq!(
        page.header("link"),
        "</v2/_catalog?n=2&last=team/a>; rel=\"next\""
    );
    let rest = registry.get("/v2/_catalog?n=2&last=team/a").await;
    assert_eq!(rest.json(), json!({ "repositories": ["team/b"] }));
}

#[tokio::test]
async fn what_refers_to_an_image_is_listed_as_an_index() {
    let (_server, registry) = start().await;
    let image = registry.push_image("app", "v1", b"layer").await;
    let subject = Digest::of(image.as_bytes()).to_string();
    let path = format!("/v2/app/referrers/{subject}");
    assert_eq!(registry.get(&path).await.json()["manifests"], json!([]));
    registry.push_blob("app", b"bill of materials").await;
    let artifact = manifest(b"bill of materials", Some(&image));
    let digest = Digest::of(artifact.as_bytes()).to_string();
    let put = registry.put_manifest("app", &digest, MANIFEST, &artifact).await;
    assert_eq!(
        (put.status, put.header("oci-subject")),
        (201, subject.as_str()),
        "{put:?}"
    );
    let index = registry.get(&path).await;
    assert_eq!(index.header("content-type"), super::INDEX);
    let expected = json!([{
        "mediaType": MANIFEST,
        "digest": digest,
        "size": artifact.len(),
        "artifactType": "application/vnd.example.sbom",
        "annotations": { "org.example": "yes" },
    }]);
    assert_eq!(index.json()["manifests"], expected);
    let kept = registry
        .get(&format!("{path}?artifactType=application/vnd.example.sbom"))
        .await;
    assert_eq!(kept.json()["manifests"], expected);
    assert_eq!(kept.header("oci-filters-applied"), "artifactType");
    let none = registry
        .get(&format!("{path}?artifactType=application/vnd.other"))
        .await;
    assert_eq!(none.json()["manifests"], json!([]));
    // Nobody refers to what is not there, but the list is.
    let unknown = registry
        .get(&format!("/v2/app/referrers/{}", Digest::of(b"unknown")))
        .await;
    assert_eq!(
        (unknown.status, unknown.json()["manifests"].clone()),
        (200, json!([]))
    );
    registry
        .get("/v2/app/referrers/v1")
        .await
        .is(400, "DIGEST_INVALID");
}

#[tokio::test]
async fn referrers_that_one_answer_has_no_room_for_are_behind_its_link() {
    let (_server, registry) = start().await;
    let image = registry.push_image("app", "v1", b"layer").await;
    let mut expected = Vec::new();
    for notes in [&b"one"[..], b"two", b"three"] {
        registry.push_blob("app", notes).await;
        let artifact = manifest(notes, Some(&image));
        let digest = Digest::of(artifact.as_bytes()).to_string();
        registry.put_manifest("app", &digest, MANIFEST, &artifact).await;
        expected.push(digest);
    }
    expected.sort();
    let subject = Digest::of(image.as_bytes());
    for filter in ["", "&artifactType=application/vnd.example.sbom"] {
        let mut listed = Vec::new();
        let mut next = format!("/v2/app/referrers/{subject}?n=2{filter}");
        for more in [true, false] {
            let page = registry.get(&next).await;
            let manifests = page.json()["manifests"].as_array().unwrap().clone();
            listed.extend(
                manifests
                    .iter()
                    .map(|one| one["digest"].as_str().unwrap().to_owned()),
            );
            let link = page.header("link").strip_suffix(">; rel=\"next\"");
            assert_eq!(
                (link.is_some(), page.header("oci-filters-applied").is_empty()),
                (more, filter.is_empty())
            );
            next = link.unwrap_or("<").trim_start_matches('<').to_owned();
        }
        assert_eq!(listed, expected);
    }
    registry
        .get(&format!("/v2/app/referrers/{subject}?nextToken=x"))
        .await
        .is(400, "NAME_INVALID");
}
