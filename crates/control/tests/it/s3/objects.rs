//! Buckets and objects: what is written is read again, and what is refused is refused as AWS does.

use super::{go, md5, root, send, with_bucket};
use crate::harness::{HOST, Server};

#[tokio::test]
async fn what_is_put_is_got_with_all_that_was_said_of_it() {
    let server = with_bucket().await;
    let headers = [
        ("content-type", "text/plain"),
        ("x-amz-meta-colour", "green"),
        ("cache-control", "no-store"),
        ("x-amz-tagging", "team=a&of=b%20c"),
    ];
    let put = send(
        &server,
        Some(&server.root),
        "PUT",
        "/docs/x",
        &headers,
        b"hello world",
    )
    .await;
    assert_eq!(put.header("etag"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    assert_eq!(put.header("x-amz-server-side-encryption"), "AES256");
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    let got = root(&server, "GET", "/docs/x", b"").await;
    assert_eq!((got.status, got.body.as_str()), (200, "hello world"));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-length", "11"),
        ("x-amz-meta-colour", "green"),
        ("cache-control", "no-store"),
        ("x-amz-tagging-count", "2"),
        ("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT"),
        ("accept-ranges", "bytes"),
        ("server", "AmazonS3"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    let head = root(&server, "HEAD", "/docs/x", b"").await;
    assert_eq!(
        (head.status, head.body.as_str(), head.header("content-length")),
        (200, "", "11")
    );
}

#[tokio::test]
async fn ranges_and_conditions_are_those_of_http() {
    let server = with_bucket().await;
    root(&server, "PUT", "/docs/x", b"0123456789").await;
    let etag = root(&server, "HEAD", "/docs/x", b"")
        .await
        .header("etag")
        .to_owned();
    let later = "Mon, 23 Nov 2026 00:00:00 GMT";
    let earlier = "Sat, 21 Nov 2026 00:00:00 GMT";
    for (name, value, status, body) in [
        ("range", "bytes=2-4", 206, "234"),
        ("range", "bytes=-2", 206, "89"),
        ("range", "bytes=99-", 416, ""),
        ("if-match", etag.as_str(), 200, "0123456789"),
        ("if-match", "\"other\"", 412, ""),
        ("if-none-match", etag.as_str(), 304, ""),
        ("if-none-match", "\"other\"", 200, "0123456789"),
        ("if-modified-since", later, 304, ""),
        ("if-modified-since", earlier, 200, "0123456789"),
        ("if-unmodified-since", earlier, 412, ""),
        ("if-unmodified-since", later, 200, "0123456789"),
    ] {
        let got = send(
            &server,
            Some(&server.root),
            "GET",
            "/docs/x",
            &[(name, value)],
            b"",
        )
        .await;
        assert_eq!(got.status, status, "{name}: {value}");
        assert!(status >= 400 || got.body == body, "{name}: {value}: {}", got.body);
    }
    let part = send(
        &server,
        Some(&server.root),
        "GET",
        "/docs/x",
        &[("range", "bytes=2-4")],
        b"",
    )
    .await;
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    for (name, value, expected) in [
        ("if-none-match", "*", "412 PreconditionFailed"),
        ("if-match", "\"other\"", "412 PreconditionFailed"),
        ("if-match", etag.as_str(), "200"),
    ] {
        let put = send(
            &server,
            Some(&server.root),
            "PUT",
            "/docs/x",
            &[(name, value)],
            b"new",
        )
        .await;
        assert_eq!(put.outcome(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_request_says_leaves_nothing() {
    let server = with_bucket().await;
    let wrong = md5(b"other");
    let other_sha = "b".repeat(64);
    for (headers, expected) in [
        (vec![("content-md5", wrong.as_str())], "400 BadDigest"),
        (vec![("content-md5", "nonsense")], "400 InvalidDigest"),
        (vec![("x-amz-checksum-crc32", "AAAAAA==")], "400 BadDigest"),
        (vec![("x-amz-checksum-sha256", "AAAAAA==")], "400 InvalidRequest"),
        (
            vec![
                ("x-amz-checksum-crc32", "AAAAAA=="),
                ("x-amz-checksum-sha1", "AAAAAA=="),
            ],
            "400 InvalidRequest",
        ),
        (
            vec![("x-amz-server-side-encryption", "aws:kms:dsse")],
            "501 NotImplemented",
        ),
        (
            vec![("x-amz-storage-class", "GLACIER")],
            "400 InvalidStorageClass",
        ),
        (
            vec![("x-amz-acl", "public-read")],
            "400 AccessControlListNotSupported",
        ),
        (
            vec![("x-amz-object-lock-mode", "GOVERNANCE")],
            "501 NotImplemented",
        ),
        (vec![("x-amz-tagging", "aws:x=1")], "400 InvalidTag"),
    ] {
        let put = send(&server, Some(&server.root), "PUT", "/docs/n", &headers, b"hello").await;
        assert_eq!(put.outcome(), expected, "{headers:?}");
    }
    // The hash of the body is signed, but it is not this body's.
    let request = http::Request::builder()
        .method("PUT")
        .uri(format!("http://{HOST}/docs/n"))
        .header("host", HOST)
        .header("content-length", 5)
        .header("x-amz-content-sha256", &other_sha);
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    server.root.sign("s3", &mut parts, b"hello", server.root.now());
    assert_eq!(
        go(&server, parts, b"hello").await.outcome(),
        "403 SignatureDoesNotMatch"
    );
    assert_eq!(
        root(&server, "GET", "/docs/n", b"").await.outcome(),
        "404 NoSuchKey"
    );
}

#[tokio::test]
async fn names_of_buckets_are_somebodys_and_follow_rules() {
    let server = with_bucket().await;
    for (name, expected) in [
        ("docs", "200"),
        ("ab", "400 InvalidBucketName"),
        ("UPPER-case", "400 InvalidBucketName"),
        ("192.168.5.4", "400 InvalidBucketName"),
        ("a..b", "400 InvalidBucketName"),
        ("-abc", "400 InvalidBucketName"),
        ("xn--abc", "400 InvalidBucketName"),
    ] {
        assert_eq!(
            root(&server, "PUT", &format!("/{name}"), b"").await.outcome(),
            expected,
            "{name}"
        );
    }
    let west = server.root.region("eu-west-1");
    let constraint = |region: &str| {
        format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let make = async |path: &str, body: &str| {
        send(&server, Some(&west), "PUT", path, &[], body.as_bytes())
            .await
            .outcome()
    };
    assert_eq!(make("/west", "").await, "400 IllegalLocationConstraintException");
    assert_eq!(
        make("/west", &constraint("us-west-2")).await,
        "400 IllegalLocationConstraintException"
    );
    assert_eq!(
        make("/west", &constraint("nowhere")).await,
        "400 InvalidLocationConstraint"
    );
    assert_eq!(make("/west", &constraint("eu-west-1")).await, "200");
    assert_eq!(
        make("/west", &constraint("eu-west-1")).await,
        "409 BucketAlreadyOwnedByYou"
    );
    assert_eq!(make("/other", "<nonsense").await, "400 MalformedXML");
    // A bucket is where it is; who asks elsewhere is told where.
    let lost = root(&server, "GET", "/west", b"").await;
    assert_eq!(lost.outcome(), "400 AuthorizationHeaderMalformed");
    assert_eq!(
        (lost.element("Region"), lost.header("x-amz-bucket-region")),
        ("eu-west-1", "eu-west-1")
    );
    let location = send(&server, Some(&west), "GET", "/west?location", &[], b"").await;
    assert!(
        location.body.ends_with(">eu-west-1</LocationConstraint>"),
        "{}",
        location.body
    );
    assert_eq!(
        root(&server, "DELETE", "/docs", b"").await.outcome(),
        "409 BucketNotEmpty"
    );
    assert_eq!(root(&server, "DELETE", "/docs/a.env", b"").await.outcome(), "204");
    assert_eq!(root(&server, "DELETE", "/docs", b"").await.outcome(), "204");
    assert_eq!(
        root(&server, "GET", "/docs", b"").await.outcome(),
        "404 NoSuchBucket"
    );
}

#[tokio::test]
async fn keys_are_listed_in_order_by_prefix_delimiter_and_page() {
    let server = with_bucket().await;
    for key in ["b/1", "b/2", "b/c/3", "b-4", "d", "e/f/g"] {
        root(&server, "PUT", &format!("/docs/{key}"), b"x").await;
    }
    for (query, keys, prefixes) in [
        ("", "a.env b-4 b/1 b/2 b/c/3 d e/f/g", ""),
        ("&prefix=b", "b-4 b/1 b/2 b/c/3", ""),
        ("&delimiter=/", "a.env b-4 d", "b/ e/"),
        ("&delimiter=/&prefix=b/", "b/1 b/2", "b/c/"),
        ("&start-after=b/2", "b/c/3 d e/f/g", ""),
        ("&max-keys=2", "a.env b-4", ""),
        ("&max-keys=0", "", ""),
        ("&prefix=zzz", "", ""),
    ] {
        let page = root(&server, "GET", &format!("/docs?list-type=2{query}"), b"").await;
        assert_eq!(page.elements("Key").join(" "), keys, "{query}");
        let found: Vec<_> = page.elements("Prefix").into_iter().skip(1).collect();
        assert_eq!(found.join(" "), prefixes, "{query}");
    }
    // Pages of every size make the same list, with each prefix once.
    for size in 1..6 {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/docs?list-type=2&delimiter=/&max-keys={size}{token}");
            let page = root(&server, "GET", &path, b"").await;
            all.extend(page.elements("Key").into_iter().map(str::to_owned));
            all.extend(page.elements("Prefix").into_iter().skip(1).map(str::to_owned));
            assert!(page.elements("Key").len() + page.elements("Prefix").len() - 1 <= size);
            if page.element("IsTruncated") == "false" {
                break;
            }
            token = format!("&continuation-token={}", page.element("NextContinuationToken"));
        }
        all.sort_unstable();
        assert_eq!(all, ["a.env", "b-4", "b/", "d", "e/"], "{size}");
    }
    let first = root(&server, "GET", "/docs?delimiter=/&max-keys=3", b"").await;
    assert_eq!(first.element("NextMarker"), "b/");
    let next = root(&server, "GET", "/docs?delimiter=/&marker=b/", b"").await;
    assert_eq!(next.elements("Key").join(" "), "d");
}

#[tokio::test]
async fn many_are_deleted_at_once_and_each_is_decided_by_itself() {
    let server = with_bucket().await;
    root(&server, "PUT", "/docs/keep", b"x").await;
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::docs/a*" }] });
    let user = server.user("mia", &policy.to_string()).await;
    let body = b"<Delete><Object><Key>a.env</Key></Object><Object><Key>keep</Key></Object></Delete>";
    let digest = md5(body);
    let none = send(&server, Some(&user), "POST", "/docs?delete", &[], body).await;
    assert_eq!(none.outcome(), "400 InvalidRequest");
    let done = send(
        &server,
        Some(&user),
        "POST",
        "/docs?delete",
        &[("content-md5", &digest)],
        body,
    )
    .await;
    assert_eq!(done.status, 200);
    assert_eq!(done.elements("Deleted"), ["<Key>a.env"]);
    assert_eq!(
        (done.element("Code"), done.elements("Key").len()),
        ("AccessDenied", 2)
    );
    assert_eq!(root(&server, "GET", "/docs/keep", b"").await.status, 200);
    assert_eq!(root(&server, "GET", "/docs/a.env", b"").await.status, 404);
}

#[tokio::test]
async fn of_many_only_those_go_whose_version_and_entity_tag_are_meant() {
    let server = with_bucket().await;
    let body = b"<Delete><Object><Key>a.env</Key><VersionId>x1</VersionId></Object>\
        <Object><Key>a.env</Key><ETag>\"0123\"</ETag></Object>\
        <Object><Key>none</Key><ETag>\"0123\"</ETag></Object></Delete>";
    let digest = md5(body);
    let headers = [("content-md5", digest.as_str())];
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::docs/*" }] });
    let user = server.user("mia", &policy.to_string()).await;
    let done = send(&server, Some(&user), "POST", "/docs?delete", &headers, body).await;
    assert_eq!(
        done.elements("Code"),
        ["AccessDenied", "PreconditionFailed", "NoSuchKey"]
    );
    let done = send(
        &server,
        Some(&server.root),
        "POST",
        "/docs?delete",
        &headers,
        body,
    )
    .await;
    assert_eq!(done.elements("VersionId"), ["x1"]);
    let kept = root(&server, "GET", "/docs/a.env", b"").await;
    assert_eq!(kept.status, 200);
    let etag = kept.header("etag").to_owned();
    let body = format!(
        "<Delete><Object><Key>a.env</Key><VersionId>null</VersionId><ETag>{etag}</ETag></Object></Delete>"
    );
    let digest = md5(body.as_bytes());
    let headers = [("content-md5", digest.as_str())];
    send(
        &server,
        Some(&server.root),
        "POST",
        "/docs?delete",
        &headers,
        body.as_bytes(),
    )
    .await;
    assert_eq!(root(&server, "GET", "/docs/a.env", b"").await.status, 404);
}

#[tokio::test]
async fn copies_refer_to_the_same_bytes() {
    let server = with_bucket().await;
    let copy = async |headers: &[(&str, &str)], to: &str| {
        send(&server, Some(&server.root), "PUT", to, headers, b"").await
    };
    let source = [("x-amz-copy-source", "/docs/a.env")];
    assert_eq!(copy(&source, "/docs/copy").await.outcome(), "200");
    assert_eq!(copy(&source, "/docs/a.env").await.outcome(), "400 InvalidRequest");
    assert_eq!(
        copy(&[("x-amz-copy-source", "nonsense")], "/docs/copy")
            .await
            .outcome(),
        "400 InvalidArgument"
    );
    assert_eq!(
        copy(&[("x-amz-copy-source", "docs/none")], "/docs/copy")
            .await
            .outcome(),
        "404 NoSuchKey"
    );
    assert_eq!(
        copy(&[("x-amz-copy-source", "none/none")], "/docs/copy")
            .await
            .outcome(),
        "404 NoSuchBucket"
    );
    root(&server, "DELETE", "/docs/a.env", b"").await;
    assert_eq!(root(&server, "GET", "/docs/copy", b"").await.body, "A=1\n");
}

#[tokio::test]
async fn what_is_not_served_is_called_by_its_name() {
    let server = with_bucket().await;
    for (method, path, name) in [
        ("PUT", "/docs?versioning", "PutBucketVersioning"),
        ("GET", "/docs?versions", "ListObjectVersions"),
        ("GET", "/docs?lifecycle", "GetBucketLifecycleConfiguration"),
        ("DELETE", "/docs?lifecycle", "DeleteBucketLifecycle"),
        ("PUT", "/docs?lifecycle", "PutBucketLifecycleConfiguration"),
        ("GET", "/docs?inventory", "ListBucketInventoryConfigurations"),
        ("GET", "/docs?inventory&id=a", "GetBucketInventoryConfiguration"),
        (
            "POST",
            "/docs?metadataTable",
            "CreateBucketMetadataTableConfiguration",
        ),
        (
            "PUT",
            "/docs?metadataJournalTable",
            "UpdateBucketMetadataJournalTableConfiguration",
        ),
        ("GET", "/docs?session", "CreateSession"),
        ("PUT", "/docs/a.env?encryption", "UpdateObjectEncryption"),
        ("PUT", "/docs/a.env?legal-hold", "PutObjectLegalHold"),
        ("POST", "/docs/a.env?restore", "RestoreObject"),
        ("GET", "/docs/a.env?attributes", "GetObjectAttributes"),
    ] {
        let refused = root(&server, method, path, b"").await;
        let expected = format!("The operation {name} is not implemented by this server.");
        assert_eq!(refused.element("Message"), expected, "{method} {path}");
    }
    let rule = b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
    let refused = root(&server, "PUT", "/docs?ownershipControls", rule).await;
    assert_eq!(refused.outcome(), "501 NotImplemented");
    assert!(
        refused.element("Message").contains("BucketOwnerEnforced"),
        "{}",
        refused.body
    );
    assert_eq!(refused.element("Header"), "");
}

#[tokio::test]
async fn what_is_not_served_says_so_and_is_not_done() {
    let server = with_bucket().await;
    for (method, path, expected) in [
        ("PUT", "/docs?versioning", "501 NotImplemented"),
        ("PUT", "/docs?lifecycle", "501 NotImplemented"),
        ("GET", "/docs?cors", "501 NotImplemented"),
        ("GET", "/docs?versions", "501 NotImplemented"),
        ("PUT", "/docs?acl", "400 AccessControlListNotSupported"),
        ("PUT", "/docs/a.env?renameObject", "501 NotImplemented"),
        ("POST", "/docs/a.env?restore", "501 NotImplemented"),
        ("GET", "/docs/a.env?attributes", "501 NotImplemented"),
        ("PATCH", "/docs/a.env", "405 MethodNotAllowed"),
        ("GET", "/docs/a.env?versionId=abc", "404 NoSuchVersion"),
    ] {
        assert_eq!(
            root(&server, method, path, b"").await.outcome(),
            expected,
            "{method} {path}"
        );
    }
    assert_eq!(root(&server, "GET", "/docs/a.env", b"").await.body, "A=1\n");
    let versioning = root(&server, "GET", "/docs?versioning", b"").await;
    assert!(versioning.body.contains("<VersioningConfiguration") && !versioning.body.contains("Status"));
}

#[tokio::test]
async fn bucket_operations_are_on_record_and_object_operations_are_data_events() {
    let server = with_bucket().await;
    root(&server, "GET", "/docs/a.env", b"").await;
    root(&server, "GET", "/docs?policy", b"").await;
    let user = server.user("mia", "").await;
    send(&server, Some(&user), "DELETE", "/docs", &[], b"").await;
    send(&server, Some(&user), "GET", "/docs/a.env", &[], b"").await;
    let records = server.records().await;
    let of_s3 = records
        .iter()
        .filter(|record| record["eventSource"] == "s3.amazonaws.com");
    let shown: Vec<_> = of_s3
        .map(|record| {
            let name = record["eventName"].as_str().unwrap();
            let code = record["errorCode"].as_str().unwrap_or("-");
            format!(
                "{name} {code} {}",
                record["requestParameters"]["bucketName"].as_str().unwrap_or("-")
            )
        })
        .collect();
    let mut sorted = shown.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "CreateBucket - docs",
            "DeleteBucket AccessDenied -",
            "GetBucketPolicy NoSuchBucketPolicy -"
        ]
    );
}

#[tokio::test]
async fn signatures_of_others_times_and_services_are_refused_in_s3s_words() {
    let server: Server = with_bucket().await;
    let unknown = server.root.with("AKIAUNKNOWNUNKNOWN12", "secret", None);
    let wrong = server.root.with("AKIAROOT", "wrong", None);
    let token = server.root.with("AKIAROOT", "root-secret", Some("nonsense"));
    for (client, expected) in [
        (&unknown, "403 InvalidAccessKeyId"),
        (&wrong, "403 SignatureDoesNotMatch"),
        (&token, "400 InvalidToken"),
    ] {
        let got = send(&server, Some(client), "GET", "/docs/a.env", &[], b"").await;
        assert_eq!(got.outcome(), expected);
    }
    let late = |seconds: i64| server.root.now().plus_seconds(seconds);
    for (seconds, expected) in [
        (-900, "200"),
        (-901, "403 RequestTimeTooSkewed"),
        (901, "403 RequestTimeTooSkewed"),
    ] {
        let request = http::Request::get(format!("http://{HOST}/docs/a.env"))
            .header("host", HOST)
            .header("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let body = b"";
        parts.headers.insert(
            "x-amz-content-sha256",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
                .parse()
                .unwrap(),
        );
        server.root.sign("s3", &mut parts, body, late(seconds));
        assert_eq!(go(&server, parts, body).await.outcome(), expected, "{seconds}");
    }
}
