//! Encryption: contexts, other keys, altered ciphertexts, data keys, re-encryption, dry runs.

use portcullis_api::kms::{self as api, op};

use super::{ciphertext, context, decrypt, encrypt, key, plaintext};
use crate::harness::Server;

#[tokio::test]
async fn what_a_key_encrypts_it_decrypts_with_the_same_context_alone() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, arn) = key(root).await;
    let pairs = [("app", "web"), ("stage", "test")];
    let blob = ciphertext(root, &id, &pairs).await;
    let reply = root.ok::<op::Decrypt>(&decrypt(&blob, &pairs)).await;
    assert_eq!(reply.plaintext.unwrap(), b"plain");
    assert_eq!(reply.key_id.unwrap(), arn);
    for other in [
        &[][..],
        &[("app", "web")],
        &[("app", "web"), ("stage", "live")],
        &[("app", "webs"), ("tage", "test")],
        &[("app", "web"), ("stage", "test"), ("more", "")],
    ] {
        let refused = root.err::<op::Decrypt>(&decrypt(&blob, other)).await;
        assert_eq!(refused, "InvalidCiphertextException: ", "{other:?}");
    }
}

#[tokio::test]
async fn a_ciphertext_is_of_one_key_and_of_no_other_region() {
    let server = Server::start().await;
    let root = &server.root;
    let (one, _) = key(root).await;
    let (other, _) = key(root).await;
    let blob = ciphertext(root, &one, &[]).await;
    let with_other = api::DecryptRequest {
        key_id: Some(other),
        ..decrypt(&blob, &[])
    };
    assert_eq!(
        root.err::<op::Decrypt>(&with_other).await,
        "IncorrectKeyException: The key ID in the request does not identify a CMK that can perform this operation."
    );
    let elsewhere = root
        .region("eu-west-1")
        .err::<op::Decrypt>(&decrypt(&blob, &[]))
        .await;
    let words = "is not authorized to perform: kms:Decrypt on the resource associated with this ciphertext because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access";
    assert!(
        elsewhere.starts_with("AccessDeniedException: User: ") && elsewhere.contains(words),
        "{elsewhere}"
    );
}

#[tokio::test]
async fn an_altered_or_cut_ciphertext_is_refused_at_every_byte() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    let blob = ciphertext(&server.root, &id, &[]).await;
    for place in 0..blob.len() {
        let mut altered = blob.clone();
        altered[place] ^= 0x40;
        let refused = server.root.err::<op::Decrypt>(&decrypt(&altered, &[])).await;
        let expected = ["InvalidCiphertextException: ", "AccessDeniedException: "];
        assert!(
            expected.iter().any(|start| refused.starts_with(start)),
            "{place}: {refused}"
        );
        let cut = blob.get(..place).unwrap();
        if !cut.is_empty() {
            let refused = server.root.err::<op::Decrypt>(&decrypt(cut, &[])).await;
            assert_eq!(refused, "InvalidCiphertextException: ", "{place}");
        }
    }
}

#[tokio::test]
async fn data_keys_have_the_length_that_is_asked_and_decrypt_to_themselves() {
    let server = Server::start().await;
    let root = &server.root;
    let (id, _) = key(root).await;
    for (spec, bytes, length) in [
        (Some("AES_256"), None, 32),
        (Some("AES_128"), None, 16),
        (None, Some(77), 77),
    ] {
        let generate = api::GenerateDataKeyRequest {
            key_id: id.clone(),
            key_spec: spec.map(str::to_owned),
            number_of_bytes: bytes,
            encryption_context: context(&[("a", "b")]),
            ..Default::default()
        };
        let made = root.ok::<op::GenerateDataKey>(&generate).await;
        let clear = made.plaintext.unwrap();
        assert_eq!(clear.len(), length);
        let opened = plaintext(root, &made.ciphertext_blob.unwrap(), &[("a", "b")]).await;
        assert_eq!(opened, clear);
    }
    let without = api::GenerateDataKeyWithoutPlaintextRequest {
        key_id: id.clone(),
        key_spec: Some("AES_256".to_owned()),
        ..Default::default()
    };
    let made = root.ok::<op::GenerateDataKeyWithoutPlaintext>(&without).await;
    assert_eq!(
        plaintext(root, &made.ciphertext_blob.unwrap(), &[]).await.len(),
        32
    );
    let neither = api::GenerateDataKeyRequest {
        key_id: id,
        ..Default::default()
    };
    let refused = root.err::<op::GenerateDataKey>(&neither).await;
    assert!(refused.starts_with("ValidationException: "), "{refused}");
    let random = api::GenerateRandomRequest {
        number_of_bytes: Some(9),
        ..Default::default()
    };
    assert_eq!(
        root.ok::<op::GenerateRandom>(&random)
            .await
            .plaintext
            .unwrap()
            .len(),
        9
    );
    let refused = root.err::<op::GenerateRandom>(&Default::default()).await;
    assert_eq!(refused, "ValidationException: NumberOfBytes is required.");
}

#[tokio::test]
async fn re_encryption_needs_both_keys_and_gives_the_other_context() {
    let server = Server::start().await;
    let root = &server.root;
    let (from, from_arn) = key(root).await;
    let (to, to_arn) = key(root).await;
    let blob = ciphertext(root, &from, &[("old", "1")]).await;
    let re_encrypt = api::ReEncryptRequest {
        ciphertext_blob: Some(blob),
        source_encryption_context: context(&[("old", "1")]),
        destination_key_id: to,
        destination_encryption_context: context(&[("new", "2")]),
        ..Default::default()
    };
    let made = root.ok::<op::ReEncrypt>(&re_encrypt).await;
    assert_eq!(made.source_key_id.unwrap(), from_arn);
    assert_eq!(made.key_id.unwrap(), to_arn);
    assert_eq!(
        plaintext(root, &made.ciphertext_blob.unwrap(), &[("new", "2")]).await,
        b"plain"
    );
    for (actions, allowed) in [
        (&["kms:ReEncryptFrom"][..], false),
        (&["kms:ReEncryptTo"], false),
        (&["kms:ReEncrypt*"], true),
    ] {
        let name = format!("u{}", actions[0].replace([':', '*'], ""));
        let policy = serde_json::json!({ "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] });
        let user = server.user(&name, &policy.to_string()).await;
        assert_eq!(
            user.call::<op::ReEncrypt>(&re_encrypt).await.is_ok(),
            allowed,
            "{actions:?}"
        );
    }
}

#[tokio::test]
async fn a_dry_run_says_whether_it_would_succeed_and_does_nothing() {
    let server = Server::start().await;
    let (id, _) = key(&server.root).await;
    let dry = api::EncryptRequest {
        dry_run: Some(true),
        ..encrypt(&id, &[])
    };
    assert_eq!(
        server.root.err::<op::Encrypt>(&dry).await,
        "DryRunOperationException: The request would have succeeded, but the DryRun option is set."
    );
    let stranger = server.user("stranger", "").await;
    let refused = stranger.err::<op::Encrypt>(&dry).await;
    assert!(refused.starts_with("AccessDeniedException: "), "{refused}");
}
