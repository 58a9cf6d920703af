//! Uploads in parts.

use super::{root, send, with_bucket};
use crate::harness::Server;

const FIVE: usize = 5 * 1024 * 1024;

async fn begin(server: &Server, headers: &[(&str, &str)]) -> String {
    let begun = send(
        server,
        Some(&server.root),
        "POST",
        "/docs/big?uploads",
        headers,
        b"",
    )
    .await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    begun.element("UploadId").to_owned()
}

async fn part(server: &Server, id: &str, number: u32, body: &[u8]) -> (String, String) {
    let path = format!("/docs/big?partNumber={number}&uploadId={id}");
    let put = root(server, "PUT", &path, body).await;
    (put.outcome(), put.header("etag").to_owned())
}

fn named(parts: &[(u32, &str)]) -> Vec<u8> {
    let part = |(number, etag): &(u32, &str)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let parts: String = parts.iter().map(part).collect();
    format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>").into_bytes()
}

#[tokio::test]
async fn parts_become_one_object_in_the_order_of_their_numbers() {
    let server = with_bucket().await;
    let id = begin(&server, &[("x-amz-meta-a", "b")]).await;
    let first = vec![b'1'; FIVE];
    let (_, two) = part(&server, &id, 2, b"tail").await;
    let (_, one) = part(&server, &id, 1, &first).await;
    let (_, _unused) = part(&server, &id, 3, b"unused").await;
    assert_eq!(
        root(&server, "GET", "/docs/big", b"").await.outcome(),
        "404 NoSuchKey"
    );
    let parts = root(
        &server,
        "GET",
        &format!("/docs/big?uploadId={id}&max-parts=2"),
        b"",
    )
    .await;
    assert_eq!(parts.elements("PartNumber"), ["1", "2"]);
    assert_eq!(parts.element("IsTruncated"), "true");
    assert_eq!(
        root(&server, "GET", "/docs?uploads", b"")
            .await
            .element("UploadId"),
        id
    );
    assert_eq!(
        root(&server, "DELETE", "/docs", b"").await.outcome(),
        "409 BucketNotEmpty"
    );
    let path = format!("/docs/big?uploadId={id}");
    for (parts, expected) in [
        (vec![(2, two.as_str()), (1, one.as_str())], "400 InvalidPartOrder"),
        (vec![(1, one.as_str()), (7, two.as_str())], "400 InvalidPart"),
        (vec![(1, two.as_str())], "400 InvalidPart"),
        (
            vec![(2, two.as_str()), (3, "\"57f72a0b5ae6d3d2\"")],
            "400 EntityTooSmall",
        ),
        (vec![], "400 MalformedXML"),
        (vec![(1, one.as_str()), (2, two.as_str())], "200"),
        // The first answer was lost: it is asked again.
        (vec![(1, one.as_str()), (2, two.as_str())], "200"),
    ] {
        assert_eq!(
            root(&server, "POST", &path, &named(&parts)).await.outcome(),
            expected,
            "{parts:?}"
        );
    }
    shows_as_one(&server).await;
}

/// The object, its ranges and its parts.
async fn shows_as_one(server: &Server) {
    let head = root(server, "HEAD", "/docs/big", b"").await;
    assert_eq!(head.header("content-length"), (FIVE + 4).to_string());
    assert!(head.header("etag").ends_with("-2\""));
    assert_eq!(head.header("x-amz-meta-a"), "b");
    let range = [("range", "bytes=5242878-5242881")];
    assert_eq!(
        send(server, Some(&server.root), "GET", "/docs/big", &range, b"")
            .await
            .body,
        "11ta"
    );
    let second = root(server, "GET", "/docs/big?partNumber=2", b"").await;
    assert_eq!(
        (second.body.as_str(), second.header("x-amz-mp-parts-count")),
        ("tail", "2")
    );
    assert_eq!(
        root(server, "GET", "/docs/big?partNumber=3", b"").await.outcome(),
        "416 InvalidPartNumber"
    );
    assert_eq!(
        root(server, "GET", "/docs?uploads", b"")
            .await
            .element("UploadId"),
        ""
    );
}

#[tokio::test]
async fn checksums_of_the_whole_are_those_of_the_bytes() {
    let server = with_bucket().await;
    let whole = [vec![b'x'; FIVE], b"yz".to_vec()].concat();
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME"] {
        let header = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        let kind = [
            ("x-amz-checksum-algorithm", algorithm),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ];
        let id = begin(&server, &kind).await;
        let (_, one) = part(&server, &id, 1, &whole[..FIVE]).await;
        let (_, two) = part(&server, &id, 2, &whole[FIVE..]).await;
        let body = named(&[(1, &one), (2, &two)]);
        let done = root(&server, "POST", &format!("/docs/big?uploadId={id}"), &body).await;
        let checksum = done.element(&format!("Checksum{algorithm}")).to_owned();
        // The same bytes at once, with that checksum claimed of them.
        let put = send(
            &server,
            Some(&server.root),
            "PUT",
            "/docs/once",
            &[(&header, &checksum)],
            &whole,
        )
        .await;
        assert_eq!(put.outcome(), "200", "{algorithm}: {checksum}");
        let shown = send(
            &server,
            Some(&server.root),
            "HEAD",
            "/docs/big",
            &[("x-amz-checksum-mode", "ENABLED")],
            b"",
        )
        .await;
        assert_eq!(shown.header(&header), checksum);
    }
    let id = begin(&server, &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let (_, one) = part(&server, &id, 1, b"only").await;
    let done = root(
        &server,
        "POST",
        &format!("/docs/big?uploadId={id}"),
        &named(&[(1, &one)]),
    )
    .await;
    assert!(done.element("ChecksumSHA256").ends_with("-1"), "{}", done.body);
    assert_eq!(done.element("ChecksumType"), "COMPOSITE");
    let bad = [
        ("x-amz-checksum-algorithm", "SHA256"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ];
    let refused = send(
        &server,
        Some(&server.root),
        "POST",
        "/docs/big?uploads",
        &bad,
        b"",
    )
    .await;
    assert_eq!(refused.outcome(), "400 InvalidRequest");
}

#[tokio::test]
async fn pages_of_uploads_by_prefix_come_to_an_end() {
    let server = with_bucket().await;
    for key in ["a/1", "a/2", "b", "c/1"] {
        root(&server, "POST", &format!("/docs/{key}?uploads"), b"").await;
    }
    let (mut shown, mut marker, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let path = format!("/docs?uploads&delimiter=/&max-uploads=1{marker}");
        let page = root(&server, "GET", &path, b"").await;
        let found = page
            .elements("Key")
            .into_iter()
            .chain(page.elements("CommonPrefixes"));
        shown.extend(found.map(|name| name.replace("<Prefix>", "")));
        pages += 1;
        if page.element("IsTruncated") == "false" || pages > 9 {
            break;
        }
        let (key, id) = (page.element("NextKeyMarker"), page.element("NextUploadIdMarker"));
        marker = format!("&key-marker={key}&upload-id-marker={id}");
    }
    assert_eq!(shown, ["a/", "b", "c/"]);
}

#[tokio::test]
async fn an_upload_that_was_given_up_takes_and_gives_nothing() {
    let server = with_bucket().await;
    let id = begin(&server, &[]).await;
    let (_, one) = part(&server, &id, 1, b"x").await;
    assert_eq!(part(&server, &id, 0, b"x").await.0, "400 InvalidArgument");
    assert_eq!(part(&server, &id, 10_001, b"x").await.0, "400 InvalidArgument");
    assert_eq!(part(&server, "unknown", 1, b"x").await.0, "404 NoSuchUpload");
    let path = format!("/docs/big?uploadId={id}");
    assert_eq!(root(&server, "DELETE", &path, b"").await.outcome(), "204");
    assert_eq!(
        root(&server, "DELETE", &path, b"").await.outcome(),
        "404 NoSuchUpload"
    );
    assert_eq!(part(&server, &id, 2, b"x").await.0, "404 NoSuchUpload");
    assert_eq!(
        root(&server, "POST", &path, &named(&[(1, &one)])).await.outcome(),
        "404 NoSuchUpload"
    );
    let view = server.gate.world().view();
    assert!(view.s3.parts.is_empty() && view.s3.uploads.is_empty());
}

#[tokio::test]
async fn a_part_can_be_a_range_of_another_object() {
    let server = with_bucket().await;
    let id = begin(&server, &[]).await;
    let path = format!("/docs/big?partNumber=1&uploadId={id}");
    let copy = async |range: &str| {
        let headers = [
            ("x-amz-copy-source", "docs/a.env"),
            ("x-amz-copy-source-range", range),
        ];
        send(&server, Some(&server.root), "PUT", &path, &headers, b"").await
    };
    assert_eq!(copy("bytes=2-99").await.outcome(), "416 InvalidRange");
    assert_eq!(copy("bytes=3-2").await.outcome(), "400 InvalidArgument");
    let etag = copy("bytes=1-2").await.element("ETag").replace("&quot;", "\"");
    let done = root(
        &server,
        "POST",
        &format!("/docs/big?uploadId={id}"),
        &named(&[(1, &etag)]),
    )
    .await;
    assert_eq!(done.outcome(), "200", "{}", done.body);
    assert_eq!(root(&server, "GET", "/docs/big", b"").await.body, "=1");
}
