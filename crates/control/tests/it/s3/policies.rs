//! Who may: the caller's policies and the bucket's, nobody, and what keeps buckets from being public.

use portcullis_api::iam;
use serde_json::{Value, json};

use super::{root, send, with_bucket};
use crate::harness::{Client, Server};

fn allow(action: &str, resource: &str, condition: Value) -> String {
    let mut statement = json!({ "Effect": "Allow", "Action": action, "Resource": resource });
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn bucket_policy(effect: &str, principal: Value, action: &str, condition: Value) -> String {
    let mut statement = json!({
        "Effect": effect, "Principal": principal, "Action": action,
        "Resource": ["arn:aws:s3:::docs", "arn:aws:s3:::docs/*"],
    });
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

async fn put_policy(server: &Server, policy: &str) -> String {
    root(server, "PUT", "/docs?policy", policy.as_bytes())
        .await
        .outcome()
}

#[tokio::test]
async fn a_user_needs_the_action_on_the_object_or_the_bucket_says_so() {
    let server = with_bucket().await;
    let user = server.user("mia", "").await;
    let get = async || send(&server, Some(&user), "GET", "/docs/a.env", &[], b"").await;
    let refused = get().await;
    assert_eq!(refused.outcome(), "403 AccessDenied");
    let text = refused.element("Message");
    let expected = "User: arn:aws:iam::123456789012:user/mia is not authorized to perform: s3:GetObject on resource: \
                    &quot;arn:aws:s3:::docs/a.env&quot; because no identity-based policy allows the s3:GetObject action";
    assert!(text.starts_with(expected), "{text}");
    let arn = json!({ "AWS": "arn:aws:iam::123456789012:user/mia" });
    assert_eq!(
        put_policy(
            &server,
            &bucket_policy("Allow", arn.clone(), "s3:GetObject", Value::Null)
        )
        .await,
        "204"
    );
    assert_eq!(get().await.body, "A=1\n");
    server.allow("mia", "all", &allow("s3:*", "*", Value::Null)).await;
    assert_eq!(
        put_policy(&server, &bucket_policy("Deny", arn, "s3:GetObject", Value::Null)).await,
        "204"
    );
    assert_eq!(get().await.outcome(), "403 AccessDenied");
    assert_eq!(
        root(&server, "DELETE", "/docs?policy", b"").await.outcome(),
        "204"
    );
    assert_eq!(get().await.status, 200);
}

#[tokio::test]
async fn whether_a_key_is_there_learns_only_who_may_list() {
    let server = with_bucket().await;
    let user = server
        .user("mia", &allow("s3:GetObject", "arn:aws:s3:::docs/*", Value::Null))
        .await;
    let get = async |path: &str| send(&server, Some(&user), "GET", path, &[], b"").await;
    assert_eq!(get("/docs/a.env").await.status, 200);
    let missing = get("/docs/none").await;
    assert_eq!(missing.outcome(), "403 AccessDenied");
    assert!(
        missing
            .element("Message")
            .contains("s3:ListBucket on resource: &quot;arn:aws:s3:::docs&quot;")
    );
    server
        .allow(
            "mia",
            "list",
            &allow("s3:ListBucket", "arn:aws:s3:::docs", Value::Null),
        )
        .await;
    assert_eq!(get("/docs/none").await.outcome(), "404 NoSuchKey");
    assert_eq!(get("/nowhere/none").await.outcome(), "404 NoSuchBucket");
}

/// Request, action, condition, and whether it is allowed then.
const KEYS: &[&str] = &[
    r#"list | s3:ListBucket | {"StringEquals": {"s3:prefix": "b/"}} | yes"#,
    r#"list | s3:ListBucket | {"StringEquals": {"s3:prefix": "c/"}} | no"#,
    r#"list | s3:ListBucket | {"StringEquals": {"s3:delimiter": "/"}} | yes"#,
    r#"list | s3:ListBucket | {"NumericLessThanEquals": {"s3:max-keys": "3"}} | yes"#,
    r#"list | s3:ListBucket | {"NumericLessThanEquals": {"s3:max-keys": "2"}} | no"#,
    r#"get | s3:GetObject | {"StringEquals": {"s3:ExistingObjectTag/team": "a"}} | yes"#,
    r#"get | s3:GetObject | {"StringEquals": {"s3:ExistingObjectTag/team": "b"}} | no"#,
    r#"get | s3:GetObject | {"StringEquals": {"s3:authType": "REST-HEADER"}} | yes"#,
    r#"get | s3:GetObject | {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}} | no"#,
    r#"get | s3:GetObject | {"StringEquals": {"s3:ResourceAccount": "123456789012"}} | yes"#,
    r#"get | s3:GetObject | {"NumericLessThan": {"s3:signatureAge": "600000"}} | yes"#,
    r#"get | s3:GetObject | {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}} | yes"#,
    r#"tag | s3:PutObjectTagging | {"StringEquals": {"s3:RequestObjectTag/team": "b"}} | yes"#,
    r#"tag | s3:PutObjectTagging | {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["x"]}} | no"#,
    r#"owned | s3:PutObject | {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}} | yes"#,
    r#"put | s3:PutObject | {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}} | no"#,
    r#"sealed | s3:PutObject | {"StringEquals": {"s3:x-amz-server-side-encryption": "AES256"}} | yes"#,
    r#"put | s3:PutObject | {"Null": {"s3:x-amz-server-side-encryption": "false"}} | no"#,
];

#[tokio::test]
async fn s3s_condition_keys_are_filled() {
    let server = with_bucket().await;
    let user = server.user("mia", "").await;
    let tagging = "<Tagging><TagSet><Tag><Key>team</Key><Value>b</Value></Tag></TagSet></Tagging>";
    for row in KEYS {
        let columns: Vec<&str> = row.split(" | ").collect();
        let (method, path, headers, body): (_, _, &[(&str, &str)], _) = match columns[0] {
            "list" => (
                "GET",
                "/docs?list-type=2&prefix=b/&delimiter=/&max-keys=3",
                &[],
                "",
            ),
            "get" => ("GET", "/docs/t", &[], ""),
            "tag" => ("PUT", "/docs/t?tagging", &[], tagging),
            "owned" => (
                "PUT",
                "/docs/n",
                &[("x-amz-acl", "bucket-owner-full-control")],
                "x",
            ),
            "sealed" => (
                "PUT",
                "/docs/n",
                &[("x-amz-server-side-encryption", "AES256")],
                "x",
            ),
            _ => ("PUT", "/docs/n", &[], "x"),
        };
        let tags = [("x-amz-tagging", "team=a")];
        send(&server, Some(&server.root), "PUT", "/docs/t", &tags, b"x").await;
        let condition = serde_json::from_str(columns[2]).unwrap();
        server.allow("mia", "p", &allow(columns[1], "*", condition)).await;
        let answer = send(&server, Some(&user), method, path, headers, body.as_bytes()).await;
        assert_eq!(answer.status < 300, columns[3] == "yes", "{row}: {}", answer.body);
    }
}

#[tokio::test]
async fn nobody_gets_anything_before_both_locks_are_off() {
    let server = with_bucket().await;
    let public = bucket_policy("Allow", json!("*"), "s3:GetObject", Value::Null);
    let get = async || send(&server, None, "GET", "/docs/a.env", &[], b"").await;
    assert_eq!(get().await.outcome(), "403 AccessDenied");
    let refused = root(&server, "PUT", "/docs?policy", public.as_bytes()).await;
    assert_eq!(refused.outcome(), "403 AccessDenied");
    assert_eq!(
        refused.element("Message"),
        "User: arn:aws:iam::123456789012:root is not authorized to perform: s3:PutBucketPolicy on resource: \
         &quot;arn:aws:s3:::docs&quot; because public policies are prevented by the BlockPublicPolicy setting in S3 Block \
         Public Access."
    );
    let block = |policy: bool, restrict: bool| {
        format!(
            "<PublicAccessBlockConfiguration><BlockPublicPolicy>{policy}</BlockPublicPolicy>\
             <RestrictPublicBuckets>{restrict}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        )
    };
    let set = async |text: String| {
        root(&server, "PUT", "/docs?publicAccessBlock", text.as_bytes())
            .await
            .outcome()
    };
    assert_eq!(set(block(false, true)).await, "200");
    assert_eq!(put_policy(&server, &public).await, "204");
    assert_eq!(
        root(&server, "GET", "/docs?policyStatus", b"")
            .await
            .element("IsPublic"),
        "true"
    );
    assert_eq!(get().await.outcome(), "403 AccessDenied");
    assert_eq!(set(block(false, false)).await, "200");
    assert_eq!(get().await.body, "A=1\n");
    assert_eq!(
        send(&server, None, "PUT", "/docs/a.env", &[], b"x")
            .await
            .outcome(),
        "403 AccessDenied"
    );
    assert_eq!(
        send(&server, None, "GET", "/docs?policy", &[], b"")
            .await
            .outcome(),
        "403 AccessDenied"
    );
    assert_eq!(
        send(&server, None, "GET", "/docs/a.env?response-expires=0", &[], b"")
            .await
            .outcome(),
        "400 InvalidRequest"
    );
    let bound = bucket_policy(
        "Allow",
        json!("*"),
        "s3:GetObject",
        json!({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}),
    );
    assert_eq!(set(block(true, true)).await, "200");
    assert_eq!(put_policy(&server, &bound).await, "204");
    assert_eq!(get().await.outcome(), "403 AccessDenied");
}

#[tokio::test]
async fn a_bucket_begins_closed_and_shows_how_it_is_set() {
    let server = with_bucket().await;
    let block = root(&server, "GET", "/docs?publicAccessBlock", b"").await;
    assert_eq!(block.body.matches(">true<").count(), 4, "{}", block.body);
    assert_eq!(
        root(&server, "DELETE", "/docs?publicAccessBlock", b"")
            .await
            .status,
        204
    );
    let gone = root(&server, "GET", "/docs?publicAccessBlock", b"").await;
    assert_eq!(gone.outcome(), "404 NoSuchPublicAccessBlockConfiguration");
    let owner = root(&server, "GET", "/docs?ownershipControls", b"").await;
    assert_eq!(owner.element("ObjectOwnership"), "BucketOwnerEnforced");
    assert_eq!(
        root(&server, "GET", "/docs?acl", b"").await.element("Permission"),
        "FULL_CONTROL"
    );
    assert_eq!(
        root(&server, "GET", "/docs?encryption", b"")
            .await
            .element("SSEAlgorithm"),
        "AES256"
    );
    assert_eq!(
        root(&server, "GET", "/docs?tagging", b"").await.outcome(),
        "404 NoSuchTagSet"
    );
}

#[tokio::test]
async fn policies_that_mean_something_else_are_refused() {
    let server = with_bucket().await;
    let of = |resource: &str, action: &str| {
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "AWS": "arn:aws:iam::123456789012:root" }, "Action": action, "Resource": resource }] })
        .to_string()
    };
    for (policy, expected) in [
        ("nonsense".to_owned(), "400 MalformedPolicy"),
        (of("arn:aws:s3:::other/*", "s3:GetObject"), "400 MalformedPolicy"),
        (
            of("arn:aws:s3:::docsother/*", "s3:GetObject"),
            "400 MalformedPolicy",
        ),
        (
            of("arn:aws:s3:::docs/*", "ec2:RunInstances"),
            "400 MalformedPolicy",
        ),
        (
            format!("{:>30000}", of("arn:aws:s3:::docs/*", "s3:GetObject")),
            "400 MalformedPolicy",
        ),
        (of("arn:aws:s3:::docs/*", "s3:GetObject"), "204"),
    ] {
        assert_eq!(put_policy(&server, &policy).await, expected, "{}", policy.trim());
    }
}

#[tokio::test]
async fn a_copy_reads_its_source_with_the_callers_own_permissions() {
    let server = with_bucket().await;
    let user = server
        .user(
            "mia",
            &allow("s3:PutObject", "arn:aws:s3:::docs/mine/*", Value::Null),
        )
        .await;
    let source = [("x-amz-copy-source", "docs/a.env")];
    let copy = async || send(&server, Some(&user), "PUT", "/docs/mine/a", &source, b"").await;
    let refused = copy().await;
    assert!(
        refused.element("Message").contains("s3:GetObject"),
        "{}",
        refused.body
    );
    server
        .allow(
            "mia",
            "read",
            &allow("s3:GetObject", "arn:aws:s3:::docs/a.env", Value::Null),
        )
        .await;
    assert_eq!(copy().await.status, 200);
    let wrong = json!({"StringNotEquals": {"s3:x-amz-copy-source": "docs/a.env"}});
    server
        .allow(
            "mia",
            "p",
            &allow("s3:PutObject", "arn:aws:s3:::docs/mine/*", wrong),
        )
        .await;
    assert_eq!(copy().await.outcome(), "403 AccessDenied");
}

async fn made_anew(server: &Server, name: &str, old: &Client) -> Client {
    let delete = iam::DeleteAccessKeyRequest {
        user_name: Some(name.to_owned()),
        access_key_id: old.access_key_id.clone(),
    };
    server.root.ok::<iam::op::DeleteAccessKey>(&delete).await;
    let delete = iam::DeleteUserRequest {
        user_name: name.to_owned(),
    };
    server.root.ok::<iam::op::DeleteUser>(&delete).await;
    server.user(name, "").await
}

#[tokio::test]
async fn r65_a_user_made_anew_does_not_inherit_a_bucket() {
    let server = with_bucket().await;
    let user = server.user("mia", "").await;
    let arn = "arn:aws:iam::123456789012:user/mia";
    let policy = bucket_policy("Allow", json!({ "AWS": arn }), "s3:GetObject", Value::Null);
    assert_eq!(put_policy(&server, &policy).await, "204");
    let shown = async || root(&server, "GET", "/docs?policy", b"").await.body;
    assert_eq!(shown().await, policy, "as it was written");
    let get = async |user: &Client| send(&server, Some(user), "GET", "/docs/a.env", &[], b"").await;
    assert_eq!(get(&user).await.body, "A=1\n");
    let again = made_anew(&server, "mia", &user).await;
    assert_eq!(get(&again).await.outcome(), "403 AccessDenied");
    let left = shown().await;
    assert!(left.contains("\"AIDA") && !left.contains(arn), "{left}");
    assert_eq!(
        put_policy(&server, &left).await,
        "400 MalformedPolicy",
        "nobody has the id"
    );
    assert_eq!(put_policy(&server, &policy).await, "204");
    assert_eq!(get(&again).await.body, "A=1\n");
}

#[tokio::test]
async fn a_principal_that_is_not_there_is_refused() {
    let server = with_bucket().await;
    let arn = "arn:aws:iam::123456789012:role/none";
    let policy = bucket_policy("Allow", json!({ "AWS": arn }), "s3:GetObject", Value::Null);
    let refused = root(&server, "PUT", "/docs?policy", policy.as_bytes()).await;
    assert_eq!(refused.outcome(), "400 MalformedPolicy");
    assert_eq!(refused.element("Message"), "Invalid principal in policy");
    assert!(refused.element("Detail").contains(arn), "{}", refused.body);
}

#[tokio::test]
async fn a_refused_head_says_its_authorization_id_in_a_header_of_ours() {
    let server = with_bucket().await;
    let user = server.user("mia", "").await;
    let ask = async |method: &str| send(&server, Some(&user), method, "/docs/a.env", &[], b"").await;
    let (head, get) = (ask("HEAD").await, ask("GET").await);
    assert_eq!((head.status, head.body.as_str()), (403, ""));
    assert_eq!(head.header("x-portcullis-authorization-id").len(), 25);
    let message = get.element("Message");
    assert!(
        message.ends_with(get.header("x-portcullis-authorization-id")),
        "{message}"
    );
    let none = root(&server, "HEAD", "/docs/none", b"").await;
    assert_eq!(
        (none.status, none.header("x-portcullis-authorization-id")),
        (404, "")
    );
}
