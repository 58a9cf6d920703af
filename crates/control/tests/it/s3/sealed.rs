//! SSE-KMS: bytes rest under a data key of a KMS key, whose policy and state bind every write and read.

use portcullis_api::kms::{self, op};
use portcullis_blobs::Digest;
use serde_json::{Value, json};

use super::{Answer, root, send, with_bucket};
use crate::harness::{Client, Server};
use crate::kms::key;

const KMS: (&str, &str) = ("x-amz-server-side-encryption", "aws:kms");
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CHUNKS: usize = 200_000;

fn allow_when(actions: &Value, condition: &Value) -> String {
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*", "Condition": condition });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

async fn put(server: &Server, by: &Client, path: &str, key: &str, body: &[u8]) -> Answer {
    send(server, Some(by), "PUT", path, &[KMS, (KEY_ID, key)], body).await
}

async fn get(server: &Server, by: &Client, path: &str) -> Answer {
    send(server, Some(by), "GET", path, &[], b"").await
}

fn whole(size: usize) -> String {
    "0123456789".repeat(size / 10)
}

/// Whether an object's only blob holds its bytes as they came.
fn lies_clear(server: &Server, key: &str, body: &str) -> bool {
    let view = server.gate.world().view();
    let object = view.s3.object("docs", key).unwrap();
    assert_eq!(object.size, body.len() as u64);
    object.pieces[0].digest == Digest::of(body.as_bytes()).hex()
}

#[tokio::test]
async fn the_callers_permissions_on_the_key_decide_by_way_of_s3() {
    let server = with_bucket().await;
    let (_, arn) = key(&server.root).await;
    let user = server.user("u", &crate::harness::allow("s3:*", "*")).await;
    let refused = put(&server, &user, "/docs/x", &arn, b"secret").await;
    assert_eq!(refused.outcome(), "403 AccessDenied");
    assert!(refused.body.contains("kms:GenerateDataKey"), "{}", refused.body);
    let through_s3 = json!({ "StringEquals": { "kms:ViaService": "s3.us-east-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::docs/x" } });
    server
        .allow(
            "u",
            "write",
            &allow_when(&json!("kms:GenerateDataKey"), &through_s3),
        )
        .await;
    let body = whole(CHUNKS);
    let written = put(&server, &user, "/docs/x", &arn, body.as_bytes()).await;
    assert_eq!(
        (
            written.outcome().as_str(),
            written.header(KMS.0),
            written.header(KEY_ID)
        ),
        ("200", "aws:kms", arn.as_str())
    );
    assert!(!lies_clear(&server, "x", &body));
    assert_eq!(
        put(&server, &user, "/docs/y", &arn, b"").await.outcome(),
        "403 AccessDenied",
        "of another object"
    );
    let head = send(&server, Some(&user), "HEAD", "/docs/x", &[], b"").await;
    assert_eq!(
        (head.status, head.header(KMS.0)),
        (200, "aws:kms"),
        "what is said of it takes no key"
    );
    let refused = get(&server, &user, "/docs/x").await;
    assert_eq!(refused.outcome(), "403 AccessDenied");
    let with_checksum = [("x-amz-checksum-mode", "ENABLED")];
    let head = send(&server, Some(&user), "HEAD", "/docs/x", &with_checksum, b"").await;
    assert_eq!(head.status, 403, "a checksum tells of the bytes");
    server
        .allow("u", "read", &allow_when(&json!("kms:Decrypt"), &through_s3))
        .await;
    let read = get(&server, &user, "/docs/x").await;
    assert_eq!(
        (read.status, read.body == body, read.header("etag")),
        (200, true, written.header("etag"))
    );
    let head = send(&server, Some(&user), "HEAD", "/docs/x", &with_checksum, b"").await;
    assert_eq!(head.status, 200);
    let range = send(
        &server,
        Some(&user),
        "GET",
        "/docs/x",
        &[("range", "bytes=65530-131080")],
        b"",
    )
    .await;
    assert_eq!(
        (range.status, range.body.as_str()),
        (206, body.get(65_530..131_081).unwrap())
    );
    kms_tells_of_what_s3_used(&server).await;
}

async fn kms_tells_of_what_s3_used(server: &Server) {
    let used = server
        .records()
        .await
        .into_iter()
        .filter(|record| record["eventSource"] == "kms.amazonaws.com");
    let names: Vec<_> = used
        .map(|record| {
            (
                record["eventName"].clone(),
                record["userIdentity"]["invokedBy"].clone(),
            )
        })
        .collect();
    let by_s3 = json!("s3.amazonaws.com");
    assert!(
        names.contains(&(json!("Decrypt"), by_s3.clone()))
            && names.contains(&(json!("GenerateDataKey"), by_s3))
    );
}

/// The bucket's objects are to be under this key, unless their upload says otherwise.
async fn encrypt_by_default(server: &Server, id: &str) {
    let default = format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm>\
         <KMSMasterKeyID>{id}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>\
         </ServerSideEncryptionConfiguration>"
    );
    assert_eq!(
        root(server, "PUT", "/docs?encryption", default.as_bytes())
            .await
            .outcome(),
        "200"
    );
    let shown = root(server, "GET", "/docs?encryption", b"").await;
    assert_eq!(
        (
            shown.element("SSEAlgorithm"),
            shown.element("KMSMasterKeyID"),
            shown.element("BucketKeyEnabled")
        ),
        ("aws:kms", id, "true")
    );
}

#[tokio::test]
async fn a_key_that_is_disabled_or_taken_away_opens_nothing() {
    let server = with_bucket().await;
    let (id, arn) = key(&server.root).await;
    encrypt_by_default(&server, &id).await;
    let written = root(&server, "PUT", "/docs/x", b"secret").await;
    assert_eq!(
        (written.outcome().as_str(), written.header(KEY_ID)),
        ("200", arn.as_str())
    );
    let plain = send(
        &server,
        Some(&server.root),
        "PUT",
        "/docs/plain",
        &[(KMS.0, "AES256")],
        b"open",
    )
    .await;
    assert_eq!(
        plain.header(KMS.0),
        "AES256",
        "the request goes before the bucket"
    );
    assert!(lies_clear(&server, "plain", "open"));
    assert_eq!(
        root(&server, "GET", "/docs/a.env", b"").await.body,
        "A=1\n",
        "what was there stays"
    );
    let disable = kms::DisableKeyRequest { key_id: id.clone() };
    server.root.ok::<op::DisableKey>(&disable).await;
    for (method, body) in [("GET", &b""[..]), ("PUT", &b"more"[..])] {
        let refused = root(&server, method, "/docs/x", body).await;
        assert_eq!(refused.outcome(), "400 KMS.DisabledException", "{method}");
        assert!(refused.body.contains(&arn), "{}", refused.body);
    }
    server
        .root
        .ok::<op::EnableKey>(&kms::EnableKeyRequest { key_id: id.clone() })
        .await;
    assert_eq!(root(&server, "GET", "/docs/x", b"").await.body, "secret");
    let reader = server.user("reader", &crate::harness::allow("*", "*")).await;
    let only_root = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Principal": { "AWS": "*" }, "Condition": { "ArnNotLike": { "aws:PrincipalArn": "*:user/reader" } } }] });
    assert_eq!(get(&server, &reader, "/docs/x").await.body, "secret");
    let policy = kms::PutKeyPolicyRequest {
        key_id: id,
        policy: only_root.to_string(),
        bypass_policy_lockout_safety_check: Some(true),
        ..Default::default()
    };
    server.root.ok::<op::PutKeyPolicy>(&policy).await;
    assert_eq!(
        get(&server, &reader, "/docs/x").await.outcome(),
        "403 AccessDenied"
    );
    assert_eq!(root(&server, "DELETE", "/docs?encryption", b"").await.status, 204);
    assert_eq!(
        root(&server, "PUT", "/docs/y", b"z").await.header(KMS.0),
        "AES256"
    );
}

#[tokio::test]
async fn an_upload_names_a_key_that_is_there_and_the_algorithm_with_it() {
    let server = with_bucket().await;
    let (_, arn) = key(&server.root).await;
    let missing = "1234abcd-12ab-34cd-56ef-1234567890ab";
    let refused = put(&server, &server.root, "/docs/x", missing, b"x").await;
    assert_eq!(refused.outcome(), "400 KMS.NotFoundException");
    let named = send(
        &server,
        Some(&server.root),
        "PUT",
        "/docs/x",
        &[(KEY_ID, &arn)],
        b"x",
    )
    .await;
    assert_eq!(named.outcome(), "400 InvalidArgument");
}

#[tokio::test]
async fn a_bucket_whose_default_can_be_no_key_says_so_to_who_may_write_alone() {
    let server = with_bucket().await;
    let elsewhere = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let user = server
        .user("u", &crate::harness::allow("s3:GetObject", "*"))
        .await;
    for key in ["no key at all", elsewhere] {
        encrypt_by_default(&server, key).await;
        for (method, path) in [("PUT", "/docs/x"), ("POST", "/docs/x?uploads")] {
            let refused = send(&server, Some(&user), method, path, &[], b"").await;
            assert_eq!(refused.outcome(), "403 AccessDenied", "{method}");
            assert!(!refused.body.contains(key), "{}", refused.body);
            assert_eq!(
                send(&server, None, method, path, &[], b"").await.outcome(),
                "403 AccessDenied"
            );
            let refused = root(&server, method, path, b"").await;
            assert_eq!(refused.outcome(), "400 KMS.NotFoundException", "{method}");
        }
        let from = [("x-amz-copy-source", "docs/a.env")];
        let refused = send(&server, Some(&user), "PUT", "/docs/x", &from, b"").await;
        assert_eq!(refused.outcome(), "403 AccessDenied");
        let refused = send(&server, Some(&server.root), "PUT", "/docs/x", &from, b"").await;
        assert_eq!(refused.outcome(), "400 KMS.NotFoundException");
    }
    assert!(server.gate.world().view().s3.object("docs", "x").is_none());
}

#[tokio::test]
async fn nobody_reads_what_is_under_a_key_however_open_the_bucket_is() {
    let server = with_bucket().await;
    assert_eq!(
        root(&server, "DELETE", "/docs?publicAccessBlock", b"")
            .await
            .status,
        204
    );
    let open = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::docs/*" }] });
    assert_eq!(
        root(&server, "PUT", "/docs?policy", open.to_string().as_bytes())
            .await
            .status,
        204
    );
    send(&server, Some(&server.root), "PUT", "/docs/x", &[KMS], b"secret").await;
    assert_eq!(
        send(&server, None, "GET", "/docs/a.env", &[], b"")
            .await
            .outcome(),
        "200"
    );
    assert_eq!(
        send(&server, None, "GET", "/docs/x", &[], b"").await.outcome(),
        "403 AccessDenied"
    );
}

#[tokio::test]
async fn copies_go_from_key_to_key() {
    let server = with_bucket().await;
    let by = &server.root;
    let own = send(&server, Some(by), "PUT", "/docs/own", &[KMS], b"under S3's own").await;
    assert!(
        own.header(KEY_ID).starts_with("arn:aws:kms:us-east-1:"),
        "{own:?}"
    );
    let (_, arn) = key(by).await;
    let from = |source| ("x-amz-copy-source", source);
    let copied = send(
        &server,
        Some(by),
        "PUT",
        "/docs/copy",
        &[from("docs/own"), KMS, (KEY_ID, &arn)],
        b"",
    )
    .await;
    assert_eq!(
        (copied.outcome().as_str(), copied.header(KEY_ID)),
        ("200", arn.as_str())
    );
    assert_eq!(
        root(&server, "GET", "/docs/copy", b"").await.body,
        "under S3's own"
    );
    let cleared = send(&server, Some(by), "PUT", "/docs/clear", &[from("docs/copy")], b"").await;
    assert_eq!(
        (cleared.outcome().as_str(), cleared.header(KMS.0)),
        ("200", "AES256")
    );
    assert!(lies_clear(&server, "clear", "under S3's own"));
}

#[tokio::test]
async fn an_upload_in_parts_is_under_the_key_it_began_with() {
    let server = with_bucket().await;
    let by = &server.root;
    let (_, arn) = key(by).await;
    send(&server, Some(by), "PUT", "/docs/copy", &[KMS], b"under S3's own").await;
    let from = |source| ("x-amz-copy-source", source);
    let begun = send(
        &server,
        Some(by),
        "POST",
        "/docs/big?uploads",
        &[KMS, (KEY_ID, &arn)],
        b"",
    )
    .await;
    let id = begun.element("UploadId").to_owned();
    let first = whole(5 * 1024 * 1024 + 10);
    let mut parts = String::new();
    for (number, body, copy) in [(1, first.as_str(), None), (2, "", Some("docs/copy"))] {
        let path = format!("/docs/big?partNumber={number}&uploadId={id}");
        let headers: Vec<_> = copy.into_iter().map(from).collect();
        let put = send(&server, Some(by), "PUT", &path, &headers, body.as_bytes()).await;
        assert_eq!(
            (put.outcome().as_str(), put.header(KEY_ID)),
            ("200", arn.as_str()),
            "part {number}"
        );
        let etag = if copy.is_some() {
            put.element("ETag").replace("&quot;", "\"")
        } else {
            put.header("etag").to_owned()
        };
        parts.push_str(&format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        ));
    }
    let complete = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let done = root(
        &server,
        "POST",
        &format!("/docs/big?uploadId={id}"),
        complete.as_bytes(),
    )
    .await;
    assert_eq!(
        (done.outcome().as_str(), done.header(KEY_ID)),
        ("200", arn.as_str()),
        "{}",
        done.body
    );
    let expected = format!("{first}under S3's own");
    assert_eq!(
        root(&server, "GET", "/docs/big", b"").await.body.len(),
        expected.len()
    );
    let tail = format!("bytes={}-", first.len() - 3);
    let end = send(&server, Some(by), "GET", "/docs/big", &[("range", &tail)], b"").await;
    assert_eq!(end.body, "789under S3's own");
}

#[tokio::test]
async fn the_etag_of_a_part_under_a_key_does_not_tell_its_bytes() {
    let server = with_bucket().await;
    let by = Some(&server.root);
    let begun = send(&server, by, "POST", "/docs/big?uploads", &[KMS], b"").await;
    let path = format!("/docs/big?partNumber=1&uploadId={}", begun.element("UploadId"));
    let first = root(&server, "PUT", &path, b"guess").await;
    let again = root(&server, "PUT", &path, b"guess").await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_ne!(first.header("etag"), again.header("etag"));
}
