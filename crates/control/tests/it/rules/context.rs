//! The keys of a call by who makes it, and what sessions carry (R106, R108, R109, R127, R131, R159-R162).

use http::Request;
use portcullis_api::iam::op;
use portcullis_api::{ecs, iam, sts};
use portcullis_control::gate::caller::Caller;
use portcullis_control::gate::context::add_global_keys;
use portcullis_control::services::iam::totp;
use portcullis_core::{Clock as _, Partition};
use portcullis_policy::{Context, Value as Held};
use serde_json::{Value, json};

use super::{arn, assumed, document, err, may, ok, role, session, trusting};
use crate::acs::definition_with_roles;
use crate::agent::{client_of, run};
use crate::ecs::Scene;
use crate::harness::{ACCOUNT, Client, Server, allow};

pub(super) const SERIAL: &str = "arn:aws:iam::123456789012:mfa/phone";

/// The global keys of a call this client makes.
fn context_of(server: &Server, client: &Client) -> Context {
    let request = Request::post("http://127.0.0.1:4566/")
        .header("user-agent", "test/1.0")
        .header("referer", "https://example.com/");
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    client.sign("ecs", &mut parts, b"", server.clock.now());
    let service = &portcullis_api::ecs::SERVICE;
    let view = server.gate.world().view();
    let who = server.gate.authenticate(&view, service, &parts, b"").unwrap();
    let call = server
        .gate
        .call(who, service, "ListClusters", &parts, client.peer.clone(), "id");
    let mut context = Context::new();
    add_global_keys(&mut context, &view, &call);
    context
}

/// One value of a key, or `-` when it is absent.
fn value(context: &Context, key: &str) -> String {
    match context.get(key) {
        Some(Held::One(value)) => value.clone(),
        Some(Held::Many(values)) => format!("{values:?}"),
        None => "-".to_owned(),
    }
}

fn keys(context: &Context) -> Vec<&str> {
    context.iter().map(|(key, _)| key).collect()
}

const EVERY_CALL: [&str; 13] = [
    "aws:CurrentTime",
    "aws:EpochTime",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalIsAWSService",
    "aws:PrincipalType",
    "aws:referer",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:SecureTransport",
    "aws:SourceIp",
    "aws:UserAgent",
    "aws:ViaAWSService",
];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut keys: Vec<&str> = EVERY_CALL
        .into_iter()
        .chain(["aws:userid"])
        .chain(more.iter().copied())
        .collect();
    keys.sort_by_key(|key| key.to_lowercase());
    keys
}

#[tokio::test]
async fn r106_each_kind_of_caller_has_its_keys_and_no_others() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    ok::<op::TagUser>(
        &server.root,
        json!({ "UserName": "u", "Tags": [{ "Key": "Team", "Value": "blue" }] }),
    )
    .await;
    assert_eq!(keys(&context_of(&server, &server.root)), with(&[]));
    let own = context_of(&server, &user);
    assert_eq!(keys(&own), with(&["aws:username", "aws:PrincipalTag/Team"]));
    for (key, expected) in [
        ("aws:CurrentTime", "2026-11-22T00:00:00Z"),
        ("aws:EpochTime", "1795305600"),
        ("aws:PrincipalAccount", ACCOUNT),
        ("aws:PrincipalArn", "arn:aws:iam::123456789012:user/u"),
        ("aws:PrincipalIsAWSService", "false"),
        ("aws:PrincipalTag/team", "blue"),
        ("aws:referer", "https://example.com/"),
        ("aws:RequestedRegion", "us-east-1"),
        ("aws:ResourceAccount", ACCOUNT),
        ("aws:SecureTransport", "false"),
        ("aws:SourceIp", "203.0.113.7"),
        ("aws:UserAgent", "test/1.0"),
        ("aws:ViaAWSService", "false"),
    ] {
        assert_eq!(value(&own, key), expected, "{key}");
    }
    let token = user.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    let of_token = context_of(&server, &session(&user, token.credentials));
    let temporary = [
        "aws:username",
        "aws:PrincipalTag/Team",
        "aws:TokenIssueTime",
        "aws:MultiFactorAuthPresent",
    ];
    assert_eq!(keys(&of_token), with(&temporary));
    assert_eq!(value(&of_token, "aws:TokenIssueTime"), "2026-11-22T00:00:00Z");
    let actions = json!(["sts:AssumeRole", "sts:SetSourceIdentity"]);
    let role_arn = role(&server, "r", &trusting(ACCOUNT, &actions), &allow("*", "*")).await;
    let input = json!({ "RoleArn": role_arn, "RoleSessionName": "session", "SourceIdentity": "alice" });
    let of_role = context_of(&server, &assumed(&user, input).await);
    assert_eq!(
        keys(&of_role),
        with(&[
            "aws:TokenIssueTime",
            "aws:MultiFactorAuthPresent",
            "aws:SourceIdentity"
        ])
    );
    assert_eq!(value(&of_role, "aws:PrincipalArn"), role_arn);
    assert_eq!(value(&of_role, "aws:SourceIdentity"), "alice");
}

#[tokio::test]
async fn r106_a_service_that_calls_is_known_by_its_principal() {
    let server = Server::start().await;
    let account = ACCOUNT.parse().unwrap();
    let who = portcullis_control::gate::authenticate::Authenticated {
        caller: Caller::service("ecs-tasks.amazonaws.com", &account, Partition::Aws),
        region: "us-east-1".parse().unwrap(),
    };
    let (parts, ()) = Request::post("http://127.0.0.1:4566/")
        .body(())
        .unwrap()
        .into_parts();
    let peer = server.root.peer.clone();
    let call = server.gate.call(
        who,
        &portcullis_api::sts::SERVICE,
        "AssumeRole",
        &parts,
        peer,
        "id",
    );
    let mut context = Context::new();
    add_global_keys(&mut context, &server.gate.world().view(), &call);
    assert_eq!(
        keys(&context),
        [
            "aws:CurrentTime",
            "aws:EpochTime",
            "aws:PrincipalIsAWSService",
            "aws:PrincipalServiceName",
            "aws:PrincipalServiceNamesList",
            "aws:RequestedRegion",
            "aws:ResourceAccount",
            "aws:SecureTransport",
        ]
    );
    assert_eq!(
        value(&context, "aws:PrincipalServiceName"),
        "ecs-tasks.amazonaws.com"
    );
    assert_eq!(
        value(&context, "aws:PrincipalServiceNamesList"),
        "[\"ecs-tasks.amazonaws.com\"]"
    );
    assert_eq!(value(&context, "aws:PrincipalIsAWSService"), "true");
}

#[tokio::test]
async fn r108_name_id_and_type_by_kind_of_caller() {
    let mut scene = Scene::set().await;
    let definition = definition_with_roles(&scene.server).await;
    let ran = scene
        .server
        .root
        .ok::<ecs::op::RunTask>(&run("c", &definition))
        .await;
    let task_arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    let task_id = task_arn.rsplit('/').next().unwrap();
    let payload = scene.agent.take().await;
    let server = &scene.server;
    let task = client_of(&server.root, payload.tasks[0].role_credentials.as_ref().unwrap());
    let user = server.user("u", &allow("sts:*", "*")).await;
    let user_id = ok::<op::GetUser>(&server.root, json!({ "UserName": "u" })).await["User"]["UserId"].clone();
    let role_id =
        ok::<op::GetRole>(&server.root, json!({ "RoleName": "task" })).await["Role"]["RoleId"].clone();
    let facts = |client: &Client| {
        let context = context_of(server, client);
        ["aws:username", "aws:userid", "aws:PrincipalType"].map(|key| value(&context, key))
    };
    assert_eq!(facts(&server.root), ["-", ACCOUNT, "Account"]);
    let user_id = user_id.as_str().unwrap();
    assert!(user_id.starts_with("AIDA"));
    assert_eq!(facts(&user), ["u", user_id, "User"]);
    let token = user.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    assert_eq!(facts(&session(&user, token.credentials)), ["u", user_id, "User"]);
    for (maker, options) in [
        (&user, json!({})),
        (&server.root, json!({ "Policy": allow("*", "*") })),
    ] {
        let mut input = json!({ "Name": "bob" });
        input
            .as_object_mut()
            .unwrap()
            .extend(options.as_object().unwrap().clone());
        let input = portcullis_wire::json::from_value(&input).unwrap();
        let made = maker.ok::<sts::op::GetFederationToken>(&input).await;
        let bob = format!("{ACCOUNT}:bob");
        assert_eq!(
            facts(&session(maker, made.credentials)),
            ["-", bob.as_str(), "FederatedUser"]
        );
    }
    let role_arn = role(
        server,
        "r",
        &trusting(ACCOUNT, &json!("sts:AssumeRole")),
        &allow("*", "*"),
    )
    .await;
    let of_role = assumed(
        &user,
        json!({ "RoleArn": role_arn, "RoleSessionName": "session-1" }),
    )
    .await;
    let assumed_id =
        ok::<op::GetRole>(&server.root, json!({ "RoleName": "r" })).await["Role"]["RoleId"].clone();
    let assumed_id = format!("{}:session-1", assumed_id.as_str().unwrap());
    assert_eq!(facts(&of_role), ["-", assumed_id.as_str(), "AssumedRole"]);
    let of_task = format!("{}:{task_id}", role_id.as_str().unwrap());
    assert!(of_task.starts_with("AROA"));
    assert_eq!(facts(&task), ["-", of_task.as_str(), "AssumedRole"]);
}

/// Whether a user may assume a role whose trust policy has a condition.
async fn assumes(condition: Value, more: Value) -> bool {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let mut trust = trusting(
        ACCOUNT,
        &json!(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]),
    );
    trust["Condition"] = condition;
    let role_arn = role(&server, "r", &trust, &allow("*", "*")).await;
    let mut input = json!({ "RoleArn": role_arn, "RoleSessionName": "session" });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    may::<sts::op::AssumeRole>(&user, input).await
}

#[tokio::test]
async fn r109_keys_of_sts_describe_the_assume_role_call() {
    let tags = json!([{ "Key": "Team", "Value": "blue" }]);
    for (condition, with, without) in [
        (
            json!({ "StringEquals": { "sts:ExternalId": "42" } }),
            json!({ "ExternalId": "42" }),
            json!({ "ExternalId": "43" }),
        ),
        (
            json!({ "StringEquals": { "sts:RoleSessionName": "session" } }),
            json!({}),
            json!({ "RoleSessionName": "other" }),
        ),
        (
            json!({ "StringEquals": { "sts:SourceIdentity": "alice" } }),
            json!({ "SourceIdentity": "alice" }),
            json!({ "SourceIdentity": "bob" }),
        ),
        (
            json!({ "ForAnyValue:StringEquals": { "sts:TransitiveTagKeys": "Team" } }),
            json!({ "Tags": tags, "TransitiveTagKeys": ["Team"] }),
            json!({ "Tags": tags }),
        ),
        (
            json!({ "StringEquals": { "aws:RequestTag/Team": "blue" } }),
            json!({ "Tags": tags }),
            json!({ "Tags": [{ "Key": "Team", "Value": "red" }] }),
        ),
    ] {
        assert!(assumes(condition.clone(), with).await, "{condition}");
        assert!(!assumes(condition.clone(), without).await, "{condition}");
    }
}

#[tokio::test]
async fn r127_a_role_session_has_the_roles_permissions_only() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let role_arn = role(
        &server,
        "r",
        &trusting(ACCOUNT, &json!("sts:AssumeRole")),
        &allow("ecs:ListClusters", "*"),
    )
    .await;
    let me = assumed(
        &user,
        json!({ "RoleArn": role_arn, "RoleSessionName": "session" }),
    )
    .await;
    assert!(may::<ecs::op::ListClusters>(&me, json!({})).await);
    for refused in [
        err::<ecs::op::DescribeClusters>(&me, json!({ "clusters": ["c"] })).await,
        err::<iam::op::ListUsers>(&me, json!({})).await,
    ] {
        assert!(
            refused.contains(":assumed-role/r/session is not authorized"),
            "{refused}"
        );
    }
    assert!(may::<iam::op::ListUsers>(&user, json!({})).await);
}

#[tokio::test]
async fn r131_session_tags_override_the_roles_and_are_keys_without_case() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let actions = json!(["sts:AssumeRole", "sts:TagSession"]);
    let policy = document(&json!({ "Effect": "Allow", "Action": "ecs:*", "Resource": "*",
        "Condition": { "StringEquals": { "aws:PrincipalTag/team": "blue" } } }));
    let role_arn = role(&server, "r", &trusting(ACCOUNT, &actions), &policy).await;
    ok::<op::TagRole>(
        &server.root,
        json!({ "RoleName": "r", "Tags": [{ "Key": "Team", "Value": "red" }] }),
    )
    .await;
    let plain = assumed(
        &user,
        json!({ "RoleArn": role_arn, "RoleSessionName": "session" }),
    )
    .await;
    assert!(!may::<ecs::op::ListClusters>(&plain, json!({})).await);
    let tags = json!([{ "Key": "TEAM", "Value": "blue" }]);
    let tagged = assumed(
        &user,
        json!({ "RoleArn": role_arn, "RoleSessionName": "session", "Tags": tags }),
    )
    .await;
    assert!(may::<ecs::op::ListClusters>(&tagged, json!({})).await);
}

fn base32(text: &str) -> Vec<u8> {
    let value = |letter| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
    let bits: Vec<u8> = text
        .chars()
        .flat_map(|l| (0..5).rev().map(move |n| (value(l) >> n & 1) as u8))
        .collect();
    bits.chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit))
        .collect()
}

/// A user's MFA device.
pub(crate) struct Phone {
    seed: Vec<u8>,
}

impl Phone {
    pub(crate) async fn enable(server: &Server, user: &str) -> Self {
        let create = iam::CreateVirtualMFADeviceRequest {
            virtual_mfa_device_name: "phone".to_owned(),
            ..Default::default()
        };
        let made = server
            .root
            .ok::<op::CreateVirtualMFADevice>(&create)
            .await
            .virtual_mfa_device;
        let seed = base32(std::str::from_utf8(&made.base32_string_seed.unwrap()).unwrap());
        let phone = Self { seed };
        let enable = json!({ "UserName": user, "SerialNumber": SERIAL,
            "AuthenticationCode1": phone.code(server, -1), "AuthenticationCode2": phone.code(server, 0) });
        ok::<op::EnableMFADevice>(&server.root, enable).await;
        // A code works once: the next call needs the next one.
        server.clock.advance_seconds(60);
        phone
    }

    pub(crate) fn code(&self, server: &Server, offset: i64) -> String {
        format!(
            "{:06}",
            totp::code(&self.seed, totp::step_of(server.clock.now()) + offset).unwrap()
        )
    }
}

#[tokio::test]
async fn r159_r161_when_a_caller_has_mfa_and_how_old_it_is() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let phone = Phone::enable(&server, "u").await;
    let facts = |client: &Client| {
        let context = context_of(&server, client);
        ["aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge"].map(|key| value(&context, key))
    };
    assert_eq!(facts(&user), ["-", "-"], "a long-term key");
    let token = user.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    assert_eq!(facts(&session(&user, token.credentials)), ["false", "-"]);
    let input = sts::GetSessionTokenRequest {
        serial_number: Some(SERIAL.to_owned()),
        token_code: Some(phone.code(&server, 0)),
        ..Default::default()
    };
    let with_mfa = session(
        &user,
        user.ok::<sts::op::GetSessionToken>(&input).await.credentials,
    );
    assert_eq!(facts(&with_mfa), ["true", "0"]);
    server.clock.advance_seconds(90);
    assert_eq!(facts(&with_mfa), ["true", "90"]);
}

#[tokio::test]
async fn r162_trust_policies_see_the_mfa_of_the_call() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let phone = Phone::enable(&server, "u").await;
    let mut trust = trusting(ACCOUNT, &json!("sts:AssumeRole"));
    trust["Condition"] = json!({ "Bool": { "aws:MultiFactorAuthPresent": "true" }, "NumericLessThan": { "aws:MultiFactorAuthAge": "1" } });
    let role_arn = role(&server, "r", &trust, &allow("*", "*")).await;
    let plain = json!({ "RoleArn": role_arn, "RoleSessionName": "session" });
    assert!(!may::<sts::op::AssumeRole>(&user, plain.clone()).await);
    // The code of an earlier call is not that of this one; a session's own MFA counts as its age says.
    let mut with_code = plain;
    with_code["SerialNumber"] = json!(SERIAL);
    with_code["TokenCode"] = json!(phone.code(&server, 0));
    assert!(may::<sts::op::AssumeRole>(&user, with_code).await);
}

#[tokio::test]
async fn r132_a_task_is_its_role_and_its_id() {
    let mut scene = Scene::set().await;
    let definition = definition_with_roles(&scene.server).await;
    let ran = scene
        .server
        .root
        .ok::<ecs::op::RunTask>(&run("c", &definition))
        .await;
    let task_arn = ran.tasks.unwrap().pop().unwrap().task_arn.unwrap();
    let payload = scene.agent.take().await;
    let task = client_of(
        &scene.server.root,
        payload.tasks[0].role_credentials.as_ref().unwrap(),
    );
    let id = task_arn.strip_prefix(&arn("task/c/")).unwrap();
    let who = ok::<sts::op::GetCallerIdentity>(&task, json!({})).await;
    assert_eq!(
        who["Arn"],
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/task/{id}")
    );
    let context = context_of(&scene.server, &task);
    assert_eq!(
        value(&context, "aws:PrincipalArn"),
        format!("arn:aws:iam::{ACCOUNT}:role/task")
    );
}

/// What a client may call: ECS, IAM, and the operations of STS that sessions of users are told apart by.
async fn calls(me: &Client, role_arn: &str) -> Vec<&'static str> {
    let mut may_call = Vec::new();
    let assume = json!({ "RoleArn": role_arn, "RoleSessionName": "session" });
    for (name, may) in [
        ("ecs", may::<ecs::op::ListClusters>(me, json!({})).await),
        ("iam", may::<iam::op::ListUsers>(me, json!({})).await),
        (
            "GetCallerIdentity",
            may::<sts::op::GetCallerIdentity>(me, json!({})).await,
        ),
        ("AssumeRole", may::<sts::op::AssumeRole>(me, assume).await),
        (
            "GetSessionToken",
            may::<sts::op::GetSessionToken>(me, json!({})).await,
        ),
        (
            "GetFederationToken",
            may::<sts::op::GetFederationToken>(me, json!({ "Name": "bob" })).await,
        ),
        (
            "GetAccessKeyInfo",
            may::<sts::op::GetAccessKeyInfo>(me, json!({ "AccessKeyId": me.access_key_id })).await,
        ),
    ] {
        may_call.extend(may.then_some(name));
    }
    may_call
}

#[tokio::test]
async fn r129_what_sessions_of_users_may_call_whatever_their_policies_say() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let trust = trusting(ACCOUNT, &json!("sts:AssumeRole"));
    let role_arn = role(&server, "r", &trust, &allow("*", "*")).await;
    let phone = Phone::enable(&server, "u").await;
    let token = async |input: Value| {
        session(
            &user,
            user.ok::<sts::op::GetSessionToken>(&portcullis_wire::json::from_value(&input).unwrap())
                .await
                .credentials,
        )
    };
    let plain = token(json!({})).await;
    assert_eq!(
        calls(&plain, &role_arn).await,
        ["ecs", "GetCallerIdentity", "AssumeRole"]
    );
    let with_mfa = token(json!({ "SerialNumber": SERIAL, "TokenCode": phone.code(&server, 0) })).await;
    assert_eq!(
        calls(&with_mfa, &role_arn).await,
        ["ecs", "iam", "GetCallerIdentity", "AssumeRole"]
    );
    for maker in [&user, &server.root] {
        let input = sts::GetFederationTokenRequest {
            name: "bob".to_owned(),
            policy: Some(allow("*", "*")),
            ..Default::default()
        };
        let made = maker.ok::<sts::op::GetFederationToken>(&input).await;
        let bob = session(maker, made.credentials);
        assert_eq!(calls(&bob, &role_arn).await, ["ecs", "GetCallerIdentity"]);
    }
    // A role's session is no user's: it may call both services as its policies say.
    let of_role = assumed(
        &user,
        json!({ "RoleArn": role_arn, "RoleSessionName": "session" }),
    )
    .await;
    let may_call = calls(&of_role, &role_arn).await;
    assert_eq!(
        may_call,
        [
            "ecs",
            "iam",
            "GetCallerIdentity",
            "AssumeRole",
            "GetAccessKeyInfo"
        ]
    );
    assert_eq!(
        err::<iam::op::ListUsers>(&plain, json!({})).await,
        "InvalidClientTokenId: The security token included in the request is invalid"
    );
}

#[tokio::test]
async fn r125_limits_and_permissions_of_assume_role() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let role_arn = role(
        &server,
        "r",
        &trusting(ACCOUNT, &json!("sts:AssumeRole")),
        &allow("*", "*"),
    )
    .await;
    let with = |more: Value| {
        let mut input = json!({ "RoleArn": role_arn, "RoleSessionName": "session" });
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        input
    };
    for (more, allowed) in [
        (json!({ "DurationSeconds": 900 }), true),
        (json!({ "DurationSeconds": 899 }), false),
        (json!({ "DurationSeconds": 3_600 }), true),
        (json!({ "DurationSeconds": 3_601 }), false),
        (json!({ "ExternalId": "12" }), true),
        (json!({ "ExternalId": "1" }), false),
        (json!({ "ExternalId": "x".repeat(1_224) }), true),
        (json!({ "ExternalId": "x".repeat(1_225) }), false),
    ] {
        let short = more.to_string().chars().take(60).collect::<String>();
        assert_eq!(
            may::<sts::op::AssumeRole>(&user, with(more)).await,
            allowed,
            "{short}"
        );
    }
    let longer = json!({ "RoleName": "r", "MaxSessionDuration": 7_200 });
    ok::<op::UpdateRole>(&server.root, longer).await;
    assert!(may::<sts::op::AssumeRole>(&user, with(json!({ "DurationSeconds": 7_200 }))).await);
    assert!(!may::<sts::op::AssumeRole>(&user, with(json!({ "DurationSeconds": 7_201 }))).await);
    // Tags and a source identity need their own actions in the trust policy.
    for (more, action) in [
        (
            json!({ "Tags": [{ "Key": "a", "Value": "b" }] }),
            "sts:TagSession",
        ),
        (json!({ "SourceIdentity": "alice" }), "sts:SetSourceIdentity"),
    ] {
        let refused = err::<sts::op::AssumeRole>(&user, with(more.clone())).await;
        assert!(
            refused.contains(&format!("is not authorized to perform: {action} ")),
            "{refused}"
        );
        let trust = document(&trusting(ACCOUNT, &json!(["sts:AssumeRole", action])));
        ok::<op::UpdateAssumeRolePolicy>(&server.root, json!({ "RoleName": "r", "PolicyDocument": trust }))
            .await;
        assert!(may::<sts::op::AssumeRole>(&user, with(more)).await, "{action}");
    }
}
