//! Layers come in parts, without gaps and overlaps, and are there when their bytes are what was promised.

use portcullis_api::ecr::{self as api, op};
use portcullis_blobs::Digest;

use super::{begin, complete, has, layer, part, repository};
use crate::harness::{ACCOUNT, Server, allow};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn parts_go_on_where_the_last_one_ended() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let upload = begin(&server.root, "app").await;
    let bytes = vec![7; 6 * MIB];
    assert_eq!(
        part(&server.root, "app", &upload, 0, &bytes).await,
        Ok(6 * MIB as i64 - 1)
    );
    for (first, what) in [
        (0, "an overlap"),
        (6 * MIB as i64 + 1, "a gap"),
        (6 * MIB as i64 - 1, "one byte twice"),
    ] {
        let refused = part(&server.root, "app", &upload, first, b"more")
            .await
            .unwrap_err();
        assert!(
            refused.starts_with("InvalidLayerPartException: "),
            "{what}: {refused}"
        );
    }
    assert_eq!(
        part(&server.root, "app", &upload, 6 * MIB as i64, b"more").await,
        Ok(6 * MIB as i64 + 3)
    );
    let digest = Digest::of(&[bytes.as_slice(), b"more"].concat()).to_string();
    assert_eq!(
        complete(&server.root, "app", &upload, &digest).await,
        Ok(digest.clone())
    );
    assert!(has(&server.root, "app", &digest).await);
    let gone = part(&server.root, "app", &upload, 0, b"x").await.unwrap_err();
    assert!(gone.starts_with("UploadNotFoundException: "), "{gone}");
}

#[tokio::test]
async fn a_part_is_as_long_as_it_says() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let upload = begin(&server.root, "app").await;
    for last in [0, 2, 4, i64::MAX] {
        let input = api::UploadLayerPartRequest {
            repository_name: "app".to_owned(),
            upload_id: upload.clone(),
            part_first_byte: 0,
            part_last_byte: last,
            layer_part_blob: b"four".to_vec(),
            ..Default::default()
        };
        let refused = server.root.err::<op::UploadLayerPart>(&input).await;
        assert!(
            refused.starts_with("InvalidLayerPartException: "),
            "{last}: {refused}"
        );
    }
}

#[tokio::test]
async fn wrong_bytes_small_parts_and_nothing_are_no_layer() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let digest = Digest::of(b"right").to_string();
    let code = |refused: Result<String, String>| refused.unwrap_err().split(':').next().unwrap().to_owned();

    let empty = begin(&server.root, "app").await;
    assert_eq!(
        code(complete(&server.root, "app", &empty, &digest).await),
        "EmptyUploadException"
    );

    let wrong = begin(&server.root, "app").await;
    part(&server.root, "app", &wrong, 0, b"wrong").await.unwrap();
    assert_eq!(
        code(complete(&server.root, "app", &wrong, &digest).await),
        "InvalidLayerException"
    );
    assert_eq!(
        code(complete(&server.root, "app", &wrong, "md5:abc").await),
        "InvalidLayerException"
    );
    assert!(!has(&server.root, "app", &digest).await);
    // Nothing is lost: with the right name it is a layer.
    let right = Digest::of(b"wrong").to_string();
    assert_eq!(
        complete(&server.root, "app", &wrong, &right).await,
        Ok(right.clone())
    );

    let small = begin(&server.root, "app").await;
    part(&server.root, "app", &small, 0, b"ri").await.unwrap();
    part(&server.root, "app", &small, 2, b"ght").await.unwrap();
    assert_eq!(
        code(complete(&server.root, "app", &small, &digest).await),
        "LayerPartTooSmallException"
    );

    let again = begin(&server.root, "app").await;
    part(&server.root, "app", &again, 0, b"wrong").await.unwrap();
    assert_eq!(
        code(complete(&server.root, "app", &again, &right).await),
        "LayerAlreadyExistsException"
    );
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let server = Server::start().await;
    for name in ["app", "other"] {
        repository(&server.root, name).await;
    }
    let upload = begin(&server.root, "app").await;
    part(&server.root, "app", &upload, 0, b"bytes").await.unwrap();
    let digest = Digest::of(b"bytes").to_string();
    let stranger = complete(&server.root, "other", &upload, &digest)
        .await
        .unwrap_err();
    assert!(stranger.starts_with("UploadNotFoundException: "), "{stranger}");
    let far = server.root.region("eu-west-1");
    repository(&far, "app").await;
    assert!(complete(&far, "app", &upload, &digest).await.is_err());
    complete(&server.root, "app", &upload, &digest).await.unwrap();
    // One repository's layers are not another's.
    assert!(!has(&server.root, "other", &digest).await);
}

#[tokio::test]
async fn downloads_have_an_address_that_says_who_may_fetch() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let digest = layer(&server.root, "app", b"bytes").await;
    let ask = |digest: &str| api::GetDownloadUrlForLayerRequest {
        repository_name: "app".to_owned(),
        layer_digest: digest.to_owned(),
        ..Default::default()
    };
    let reader = server
        .user("reader", &allow("ecr:GetDownloadUrlForLayer", &super::arn("app")))
        .await;
    let reply = reader.ok::<op::GetDownloadUrlForLayer>(&ask(&digest)).await;
    let url = reply.download_url.unwrap();
    assert!(url.contains(&format!("/v2-layers/{digest}?ticket=")), "{url}");
    let unknown = format!("sha256:{}", "0".repeat(64));
    let refused = reader.err::<op::GetDownloadUrlForLayer>(&ask(&unknown)).await;
    let text = format!(
        "LayersNotFoundException: The layer with digest '{unknown}' does not exist within the repository with name 'app' in the registry with id '{ACCOUNT}'"
    );
    assert_eq!(refused, text);
}

#[tokio::test]
async fn layers_without_image_go_after_a_day_and_those_with_one_stay() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    super::push(&server.root, "app", "kept", Some("v1")).await;
    let kept = Digest::of(b"kept").to_string();
    let lost = layer(&server.root, "app", b"lost").await;
    let sent_again = layer(&server.root, "app", b"sent again").await;
    for hours in [0, 11] {
        server.clock.advance_seconds(hours * 3_600);
        super::upkeep(&server).await;
        assert!(has(&server.root, "app", &lost).await);
    }
    // Whoever asks now could be too late with the image.
    server.clock.advance_seconds(2 * 3_600);
    for digest in [&lost, &sent_again] {
        assert!(!has(&server.root, "app", digest).await);
    }
    assert_eq!(layer(&server.root, "app", b"sent again").await, sent_again);
    assert!(has(&server.root, "app", &sent_again).await);
    server.clock.advance_seconds(11 * 3_600);
    super::upkeep(&server).await;
    let ask = |digest: &str| api::GetDownloadUrlForLayerRequest {
        repository_name: "app".to_owned(),
        layer_digest: digest.to_owned(),
        ..Default::default()
    };
    for digest in [&kept, &sent_again] {
        server.root.ok::<op::GetDownloadUrlForLayer>(&ask(digest)).await;
    }
    let gone = server.root.err::<op::GetDownloadUrlForLayer>(&ask(&lost)).await;
    assert!(gone.starts_with("LayersNotFoundException: "), "{gone}");
    assert!(has(&server.root, "app", &kept).await);
    let config = Digest::of(b"{}").to_string();
    let image = super::manifest(&config, &sent_again);
    server
        .root
        .ok::<op::PutImage>(&super::put("app", &image, None))
        .await;
}

#[tokio::test]
async fn two_who_bring_the_same_layer_at_once_are_both_told_that_it_is_there() {
    let server = Server::start().await;
    repository(&server.root, "app").await;
    let (one, other) = (begin(&server.root, "app").await, begin(&server.root, "app").await);
    for upload in [&one, &other] {
        part(&server.root, "app", upload, 0, b"same").await.unwrap();
    }
    let digest = Digest::of(b"same").to_string();
    // Neither finds the other's row: both are on their way before one is done.
    let (one, other) = tokio::join!(
        complete(&server.root, "app", &one, &digest),
        complete(&server.root, "app", &other, &digest),
    );
    assert_eq!([one, other], [Ok(digest.clone()), Ok(digest.clone())]);
    assert!(has(&server.root, "app", &digest).await);
}
