//! Buckets of other accounts.

use serde_json::json;

use super::{root, send, with_bucket};
use crate::accounts::account;

#[tokio::test]
async fn another_account_needs_the_buckets_policy_and_its_own() {
    let server = with_bucket().await;
    let (id, other) = account(&server, "other").await;
    let get = async |client| send(&server, Some(client), "GET", "/docs/a.env", &[], b"").await;
    // Its administrator may everything, but the bucket is not its own; it is not told why.
    let refused = get(&other).await;
    assert_eq!(refused.outcome(), "403 AccessDenied");
    assert!(
        refused.element("Message").starts_with("Access Denied"),
        "{}",
        refused.body
    );
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{id}:root") }, "Action": ["s3:GetObject", "s3:PutObject"],
        "Resource": "arn:aws:s3:::docs/*" }] });
    let put = root(&server, "PUT", "/docs?policy", policy.to_string().as_bytes()).await;
    assert_eq!(put.outcome(), "204");
    assert_eq!(get(&other).await.body, "A=1\n");
    let written = send(&server, Some(&other), "PUT", "/docs/theirs", &[], b"from there").await;
    assert_eq!(written.outcome(), "200", "{}", written.body);
    assert_eq!(root(&server, "GET", "/docs/theirs", b"").await.body, "from there");
    // The bucket's policy is not another account's matter, whatever it allows.
    assert_eq!(
        send(&server, Some(&other), "GET", "/docs?policy", &[], b"")
            .await
            .outcome(),
        "405 MethodNotAllowed"
    );
    assert_eq!(
        send(&server, Some(&other), "PUT", "/docs", &[], b"")
            .await
            .outcome(),
        "409 BucketAlreadyExists"
    );
    let mine = send(&server, Some(&other), "PUT", "/theirs", &[], b"").await;
    assert_eq!(mine.outcome(), "200");
    let copy = [("x-amz-copy-source", "docs/a.env")];
    assert_eq!(
        send(&server, Some(&other), "PUT", "/theirs/copy", &copy, b"")
            .await
            .outcome(),
        "200"
    );
    let expected = [("x-amz-expected-bucket-owner", id.as_str())];
    let wrong = send(&server, Some(&server.root), "GET", "/docs/a.env", &expected, b"").await;
    assert_eq!(wrong.outcome(), "403 AccessDenied");
    let buckets = send(&server, Some(&other), "GET", "/", &[], b"").await;
    assert_eq!(buckets.elements("Name"), ["theirs"]);
}
