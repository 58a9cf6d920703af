//! Pull-through cache rules: images of other registries come when they are pulled, for whoever may have them brought.

use std::sync::Arc;

use portcullis_api::ecr::{self as api, op};
use portcullis_api::secretsmanager;
use portcullis_blobs::Digest;
use portcullis_control::federation::Authorities;
use portcullis_control::upstream::Upstreams;
use serde_json::json;

use super::upstream::Upstream;
use super::{INDEX, MANIFEST, Registry};
use crate::full_disk::Disk;
use crate::harness::{Client, Server};

const DAY_SECONDS: i64 = 24 * 3_600;

/// A server that may ask these registries.
pub async fn server(options: &[String]) -> Server {
    let upstreams = Upstreams::parse(options, &Authorities::default()).unwrap();
    let upstreams = Arc::new(upstreams);
    Server::start_with(move |gate| gate.with_upstreams(upstreams.clone())).await
}

async fn rule(client: &Client, prefix: &str, url: &str, credential_arn: Option<String>) {
    let create = api::CreatePullThroughCacheRuleRequest {
        ecr_repository_prefix: prefix.to_owned(),
        upstream_registry_url: url.to_owned(),
        credential_arn,
        ..Default::default()
    };
    client.ok::<op::CreatePullThroughCacheRule>(&create).await;
}

/// A server with a rule `quay` for an upstream registry that has `team/app:v1`, and root's client.
async fn start() -> (Server, Registry, Upstream, String) {
    let upstream = Upstream::start().await;
    let server = server(&[format!("quay.io={}", upstream.url)]).await;
    rule(&server.root, "quay", "quay.io", None).await;
    let registry = Registry::of(&server, &server.root).await;
    let manifest = upstream.image("team/app", "v1", b"layer");
    (server, registry, upstream, manifest)
}

async fn repository(client: &Client, name: &str) -> Option<api::Repository> {
    let describe = api::DescribeRepositoriesRequest {
        repository_names: Some(vec![name.to_owned()]),
        ..Default::default()
    };
    let reply = client.call::<op::DescribeRepositories>(&describe).await.ok()?;
    reply.repositories.unwrap().pop()
}

const V1: &str = "/v2/quay/team/app/manifests/v1";

#[tokio::test]
async fn a_pull_brings_the_image_once_and_keeps_it_whole() {
    let (server, registry, upstream, manifest) = start().await;
    let head = registry.send("HEAD", V1, &[], b"").await;
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(upstream.asked().len(), 3);
    let got = registry.get(V1).await;
    assert_eq!((got.status, got.body.as_ref()), (200, manifest.as_bytes()));
    assert_eq!(got.header("content-type"), MANIFEST);
    for bytes in [b"{}".as_slice(), b"layer"] {
        let path = format!("/v2/quay/team/app/blobs/{}", Digest::of(bytes));
        assert_eq!(registry.get(&path).await.body, bytes);
    }
    assert!(upstream.asked().is_empty(), "all of it is here");
    let made = repository(&server.root, "quay/team/app").await.unwrap();
    assert_eq!(made.image_tag_mutability.as_deref(), Some("MUTABLE"));
    let names: Vec<_> = server
        .records()
        .await
        .into_iter()
        .map(|record| record["eventName"].clone())
        .collect();
    for name in ["CreateRepository", "BatchImportUpstreamImage", "BatchGetImage"] {
        assert!(names.contains(&json!(name)), "{name}: {names:?}");
    }
}

#[tokio::test]
async fn many_who_pull_at_once_have_it_brought_once() {
    let (_server, registry, upstream, manifest) = start().await;
    let pulls = (0..5).map(|_| registry.get(V1));
    for got in futures_util::future::join_all(pulls).await {
        assert_eq!(got.body, manifest);
    }
    assert_eq!(upstream.asked().len(), 3);
}

#[tokio::test]
async fn a_tag_is_looked_after_once_a_day_and_served_when_nobody_answers() {
    let (server, registry, upstream, first) = start().await;
    assert_eq!(registry.get(V1).await.body, first);
    let second = upstream.image("team/app", "v1", b"newer");
    upstream.asked();
    server.clock.advance_seconds(DAY_SECONDS - 1);
    let registry = Registry::of(&server, &server.root).await;
    assert_eq!(registry.get(V1).await.body, first);
    assert!(upstream.asked().is_empty());
    server.clock.advance_seconds(1);
    assert_eq!(registry.get(V1).await.body, second);
    assert_eq!(
        upstream.asked().len(),
        2,
        "the manifest, and the layer that is new"
    );
    // By its digest the first one is still there.
    let old = format!("/v2/quay/team/app/manifests/{}", Digest::of(first.as_bytes()));
    assert_eq!(registry.get(&old).await.body, first);

    server.clock.advance_seconds(DAY_SECONDS);
    let registry = Registry::of(&server, &server.root).await;
    upstream.put("/v2/team/app/manifests/v1", "503 Service Unavailable", "", b"");
    assert_eq!(registry.get(V1).await.body, second);
}

#[tokio::test]
async fn what_was_pushed_is_never_replaced() {
    let (server, registry, upstream, _) = start().await;
    super::create(&server.root, "quay/team/app").await;
    let own = registry.push_image("quay/team/app", "v1", b"own").await;
    server.clock.advance_seconds(2 * DAY_SECONDS);
    let registry = Registry::of(&server, &server.root).await;
    assert_eq!(registry.get(V1).await.body, own);
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn whoever_has_an_image_brought_needs_to_be_allowed_to() {
    let (server, _, upstream, manifest) = start().await;
    let mut actions = vec!["ecr:GetAuthorizationToken"];
    let allow = |actions: &[&str]| {
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": actions, "Resource": "*" }] })
            .to_string()
    };
    let user = server.user("dev", &allow(&actions)).await;
    let registry = Registry::of(&server, &user).await;
    let resource = "arn:aws:ecr:us-east-1:123456789012:repository/quay/team/app";
    for action in [
        "ecr:BatchGetImage",
        "ecr:BatchImportUpstreamImage",
        "ecr:CreateRepository",
    ] {
        let refused = registry.get(V1).await;
        refused.is(403, "DENIED");
        let text = format!(
            "User: arn:aws:iam::123456789012:user/dev is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
        );
        assert!(refused.error().1.starts_with(&text), "{refused:?}");
        actions.push(action);
        server.allow("dev", "p", &allow(&actions)).await;
    }
    assert!(
        upstream.asked().is_empty(),
        "nobody was asked for those who may not"
    );
    assert!(repository(&server.root, "quay/team/app").await.is_none());
    assert_eq!(registry.get(V1).await.body, manifest);
    // What is here already needs no more than a pull.
    server.allow("dev", "p", &allow(&actions[..2])).await;
    assert_eq!(registry.get(V1).await.body, manifest);
}

#[tokio::test]
async fn a_template_says_what_the_repository_is_like() {
    let (server, registry, _, _) = start().await;
    let create = api::CreateRepositoryCreationTemplateRequest {
        prefix: "quay".to_owned(),
        applied_for: vec!["PULL_THROUGH_CACHE".to_owned()],
        image_tag_mutability: Some("IMMUTABLE".to_owned()),
        ..Default::default()
    };
    server
        .root
        .ok::<op::CreateRepositoryCreationTemplate>(&create)
        .await;
    assert_eq!(registry.get(V1).await.status, 200);
    let made = repository(&server.root, "quay/team/app").await.unwrap();
    assert_eq!(made.image_tag_mutability.as_deref(), Some("IMMUTABLE"));
}

#[tokio::test]
async fn an_index_comes_at_once_and_its_images_when_they_are_asked_for() {
    let (_server, registry, upstream, manifest) = start().await;
    let listed = Digest::of(manifest.as_bytes()).to_string();
    let absent = Digest::of(b"for another architecture").to_string();
    let describe = |digest: &str| json!({ "mediaType": MANIFEST, "digest": digest, "size": 9 });
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [describe(&listed), describe(&absent)] });
    upstream.manifest("team/app", "all", INDEX, &index.to_string());
    let got = registry.get("/v2/quay/team/app/manifests/all").await;
    assert_eq!(
        (got.status, got.body.as_ref()),
        (200, index.to_string().as_bytes())
    );
    assert_eq!(upstream.asked().len(), 1);
    let got = registry
        .get(&format!("/v2/quay/team/app/manifests/{listed}"))
        .await;
    assert_eq!(got.body, manifest);
    assert_eq!(upstream.asked().len(), 3);
    let missing = registry
        .get(&format!("/v2/quay/team/app/manifests/{absent}"))
        .await;
    missing.is(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_rules_secret_is_the_login_and_goes_nowhere_else() {
    let (hub, layers) = (Upstream::start().await, Upstream::start().await);
    let server = server(&[format!("registry-1.docker.io={},{}", hub.url, layers.url)]).await;
    let create = secretsmanager::CreateSecretRequest {
        name: "ecr-pullthroughcache/hub".to_owned(),
        secret_string: Some(json!({ "username": "me", "accessToken": "canary" }).to_string()),
        ..Default::default()
    };
    let secret = server
        .root
        .ok::<secretsmanager::op::CreateSecret>(&create)
        .await
        .arn;
    rule(&server.root, "hub", "registry-1.docker.io", secret).await;
    let registry = Registry::of(&server, &server.root).await;
    let manifest = hub.image("library/app", "v1", b"layer");
    let challenge = format!("Bearer realm=\"{}/token\",service=\"hub\"", hub.url);
    hub.want("Bearer ticket", &challenge);
    let token = "/token?scope=repository%3Alibrary%2Fapp%3Apull&service=hub";
    hub.put(token, "200 OK", "", br#"{"token":"ticket"}"#);
    let digest = Digest::of(b"layer");
    let blob = format!("/v2/library/app/blobs/{digest}");
    hub.put(
        &blob,
        "307 Temporary Redirect",
        &format!("Location: {}/there?x=y\r\n", layers.url),
        b"",
    );
    layers.put("/there?x=y", "200 OK", "", b"layer");

    let got = registry.get("/v2/hub/library/app/manifests/v1").await;
    assert_eq!(got.body, manifest, "{got:?}");
    let asked = hub.asked();
    assert!(
        asked.contains(&(token.to_owned(), "Basic bWU6Y2FuYXJ5".to_owned())),
        "{asked:?}"
    );
    assert!(asked.contains(&(blob, "Bearer ticket".to_owned())), "{asked:?}");
    assert_eq!(layers.asked(), [("/there?x=y".to_owned(), String::new())]);
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(!records.contains("canary") && !records.contains("ticket"));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let upstream = Upstream::start().await;
    let server = server(&[format!("ghcr.io={}", upstream.url)]).await;
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/no-AbCdEf";
    rule(&server.root, "gh", "ghcr.io", Some(arn.to_owned())).await;
    let registry = Registry::of(&server, &server.root).await;
    let refused = registry.get("/v2/gh/app/manifests/v1").await;
    refused.is(403, "DENIED");
    assert!(
        refused
            .error()
            .1
            .starts_with("The ARN of the secret specified in the pull through cache rule was not found.")
    );
    assert!(upstream.asked().is_empty());
}

#[tokio::test]
async fn nobody_is_asked_whom_the_operator_did_not_name() {
    let (server, registry, upstream, _) = start().await;
    rule(&server.root, "k8s", "registry.k8s.io", None).await;
    let refused = registry.get("/v2/k8s/pause/manifests/3").await;
    refused.is(404, "MANIFEST_UNKNOWN");
    assert!(
        refused
            .error()
            .1
            .ends_with("serve --upstream-registry registry.k8s.io=URL"),
        "{refused:?}"
    );

    let other = Upstream::start().await;
    let location = format!("Location: {}/v2/team/app/manifests/v1\r\n", other.url);
    upstream.put("/v2/team/app/manifests/v1", "302 Found", &location, b"");
    registry.get(V1).await.is(503, "UNKNOWN");
    let challenge = format!("Bearer realm=\"{}/token\"", other.url);
    upstream.want("Bearer x", &challenge);
    registry.get(V1).await.is(503, "UNKNOWN");
    assert!(other.asked().is_empty());
    // Round and round is nowhere.
    let (server, registry, upstream, _) = start().await;
    upstream.put(
        "/v2/team/app/manifests/v1",
        "302 Found",
        "Location: /v2/team/app/manifests/v1\r\n",
        b"",
    );
    registry.get(V1).await.is(503, "UNKNOWN");
    assert!(upstream.asked().len() < 6);
    assert!(repository(&server.root, "quay/team/app").await.is_none());
}

async fn images(root: &Client, of: api::Repository) -> Vec<api::ImageIdentifier> {
    let list = api::ListImagesRequest {
        repository_name: of.repository_name.unwrap(),
        ..Default::default()
    };
    root.ok::<op::ListImages>(&list).await.image_ids.unwrap()
}

#[tokio::test]
async fn what_an_upstream_registry_refuses_or_gets_wrong_is_said() {
    let layer = format!("/v2/team/app/blobs/{}", Digest::of(b"layer"));
    let manifest = "/v2/team/app/manifests/v1";
    let wrong = format!("Docker-Content-Digest: {}\r\n", Digest::of(b"other"));
    for (path, status, headers, body, expected, code, words) in [
        (
            manifest,
            "401 Unauthorized",
            "",
            "",
            403,
            "DENIED",
            "denied access to 'team/app'",
        ),
        (
            manifest,
            "403 Forbidden",
            "",
            "",
            403,
            "DENIED",
            "denied access to 'team/app'",
        ),
        (
            manifest,
            "429 Too Many Requests",
            "",
            "",
            429,
            "TOOMANYREQUESTS",
            "asked too often",
        ),
        (manifest, "500 Broken", "", "", 503, "UNKNOWN", "is unavailable"),
        (manifest, "200 OK", &wrong, "{}", 503, "UNKNOWN", "is unavailable"),
        (manifest, "200 OK", "", "<html>", 503, "UNKNOWN", "cannot be kept"),
        (&layer, "404 Not Found", "", "", 503, "UNKNOWN", "it has no layer"),
        (&layer, "200 OK", "", "Layer", 503, "UNKNOWN", "another digest"),
        (
            &layer,
            "200 OK",
            "",
            "longer than it says",
            503,
            "UNKNOWN",
            "another size",
        ),
        (
            manifest,
            "404 Not Found",
            "",
            "",
            404,
            "NAME_UNKNOWN",
            "does not exist in the registry",
        ),
    ] {
        let (server, registry, upstream, whole) = start().await;
        upstream.put(path, status, headers, body.as_bytes());
        let refused = registry.get(V1).await;
        refused.is(expected, code);
        assert!(refused.error().1.contains(words), "{refused:?}");
        // No half image is there, and the next pull goes on.
        if let Some(made) = repository(&server.root, "quay/team/app").await {
            assert_eq!(images(&server.root, made).await, []);
        }
        assert_eq!(upstream.image("team/app", "v1", b"layer"), whole);
        assert_eq!(registry.get(V1).await.body, whole);
    }
}

fn get_v1() -> api::BatchGetImageRequest {
    api::BatchGetImageRequest {
        repository_name: "quay/team/app".to_owned(),
        image_ids: vec![api::ImageIdentifier {
            image_tag: Some("v1".to_owned()),
            image_digest: None,
        }],
        ..Default::default()
    }
}

#[tokio::test]
async fn the_api_brings_images_as_a_pull_does() {
    let (server, _, upstream, manifest) = start().await;
    upstream.put("/v2/team/app/manifests/v1", "429 Too Many Requests", "", b"");
    let reply = server.root.ok::<op::BatchGetImage>(&get_v1()).await;
    let [failure] = reply.failures.as_deref().unwrap() else {
        panic!("{reply:?}");
    };
    assert_eq!(failure.failure_code.as_deref(), Some("UpstreamTooManyRequests"));
    upstream.image("team/app", "v1", b"layer");

    let user = server
        .user("dev", &crate::harness::allow("ecr:BatchGetImage", "*"))
        .await;
    let refused = user.err::<op::BatchGetImage>(&get_v1()).await;
    assert!(
        refused.contains("is not authorized to perform: ecr:BatchImportUpstreamImage on resource"),
        "{refused}"
    );
    let reply = server.root.ok::<op::BatchGetImage>(&get_v1()).await;
    let image = reply.images.unwrap().remove(0);
    assert_eq!(image.image_manifest.as_deref(), Some(manifest.as_str()));
    let layer = api::GetDownloadUrlForLayerRequest {
        repository_name: "quay/team/app".to_owned(),
        layer_digest: Digest::of(b"layer").to_string(),
        ..Default::default()
    };
    server.root.ok::<op::GetDownloadUrlForLayer>(&layer).await;
    // Who may only read has what is here now.
    user.ok::<op::BatchGetImage>(&get_v1()).await;
}

#[tokio::test]
async fn no_more_than_so_many_images_wait_for_a_registry_that_does_not_answer() {
    // It accepts nothing, so that whoever asks it waits.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = server(&[format!("quay.io=http://{}", silent.local_addr().unwrap())]).await;
    rule(&server.root, "quay", "quay.io", None).await;
    let registry = Registry::of(&server, &server.root).await;
    // The same image is brought once, for however many: nobody is refused who waits for another.
    let same = std::iter::repeat_n("same".to_owned(), 100);
    let paths = same.chain((0..40).map(|tag| tag.to_string()));
    let paths: Vec<_> = paths
        .map(|tag| format!("/v2/quay/team/app/manifests/{tag}"))
        .collect();
    let pulls = paths.iter().map(|path| Box::pin(registry.get(path)));
    let (first, place, _) = futures_util::future::select_all(pulls).await;
    first.is(429, "TOOMANYREQUESTS");
    assert!(place >= 100, "{place}");
}

async fn validated(client: &Client, prefix: &str) -> Result<(), String> {
    let validate = api::ValidatePullThroughCacheRuleRequest {
        ecr_repository_prefix: prefix.to_owned(),
        ..Default::default()
    };
    let reply = client.ok::<op::ValidatePullThroughCacheRule>(&validate).await;
    match reply.failure {
        None => {
            assert_eq!(reply.is_valid, Some(true));
            Ok(())
        }
        Some(failure) => {
            assert_eq!(reply.is_valid, Some(false));
            Err(failure)
        }
    }
}

#[tokio::test]
async fn a_rule_is_valid_when_its_registry_lets_its_login_in() {
    let hub = Upstream::start().await;
    let server = server(&[format!("registry-1.docker.io={}", hub.url)]).await;
    let absent = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/no-AbCdEf";
    let create = secretsmanager::CreateSecretRequest {
        name: "ecr-pullthroughcache/hub".to_owned(),
        secret_string: Some(json!({ "username": "me", "accessToken": "canary" }).to_string()),
        ..Default::default()
    };
    let root = &server.root;
    let secret = root.ok::<secretsmanager::op::CreateSecret>(&create).await.arn;
    rule(root, "unread", "registry-1.docker.io", Some(absent.to_owned())).await;
    rule(root, "unnamed", "quay.io", None).await;
    rule(root, "hub", "registry-1.docker.io", secret).await;
    let failure = validated(root, "unread").await.unwrap_err();
    assert!(failure.starts_with("The ARN of the secret"), "{failure}");
    let failure = validated(root, "unnamed").await.unwrap_err();
    assert!(
        failure.ends_with("serve --upstream-registry quay.io=URL"),
        "{failure}"
    );
    assert!(hub.asked().is_empty());

    let failure = validated(root, "hub").await.unwrap_err();
    assert!(failure.contains("is unavailable for"), "{failure}");
    let challenge = format!("Bearer realm=\"{}/token\",service=\"hub\"", hub.url);
    hub.want("Bearer ticket", &challenge);
    hub.put("/token?service=hub", "401 Unauthorized", "", b"");
    let failure = validated(root, "hub").await.unwrap_err();
    assert!(failure.contains("denied access to"), "{failure}");
    hub.put("/v2/", "200 OK", "", b"{}");
    hub.put("/token?service=hub", "200 OK", "", br#"{"token":"ticket"}"#);
    assert_eq!(validated(root, "hub").await, Ok(()));
    let login = ("/token?service=hub".to_owned(), "Basic bWU6Y2FuYXJ5".to_owned());
    assert!(hub.asked().contains(&login));
    // Where an answer would send us to is nobody's business here.
    let elsewhere = Upstream::start().await;
    let location = format!("Location: {}/v2/\r\n", elsewhere.url);
    hub.put("/v2/", "302 Found", &location, b"");
    assert!(validated(root, "hub").await.is_err());
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_image_that_finds_no_room_comes_when_there_is_some() {
    let upstream = Upstream::start().await;
    let upstreams = [format!("quay.io={}", upstream.url)];
    let upstreams = Arc::new(Upstreams::parse(&upstreams, &Authorities::default()).unwrap());
    let (disk, server) = Disk::with_server_of(move |gate| gate.with_upstreams(upstreams.clone())).await;
    rule(&server.root, "quay", "quay.io", None).await;
    super::create(&server.root, "quay/team/app").await;
    let registry = Registry::of(&server, &server.root).await;
    let manifest = upstream.image("team/app", "v1", b"layer");
    disk.fill();
    registry.get(V1).await.is(507, "UNKNOWN");
    disk.free();
    assert_eq!(registry.get(V1).await.body, manifest);
}
