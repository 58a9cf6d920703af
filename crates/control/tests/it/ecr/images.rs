//! Images: what a push needs, which tags stay, what goes with what.

use portcullis_api::ecr::{self as api, op};
use portcullis_blobs::Digest;
use serde_json::json;

use super::{by_digest, by_tag, images, index, layer, manifest, push, put, repository};
use crate::harness::{ACCOUNT, Client, Server};

fn code(text: &str) -> &str {
    text.split(':').next().unwrap()
}

async fn mutability(client: &Client, name: &str, mode: &str, filters: &[&str]) -> Result<(), String> {
    let filter = |filter: &&str| api::ImageTagMutabilityExclusionFilter {
        filter_type: "WILDCARD".to_owned(),
        filter: (*filter).to_owned(),
    };
    let input = api::PutImageTagMutabilityRequest {
        repository_name: name.to_owned(),
        image_tag_mutability: mode.to_owned(),
        image_tag_mutability_exclusion_filters: (!filters.is_empty())
            .then(|| filters.iter().map(filter).collect()),
        ..Default::default()
    };
    let reply = client.call::<op::PutImageTagMutability>(&input).await;
    reply.map(|_| ()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_manifest_needs_everything_it_names() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let config = layer(&server.root, "app", b"{}").await;
    let missing = Digest::of(b"layer").to_string();
    let without = manifest(&config, &missing);
    let refused = server
        .root
        .err::<op::PutImage>(&put("app", &without, Some("v1")))
        .await;
    let text = format!(
        "LayersNotFoundException: Layers with digests '[{missing}]' required for pushing image into repository with name 'app' in the registry with id '{ACCOUNT}' do not exist"
    );
    assert_eq!(refused, text);
    let refused = server
        .root
        .err::<op::PutImage>(&put("app", &index(&[&missing]), None))
        .await;
    assert_eq!(code(&refused), "ReferencedImagesNotFoundException");
    assert!(images(&server.root, "app").await.is_empty());
    layer(&server.root, "app", b"layer").await;
    server
        .root
        .ok::<op::PutImage>(&put("app", &without, Some("v1")))
        .await;
    assert_eq!(images(&server.root, "app").await.len(), 1);
}

#[tokio::test]
async fn a_digest_that_is_given_must_be_the_manifests() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let config = layer(&server.root, "app", b"{}").await;
    let layer = layer(&server.root, "app", b"layer").await;
    let manifest = manifest(&config, &layer);
    let with = |digest: String| api::PutImageRequest {
        image_digest: Some(digest),
        ..put("app", &manifest, None)
    };
    let refused = server.root.err::<op::PutImage>(&with(config.clone())).await;
    assert_eq!(code(&refused), "ImageDigestDoesNotMatchException");
    let right = Digest::of(manifest.to_string().as_bytes()).to_string();
    let reply = server.root.ok::<op::PutImage>(&with(right.clone())).await;
    assert_eq!(reply.image.unwrap().image_id.unwrap().image_digest, Some(right));
    // The same again is not put twice.
    let refused = server
        .root
        .err::<op::PutImage>(&put("app", &manifest, None))
        .await;
    assert_eq!(code(&refused), "ImageAlreadyExistsException");
}

#[tokio::test]
async fn tags_move_unless_they_are_immutable() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let first = push(&server.root, "app", "one", Some("v1")).await;
    let second = push(&server.root, "app", "two", Some("v1")).await;
    let shown = images(&server.root, "app").await;
    assert_eq!(shown, [(first, vec![]), (second.clone(), vec!["v1".to_owned()])]);

    // mode, exclusions, tag, whether it moves
    let cases: [(&str, &[&str], &str, bool); 7] = [
        ("MUTABLE", &[], "v1", true),
        ("IMMUTABLE", &[], "v1", false),
        ("IMMUTABLE_WITH_EXCLUSION", &["latest", "dev-*"], "latest", true),
        ("IMMUTABLE_WITH_EXCLUSION", &["latest", "dev-*"], "dev-7", true),
        ("IMMUTABLE_WITH_EXCLUSION", &["latest", "dev-*"], "v1", false),
        ("MUTABLE_WITH_EXCLUSION", &["v*"], "v1", false),
        ("MUTABLE_WITH_EXCLUSION", &["v*"], "latest", true),
    ];
    for (number, (mode, filters, tag, moves)) in cases.into_iter().enumerate() {
        let name = format!("case-{number}");
        repository(&server.root, &name).await;
        mutability(&server.root, &name, mode, filters).await.unwrap();
        push(&server.root, &name, "one", Some(tag)).await;
        push(&server.root, &name, "two", None).await;
        let two = manifest(&Digest::of(b"{}").to_string(), &Digest::of(b"two").to_string());
        let moved = server
            .root
            .call::<op::PutImage>(&put(&name, &two, Some(tag)))
            .await;
        assert_eq!(moved.is_ok(), moves, "{mode} {filters:?} {tag}");
        if let Err(error) = moved {
            let text = format!(
                "ImageTagAlreadyExistsException: The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
            );
            assert_eq!(error.to_string(), text);
        }
        // A tag nobody has is given in any case.
        server
            .root
            .ok::<op::PutImage>(&put(&name, &two, Some("fresh")))
            .await;
    }
    for (mode, filters) in [
        ("IMMUTABLE", &["x"][..]),
        ("MUTABLE_WITH_EXCLUSION", &[]),
        ("IMMUTABLE_WITH_EXCLUSION", &["*a*b*"]),
    ] {
        let refused = mutability(&server.root, "app", mode, filters).await.unwrap_err();
        assert_eq!(code(&refused), "InvalidParameterException", "{mode} {filters:?}");
    }
}

#[tokio::test]
async fn a_tag_goes_alone_and_the_image_with_its_last_one() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let digest = push(&server.root, "app", "one", Some("v1")).await;
    let one = manifest(&Digest::of(b"{}").to_string(), &Digest::of(b"one").to_string());
    server
        .root
        .ok::<op::PutImage>(&put("app", &one, Some("v2")))
        .await;
    let delete = |id| api::BatchDeleteImageRequest {
        repository_name: "app".to_owned(),
        image_ids: vec![id],
        ..Default::default()
    };
    server
        .root
        .ok::<op::BatchDeleteImage>(&delete(by_tag("v1")))
        .await;
    assert_eq!(
        images(&server.root, "app").await,
        [(digest.clone(), vec!["v2".to_owned()])]
    );
    let gone = server
        .root
        .ok::<op::BatchDeleteImage>(&delete(by_tag("v1")))
        .await;
    assert_eq!(
        gone.failures.unwrap()[0].failure_code.as_deref(),
        Some("ImageNotFound")
    );
    server
        .root
        .ok::<op::BatchDeleteImage>(&delete(by_tag("v2")))
        .await;
    assert!(images(&server.root, "app").await.is_empty());
}

#[tokio::test]
async fn what_an_index_lists_stays_as_long_as_the_index() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let image = push(&server.root, "app", "one", None).await;
    let index = index(&[&image]);
    server
        .root
        .ok::<op::PutImage>(&put("app", &index, Some("v1")))
        .await;
    let delete = |id| api::BatchDeleteImageRequest {
        repository_name: "app".to_owned(),
        image_ids: vec![id],
        ..Default::default()
    };
    let refused = server
        .root
        .ok::<op::BatchDeleteImage>(&delete(by_digest(&image)))
        .await;
    let failure = &refused.failures.unwrap()[0];
    assert_eq!(
        failure.failure_code.as_deref(),
        Some("ImageReferencedByManifestList")
    );
    server
        .root
        .ok::<op::BatchDeleteImage>(&delete(by_tag("v1")))
        .await;
    let done = server
        .root
        .ok::<op::BatchDeleteImage>(&delete(by_digest(&image)))
        .await;
    assert_eq!(done.image_ids.unwrap().len(), 1);
}

#[tokio::test]
async fn batches_say_of_each_image_what_is_wrong() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let digest = push(&server.root, "app", "one", Some("v1")).await;
    let other = push(&server.root, "app", "two", Some("v2")).await;
    let both = |digest: &str, tag: &str| api::ImageIdentifier {
        image_digest: Some(digest.to_owned()),
        image_tag: Some(tag.to_owned()),
    };
    let input = api::BatchGetImageRequest {
        repository_name: "app".to_owned(),
        image_ids: vec![
            both(&digest, "v1"),
            both(&other, "v1"),
            by_tag("nobody"),
            by_tag("../../etc"),
            by_digest("latest"),
            api::ImageIdentifier::default(),
        ],
        ..Default::default()
    };
    let reply = server.root.ok::<op::BatchGetImage>(&input).await;
    let got = reply.images.unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!(
        Digest::of(got[0].image_manifest.as_ref().unwrap().as_bytes()).to_string(),
        digest
    );
    let codes: Vec<_> = reply
        .failures
        .unwrap()
        .into_iter()
        .map(|one| one.failure_code.unwrap())
        .collect();
    let expected = [
        "ImageTagDoesNotMatchDigest",
        "ImageNotFound",
        "InvalidImageTag",
        "InvalidImageDigest",
        "MissingDigestAndTag",
    ];
    assert_eq!(codes, expected);
    let picky = api::BatchGetImageRequest {
        repository_name: "app".to_owned(),
        image_ids: vec![by_tag("v1")],
        accepted_media_types: Some(vec![
            "application/vnd.docker.distribution.manifest.v2+json".to_owned(),
        ]),
        ..Default::default()
    };
    let reply = server.root.ok::<op::BatchGetImage>(&picky).await;
    assert_eq!(
        (reply.images.unwrap().len(), reply.failures.unwrap().len()),
        (0, 1)
    );
}

#[tokio::test]
async fn referrers_are_found_by_their_subject() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let subject = push(&server.root, "app", "one", Some("v1")).await;
    let empty = Digest::of(b"{}").to_string();
    for (number, kind) in ["application/spdx+json", "application/vnd.in-toto+json"]
        .into_iter()
        .enumerate()
    {
        let artifact = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "artifactType": kind,
            "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2 },
            "layers": [],
            "subject": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1 },
            "annotations": { "number": number.to_string() },
        });
        server.root.ok::<op::PutImage>(&put("app", &artifact, None)).await;
    }
    let ask = |types: Option<Vec<String>>| api::ListImageReferrersRequest {
        repository_name: "app".to_owned(),
        subject_id: api::SubjectIdentifier {
            image_digest: subject.clone(),
        },
        filter: types.map(|types| api::ListImageReferrersFilter {
            artifact_types: Some(types),
            artifact_status: None,
        }),
        ..Default::default()
    };
    let all = server.root.ok::<op::ListImageReferrers>(&ask(None)).await;
    assert_eq!(all.referrers.unwrap().len(), 2);
    let some = ask(Some(vec!["application/spdx+json".to_owned()]));
    let found = server
        .root
        .ok::<op::ListImageReferrers>(&some)
        .await
        .referrers
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].annotations.as_ref().unwrap()["number"], "0");
}

#[tokio::test]
async fn names_cannot_leave_the_store() {
    let server = Server::start().await;
    for name in [
        "../x", "a/../b", "/a", "a/", "A", "a//b", "a\u{0}b", "a b", "a:b", ".a", "a\n",
    ] {
        let create = api::CreateRepositoryRequest {
            repository_name: name.to_owned(),
            ..Default::default()
        };
        let refused = server.root.err::<op::CreateRepository>(&create).await;
        assert_eq!(code(&refused), "InvalidParameterException", "{name:?}: {refused}");
    }
}

#[tokio::test]
async fn a_repository_with_images_goes_by_force_alone() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    push(&server.root, "app", "one", Some("v1")).await;
    let delete = |force| api::DeleteRepositoryRequest {
        repository_name: "app".to_owned(),
        force,
        ..Default::default()
    };
    let refused = server.root.err::<op::DeleteRepository>(&delete(None)).await;
    assert_eq!(code(&refused), "RepositoryNotEmptyException");
    server.root.ok::<op::DeleteRepository>(&delete(Some(true))).await;
    repository(&server.root, "app").await;
    assert!(
        images(&server.root, "app").await.is_empty(),
        "nothing comes back with the name"
    );
    assert!(!super::has(&server.root, "app", &Digest::of(b"one").to_string()).await);
}

#[tokio::test]
async fn pages_end_and_go_on_anywhere() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    for number in 0..5 {
        push(
            &server.root,
            "app",
            &format!("image {number}"),
            Some(&format!("v{number}")),
        )
        .await;
    }
    let one = manifest(
        &Digest::of(b"{}").to_string(),
        &Digest::of(b"image 0").to_string(),
    );
    for tag in ["a", "b", "c"] {
        server.root.ok::<op::PutImage>(&put("app", &one, Some(tag))).await;
    }
    let (mut seen, mut token) = (Vec::new(), None);
    loop {
        let input = api::ListImagesRequest {
            repository_name: "app".to_owned(),
            max_results: Some(2),
            next_token: token,
            ..Default::default()
        };
        let page = server.root.ok::<op::ListImages>(&input).await;
        let ids = page.image_ids.unwrap();
        assert!(ids.len() <= 2);
        seen.extend(ids.into_iter().map(|id| id.image_tag.unwrap()));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["a", "b", "c", "v0", "v1", "v2", "v3", "v4"]);
    let broken = api::ListImagesRequest {
        repository_name: "app".to_owned(),
        next_token: Some("%%%".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        code(&server.root.err::<op::ListImages>(&broken).await),
        "InvalidParameterException"
    );
}
