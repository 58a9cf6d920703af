//! Keys, aliases, tags: what they are called and how they are shown.

use portcullis_api::kms::{self as api, op};

use super::{decrypt, encrypt, key, made};
use crate::harness::{ACCOUNT, REGION, Server, allow};

fn describe(key: &str) -> api::DescribeKeyRequest {
    api::DescribeKeyRequest {
        key_id: key.to_owned(),
        ..Default::default()
    }
}

fn alias(name: &str, key: &str) -> api::CreateAliasRequest {
    api::CreateAliasRequest {
        alias_name: name.to_owned(),
        target_key_id: key.to_owned(),
    }
}

#[tokio::test]
async fn a_key_is_found_by_each_of_its_names() {
    let server = Server::start().await;
    let (id, arn) = key(&server.root).await;
    server.root.ok::<op::CreateAlias>(&alias("alias/app", &arn)).await;
    let by_alias_arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/app");
    for name in [id.as_str(), arn.as_str(), "alias/app", &by_alias_arn] {
        let shown = server.root.ok::<op::DescribeKey>(&describe(name)).await;
        let shown = shown.key_metadata.unwrap();
        assert_eq!(shown.arn.as_deref(), Some(arn.as_str()), "{name}");
        assert_eq!(shown.key_state.as_deref(), Some("Enabled"));
        assert_eq!(shown.encryption_algorithms.unwrap(), ["SYMMETRIC_DEFAULT"]);
        assert_eq!(shown.current_key_material_id.unwrap().len(), 64);
    }
}

#[tokio::test]
async fn names_of_no_key_get_awss_words() {
    let server = Server::start().await;
    let unknown = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{unknown}");
    let missing = format!("NotFoundException: Key '{arn}' does not exist");
    let alias = format!("NotFoundException: Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/none is not found.");
    let elsewhere = format!("arn:aws:kms:ap-southeast-1:{ACCOUNT}:key/{unknown}");
    for (name, expected) in [
        (unknown, missing.as_str()),
        (&arn, &missing),
        ("alias/none", &alias),
        ("fake-key-id", "NotFoundException: Invalid keyId 'fake-key-id'"),
        (&elsewhere, "NotFoundException: Invalid arn ap-southeast-1"),
        (
            "arn:aws:s3:::bucket",
            "InvalidArnException: Invalid arn arn:aws:s3:::bucket",
        ),
    ] {
        assert_eq!(
            server.root.err::<op::DescribeKey>(&describe(name)).await,
            expected,
            "{name}"
        );
    }
    // R181: who may not see it does not learn that it is not there.
    let stranger = server.user("stranger", &allow("kms:*", &format!("{arn}0"))).await;
    for name in [unknown, "alias/none"] {
        let refused = stranger.err::<op::DescribeKey>(&describe(name)).await;
        assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
    }
}

#[tokio::test]
async fn operations_on_the_key_itself_take_no_alias() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    server.root.ok::<op::CreateAlias>(&alias("alias/app", &id)).await;
    let disable = api::DisableKeyRequest {
        key_id: "alias/app".to_owned(),
    };
    assert_eq!(
        server.root.err::<op::DisableKey>(&disable).await,
        "NotFoundException: Invalid keyId 'alias/app'"
    );
}

#[tokio::test]
async fn aliases_are_unique_move_between_keys_of_a_kind_and_aws_keeps_its_own() {
    let server = Server::start().await;
    let root = &server.root;
    let (one, _) = key(root).await;
    let (other, other_arn) = key(root).await;
    root.ok::<op::CreateAlias>(&alias("alias/app", &one)).await;
    let again = root.err::<op::CreateAlias>(&alias("alias/app", &other)).await;
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/app");
    assert_eq!(
        again,
        format!("AlreadyExistsException: An alias with the name {arn} already exists")
    );
    for (name, expected) in [
        (
            "app",
            "ValidationException: Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ),
        (
            "alias/a:b",
            "InvalidAliasNameException: alias/a:b contains invalid characters for an alias",
        ),
        ("alias/aws/s3", "NotAuthorizedException: "),
    ] {
        assert_eq!(root.err::<op::CreateAlias>(&alias(name, &one)).await, expected);
    }
    let update = api::UpdateAliasRequest {
        alias_name: "alias/app".to_owned(),
        target_key_id: other,
    };
    root.ok::<op::UpdateAlias>(&update).await;
    let encrypted = root.ok::<op::Encrypt>(&encrypt("alias/app", &[])).await;
    assert_eq!(encrypted.key_id.unwrap(), other_arn);
    let mac = hmac(root, "HMAC_256").await;
    let update = api::UpdateAliasRequest {
        alias_name: "alias/app".to_owned(),
        target_key_id: mac,
    };
    assert!(
        root.err::<op::UpdateAlias>(&update)
            .await
            .starts_with("ValidationException: ")
    );
    let delete = api::DeleteAliasRequest {
        alias_name: "alias/app".to_owned(),
    };
    root.ok::<op::DeleteAlias>(&delete).await;
    let gone = root.err::<op::DeleteAlias>(&delete).await;
    assert_eq!(gone, format!("NotFoundException: Alias {arn} is not found."));
}

async fn hmac(client: &crate::harness::Client, spec: &str) -> String {
    let create = api::CreateKeyRequest {
        key_spec: Some(spec.to_owned()),
        key_usage: Some("GENERATE_VERIFY_MAC".to_owned()),
        ..Default::default()
    };
    made(client, &create).await.0
}

#[tokio::test]
async fn lists_go_page_by_page_and_show_each_once() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(key(&server.root).await.0);
    }
    ids.sort();
    let (mut shown, mut marker) = (Vec::new(), None);
    loop {
        let list = api::ListKeysRequest {
            limit: Some(2),
            marker: marker.clone(),
            ..Default::default()
        };
        let page = server.root.ok::<op::ListKeys>(&list).await;
        shown.extend(page.keys.unwrap().into_iter().filter_map(|key| key.key_id));
        marker = page.next_marker;
        assert_eq!(page.truncated, Some(marker.is_some()));
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(shown, ids);
    let list = api::ListKeysRequest {
        marker: Some("!".to_owned()),
        ..Default::default()
    };
    assert!(
        server
            .root
            .err::<op::ListKeys>(&list)
            .await
            .starts_with("InvalidMarkerException: ")
    );
    // Keys of another region are other keys.
    let elsewhere = server.root.region("eu-west-1");
    assert!(
        elsewhere
            .ok::<op::ListKeys>(&Default::default())
            .await
            .keys
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn codes_hold_for_their_message_key_and_algorithm_alone() {
    let server = Server::start().await;
    let root = &server.root;
    let id = hmac(root, "HMAC_256").await;
    let generate = api::GenerateMacRequest {
        message: b"message".to_vec(),
        key_id: id.clone(),
        mac_algorithm: "HMAC_SHA_256".to_owned(),
        ..Default::default()
    };
    let mac = root.ok::<op::GenerateMac>(&generate).await.mac.unwrap();
    let verify = |message: &[u8], key: &str, algorithm: &str| api::VerifyMacRequest {
        message: message.to_vec(),
        key_id: key.to_owned(),
        mac_algorithm: algorithm.to_owned(),
        mac: mac.clone(),
        ..Default::default()
    };
    let good = root
        .ok::<op::VerifyMac>(&verify(b"message", &id, "HMAC_SHA_256"))
        .await;
    assert_eq!(good.mac_valid, Some(true));
    let bad = root
        .err::<op::VerifyMac>(&verify(b"massage", &id, "HMAC_SHA_256"))
        .await;
    assert_eq!(bad, "KMSInvalidMacException: ");
    let other = hmac(root, "HMAC_256").await;
    let bad = root
        .err::<op::VerifyMac>(&verify(b"message", &other, "HMAC_SHA_256"))
        .await;
    assert_eq!(bad, "KMSInvalidMacException: ");
    let bad = root
        .err::<op::VerifyMac>(&verify(b"message", &id, "HMAC_SHA_512"))
        .await;
    assert_eq!(
        bad,
        "InvalidKeyUsageException: Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256."
    );
    // Keys are for one use.
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}");
    assert_eq!(
        root.err::<op::Encrypt>(&encrypt(&id, &[])).await,
        format!(
            "InvalidKeyUsageException: {arn} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt."
        )
    );
    let (symmetric, arn) = key(root).await;
    let wrong = api::GenerateMacRequest {
        key_id: symmetric,
        ..generate
    };
    assert_eq!(
        root.err::<op::GenerateMac>(&wrong).await,
        format!(
            "InvalidKeyUsageException: {arn} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac."
        )
    );
}

#[tokio::test]
async fn kinds_of_keys_that_are_not_served_are_refused_plainly() {
    let server = Server::start().await;
    let create = |change: fn(&mut api::CreateKeyRequest)| {
        let mut create = api::CreateKeyRequest::default();
        change(&mut create);
        create
    };
    for (create, expected) in [
        (
            create(|key| key.multi_region = Some(true)),
            "UnsupportedOperationException: Multi-Region keys",
        ),
        (
            create(|key| key.origin = Some("EXTERNAL".to_owned())),
            "UnsupportedOperationException: Keys with material",
        ),
        (
            create(|key| {
                key.key_spec = Some("RSA_2048".to_owned());
                key.key_usage = Some("SIGN_VERIFY".to_owned());
            }),
            "UnsupportedOperationException: Asymmetric keys",
        ),
        (
            create(|key| key.key_spec = Some("HMAC_256".to_owned())),
            "ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        ),
        (
            create(|key| {
                key.tags = Some(vec![api::Tag {
                    tag_key: "aws:x".to_owned(),
                    tag_value: String::new(),
                }])
            }),
            "TagException: ",
        ),
    ] {
        let refused = server.root.err::<op::CreateKey>(&create).await;
        assert!(refused.starts_with(expected), "{refused}");
    }
    let unknown = server.root.err::<op::Decrypt>(&decrypt(b"nonsense", &[])).await;
    assert_eq!(unknown, "InvalidCiphertextException: ");
}
