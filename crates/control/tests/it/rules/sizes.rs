//! Sizes at their boundaries (R26, R27): exactly the limit is taken, one more is refused.

use portcullis_api::iam::op;
use portcullis_api::sts;
use serde_json::{Value, json};

use super::{document, err, may, ok, role, trusting};
use crate::harness::{ACCOUNT, Server, allow};

/// A policy that counts that many characters, with white space besides.
fn sized(characters: usize) -> String {
    let bare = allow("ecs:*", "*").len();
    let text = allow(&format!("ecs:{}*", "x".repeat(characters - bare)), "*");
    format!("\r\n\t {} \n", text.replace(',', " ,\n\t"))
}

#[tokio::test]
async fn r26_inline_policies_of_each_holder_at_their_limit() {
    let server = Server::start().await;
    let root = &server.root;
    server.user("u", "").await;
    ok::<op::CreateGroup>(root, json!({ "GroupName": "g" })).await;
    role(
        &server,
        "r",
        &trusting(ACCOUNT, &json!("sts:AssumeRole")),
        &sized(5_000),
    )
    .await;
    let user =
        |name: &str, size| json!({ "UserName": "u", "PolicyName": name, "PolicyDocument": sized(size) });
    let group =
        |name: &str, size| json!({ "GroupName": "g", "PolicyName": name, "PolicyDocument": sized(size) });
    let role =
        |name: &str, size| json!({ "RoleName": "r", "PolicyName": name, "PolicyDocument": sized(size) });
    assert!(!may::<op::PutUserPolicy>(root, user("a", 2_049)).await);
    ok::<op::PutUserPolicy>(root, user("a", 2_048)).await;
    ok::<op::PutGroupPolicy>(root, group("a", 2_500)).await;
    assert!(!may::<op::PutGroupPolicy>(root, group("b", 2_621)).await);
    ok::<op::PutGroupPolicy>(root, group("b", 2_620)).await;
    // 5,000 are there already; all of a role's inline policies count together.
    assert!(!may::<op::PutRolePolicy>(root, role("q", 5_241)).await);
    ok::<op::PutRolePolicy>(root, role("q", 5_240)).await;
    // Replacing one counts it once.
    ok::<op::PutRolePolicy>(root, role("q", 5_240)).await;
}

#[tokio::test]
async fn r25_r26_managed_policies_and_their_versions_at_their_limit() {
    let server = Server::start().await;
    let root = &server.root;
    let create = |name: &str, size| json!({ "PolicyName": name, "PolicyDocument": sized(size) });
    let made = ok::<op::CreatePolicy>(root, create("fits", 6_144)).await;
    let refused = root
        .send::<op::CreatePolicy>(&portcullis_wire::json::from_value(&create("large", 6_145)).unwrap())
        .await;
    let text = String::from_utf8(refused.body.to_vec()).unwrap();
    assert_eq!(refused.status, 409, "{text}");
    assert!(
        text.contains("<Code>LimitExceeded</Code>")
            && text.contains("Cannot exceed quota for PolicySize: 6144"),
        "{text}"
    );
    let version = |size| json!({ "PolicyArn": made["Policy"]["Arn"], "PolicyDocument": sized(size) });
    let refused = err::<op::CreatePolicyVersion>(root, version(6_145)).await;
    assert_eq!(refused, "LimitExceeded: Cannot exceed quota for PolicySize: 6144");
    for _ in 2..=5 {
        ok::<op::CreatePolicyVersion>(root, version(6_144)).await;
    }
    assert!(
        err::<op::CreatePolicyVersion>(root, version(100))
            .await
            .starts_with("LimitExceeded: ")
    );
}

/// A trust policy that counts that many characters.
fn sized_trust(characters: usize) -> String {
    let trust = |sid: &str| {
        let statement = json!({ "Sid": sid, "Effect": "Allow", "Principal": { "AWS": ACCOUNT }, "Action": "sts:AssumeRole" });
        document(&statement)
    };
    let bare = trust("").len();
    trust(&"x".repeat(characters - bare)).replace(',', ",\n  ")
}

#[tokio::test]
async fn r26_trust_policies_at_their_limit_when_made_and_changed() {
    let server = Server::start().await;
    let root = &server.root;
    let create = |size| json!({ "RoleName": "r", "AssumeRolePolicyDocument": sized_trust(size) });
    let refused = "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048";
    assert_eq!(err::<op::CreateRole>(root, create(2_049)).await, refused);
    ok::<op::CreateRole>(root, create(2_048)).await;
    let update = |size| json!({ "RoleName": "r", "PolicyDocument": sized_trust(size) });
    assert_eq!(
        err::<op::UpdateAssumeRolePolicy>(root, update(2_049)).await,
        refused
    );
    ok::<op::UpdateAssumeRolePolicy>(root, update(2_048)).await;
}

#[tokio::test]
async fn r26_a_document_parameter_has_131072_characters_at_most() {
    let server = Server::start().await;
    let root = &server.root;
    server.user("u", "").await;
    let padded = |characters: usize| {
        let policy = allow("ecs:*", "*");
        let policy = format!("{policy}{}", " ".repeat(characters - policy.len()));
        json!({ "UserName": "u", "PolicyName": "p", "PolicyDocument": policy })
    };
    // White space does not count towards the quota of a user, but towards the parameter.
    ok::<op::PutUserPolicy>(root, padded(131_072)).await;
    let refused = err::<op::PutUserPolicy>(root, padded(131_073)).await;
    assert!(
        refused.starts_with("ValidationError: ") && refused.contains("131072"),
        "{:.300}",
        refused
    );
}

#[tokio::test]
async fn r26_ten_attached_policies_of_groups_and_roles() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::CreateGroup>(root, json!({ "GroupName": "g" })).await;
    role(
        &server,
        "r",
        &trusting(ACCOUNT, &json!("sts:AssumeRole")),
        &allow("*", "*"),
    )
    .await;
    for n in 1..=11 {
        let create = json!({ "PolicyName": format!("p{n}"), "PolicyDocument": allow("ecs:*", "*") });
        let arn = ok::<op::CreatePolicy>(root, create).await["Policy"]["Arn"].clone();
        let group = json!({ "GroupName": "g", "PolicyArn": arn });
        let role = json!({ "RoleName": "r", "PolicyArn": arn });
        if n <= 10 {
            ok::<op::AttachGroupPolicy>(root, group).await;
            ok::<op::AttachRolePolicy>(root, role).await;
        } else {
            let quota = |of: &str| format!("LimitExceeded: Cannot exceed quota for {of}: 10");
            assert_eq!(
                err::<op::AttachGroupPolicy>(root, group).await,
                quota("PoliciesPerGroup")
            );
            assert_eq!(
                err::<op::AttachRolePolicy>(root, role).await,
                quota("PoliciesPerRole")
            );
        }
    }
}

async fn assumable(server: &Server) -> (crate::harness::Client, Value) {
    let user = server.user("u", &allow("sts:*", "*")).await;
    let actions = json!(["sts:AssumeRole", "sts:TagSession"]);
    let arn = role(server, "r", &trusting(ACCOUNT, &actions), &allow("*", "*")).await;
    (user, json!({ "RoleArn": arn, "RoleSessionName": "session" }))
}

#[tokio::test]
async fn r26_ten_managed_session_policies() {
    let server = Server::start().await;
    let (user, mut request) = assumable(&server).await;
    let arns = |n: usize| {
        json!(vec![
            json!({ "arn": "arn:aws:iam::aws:policy/ReadOnlyAccess" });
            n
        ])
    };
    request["PolicyArns"] = arns(10);
    ok::<sts::op::AssumeRole>(&user, request.clone()).await;
    request["PolicyArns"] = arns(11);
    assert!(!may::<sts::op::AssumeRole>(&user, request).await);
}

/// Tags whose values no packing makes smaller.
fn noisy_tags(n: usize) -> Value {
    let mut seed: u64 = 1;
    let mut letter = || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
        char::from(letters[usize::try_from(seed >> 58).unwrap()])
    };
    let tags = (0..n)
        .map(|n| json!({ "Key": format!("k{n}"), "Value": (0..256).map(|_| letter()).collect::<String>() }));
    json!(tags.collect::<Vec<_>>())
}

#[tokio::test]
async fn r27_policies_and_tags_share_the_room_of_a_token() {
    let server = Server::start().await;
    let (user, request) = assumable(&server).await;
    let with = |policy: Option<String>, tags: usize| {
        let mut request = request.clone();
        request["Policy"] = json!(policy);
        request["Tags"] = noisy_tags(tags);
        request
    };
    let plain = ok::<sts::op::AssumeRole>(&user, request.clone()).await;
    assert!(plain["PackedPolicySize"].is_null(), "nothing is packed");
    let mut last = 0;
    let mut tags = 1;
    // Every tag takes more of the room, until there is none.
    let refused = loop {
        let input = portcullis_wire::json::from_value(&with(None, tags)).unwrap();
        match user.call::<sts::op::AssumeRole>(&input).await {
            Ok(reply) => {
                let percent = reply.packed_policy_size.unwrap();
                assert!(percent > last && percent <= 100, "{percent}");
                last = percent;
            }
            Err(refused) => break refused.to_string(),
        }
        tags += 1;
    };
    let (before, after) = refused.split_once("consumes ").unwrap();
    assert_eq!(before, "PackedPolicyTooLarge: Packed size of session tags ");
    let (percent, rest) = after.split_once('%').unwrap();
    assert!(percent.parse::<u32>().unwrap() > 100, "{refused}");
    assert_eq!(rest, " of allotted space.");
    // With a policy the last tags that fitted no longer do.
    let policy = allow(
        &format!(
            "ecs:{}",
            noisy_tags(2)[0]["Value"].as_str().unwrap().replace('+', "")
        ),
        "*",
    );
    let refused = err::<sts::op::AssumeRole>(&user, with(Some(policy), tags - 1)).await;
    assert!(
        refused.starts_with("PackedPolicyTooLarge: Packed policy consumes 1"),
        "{refused}"
    );
    assert!(
        refused.ends_with("% of allotted space, please use smaller policy."),
        "{refused}"
    );
}
