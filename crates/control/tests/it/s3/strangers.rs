//! What callers who do not sign may cost, and whose calls buckets' names may not take over.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use http::Request;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use portcullis_control::s3::{RawBody, is_for, serve};
use serde_json::json;

use super::{md5, root, send, with_bucket};
use crate::accounts::account;
use crate::harness::{Server, without_authorization_id};

fn request(method: &str, host: &str, path: &str, kind: &str) -> Request<()> {
    let request = Request::builder().method(method).uri(path).header("host", host);
    request.header("content-type", kind).body(()).unwrap()
}

async fn open_to_everybody(server: &Server, action: &str) {
    let gone = root(server, "DELETE", "/docs?publicAccessBlock", b"").await;
    assert_eq!(gone.outcome(), "204");
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": action, "Resource": "arn:aws:s3:::docs/*" }] });
    let put = root(server, "PUT", "/docs?policy", policy.to_string().as_bytes()).await;
    assert_eq!(put.outcome(), "204");
}

#[tokio::test]
async fn a_buckets_name_takes_no_calls_from_the_servers_own() {
    let server = with_bucket().await;
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    for (method, host, path, kind, expected) in [
        ("POST", "docs.example.com", "/", form, false),
        ("GET", "docs.example.com", "/a.env", "", false),
        ("POST", "docs.localhost", "/", form, false),
        ("POST", "docs.s3.example.com", "/", form, false),
        ("GET", "docs.localhost:4566", "/a.env", "", true),
        ("GET", "docs.s3.example.com", "/a.env", "", true),
        ("GET", "docs.s3.eu-west-1.amazonaws.com", "/a.env", "", true),
        ("GET", "example.com", "/docs/a.env", "", true),
        ("GET", "none.localhost", "/a.env", "", false),
        ("GET", &("a.".repeat(7_500) + "s3.c"), "/a.env", "", false),
    ] {
        let request = request(method, host, path, kind);
        assert_eq!(
            is_for(&server.accounts, &request),
            expected,
            "{method} {host}{path}"
        );
    }
}

#[tokio::test]
async fn documents_of_nobody_are_not_read_where_nothing_allows_him() {
    let server = with_bucket().await;
    for (method, path) in [
        ("POST", "/docs?delete"),
        ("PUT", "/docs?policy"),
        ("PUT", "/fresh-bucket"),
    ] {
        let request = request(method, "s3.example.com", path, "text/xml");
        let (mut parts, ()) = request.into_parts();
        parts.headers.insert("content-length", "4000000".parse().unwrap());
        // Whoever waits for its end waits for a minute.
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"<")))]);
        let body = RawBody::new(StreamBody::new(first.chain(stream::pending())));
        let served = serve(&server.accounts, parts, body, server.root.peer.clone());
        let answer = tokio::time::timeout(Duration::from_secs(20), served).await;
        assert_eq!(answer.expect("it is not read").status(), 403, "{method} {path}");
    }
}

#[tokio::test]
async fn documents_of_nobody_are_small() {
    let server = with_bucket().await;
    open_to_everybody(&server, "s3:DeleteObject").await;
    let delete = async |padding: usize| {
        let padding = " ".repeat(padding);
        let body = format!("<Delete>{padding}<Object><Key>a.env</Key></Object></Delete>");
        let digest = md5(body.as_bytes());
        let headers = [("content-md5", digest.as_str())];
        send(&server, None, "POST", "/docs?delete", &headers, body.as_bytes()).await
    };
    assert_eq!(delete(300_000).await.outcome(), "400 MaxMessageLengthExceeded");
    assert_eq!(delete(100_000).await.elements("Key"), ["a.env"]);
    assert_eq!(root(&server, "GET", "/docs/a.env", b"").await.status, 404);
}

#[tokio::test]
async fn a_thousand_refused_deletions_are_one_refusal_and_take_no_turn_among_the_writers() {
    let server = with_bucket().await;
    let user = server.user("mia", "").await;
    let keys: String = (0..1_000)
        .map(|key| format!("<Object><Key>k{key}</Key></Object>"))
        .collect();
    let body = format!("<Delete>{keys}</Delete>");
    let digest = md5(body.as_bytes());
    let headers = [("content-md5", digest.as_str())];
    let before = server.gate.world().view().sequence;
    let refused = send(
        &server,
        Some(&user),
        "POST",
        "/docs?delete",
        &headers,
        body.as_bytes(),
    )
    .await;
    assert_eq!(server.gate.world().view().sequence, before);
    assert_eq!(refused.elements("Code"), ["AccessDenied"; 1_000]);
    let ids = refused.elements("Message").into_iter();
    let ids: BTreeSet<_> = ids.filter_map(|text| without_authorization_id(text).1).collect();
    assert_eq!(ids.len(), 1);
    let reasons = server.gate.why(refused.header("x-amz-request-id"));
    assert_eq!(reasons.len(), 16);
}

#[tokio::test]
async fn a_buckets_name_belongs_to_whoever_made_it_last() {
    let server = with_bucket().await;
    let (_, other) = account(&server, "other").await;
    let ask = async |client, method, path| {
        send(&server, Some(client), method, path, &[], b"")
            .await
            .outcome()
    };
    for (one, another) in [
        (&server.root, &other),
        (&other, &server.root),
        (&server.root, &other),
    ] {
        assert_eq!(ask(one, "PUT", "/shared-name").await, "200");
        assert_eq!(
            ask(another, "PUT", "/shared-name").await,
            "409 BucketAlreadyExists"
        );
        assert_eq!(ask(another, "GET", "/shared-name").await, "403 AccessDenied");
        assert_eq!(ask(one, "DELETE", "/shared-name").await, "204");
        assert_eq!(ask(one, "GET", "/shared-name").await, "404 NoSuchBucket");
    }
}
