//! The endpoint's table of answers, case by case.

use std::path::Path;

use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use portcullis_core::{FixedClock, Secret, Timestamp};

use super::*;
use crate::audit::AuditSettings;
use crate::credentials::{RoleCredentials, RoleKind};

const TASK: &str = "arn:aws:ecs:us-west-2:111122223333:task/probe/aaaa";

struct OnlyNeighbour;

impl Admission for OnlyNeighbour {
    fn admits<'a>(&'a self, caller: Caller<'a>, _: &'a str, _: RoleKind) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(caller.address().to_string() == "172.17.0.2"))
    }
}

struct NoMetadata;

impl Metadata for NoMetadata {
    fn answer<'a>(&'a self, _: &'a str, _: &'a Remote) -> BoxFuture<'a, Option<Answer>> {
        Box::pin(std::future::ready(None))
    }
}

fn endpoint(folder: &Path, compat: bool, limit: RateLimit) -> Endpoint {
    endpoint_at(folder, compat, limit, 1_795_304_278)
}

fn endpoint_at(folder: &Path, compat: bool, limit: RateLimit, seconds: i64) -> Endpoint {
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::at(Timestamp::from_seconds(seconds)));
    let settings = AuditSettings {
        path: Some(folder.join("audit.log")),
        rotation: crate::AuditRotation::default(),
        cluster: "probe".into(),
        compat,
    };
    let audit = AuditLog::open(settings, &folder.join("audit-outbox"), Arc::clone(&clock)).unwrap();
    let cache = Arc::new(CredentialCache::default());
    cache.expect("waiting", TASK, RoleKind::TaskApplication);
    let credentials = RoleCredentials {
        id: "known/with/slashes".into(),
        role_arn: "arn:aws:iam::111122223333:role/taskrole".into(),
        access_key_id: "AKTASK1".into(),
        secret_access_key: Secret::new("sk-<AKTASK1>"),
        session_token: Secret::new("tok-AKTASK1"),
        expiration: "2026-11-22T05:00:00Z".into(),
    };
    cache.put(TASK, RoleKind::TaskExecution, credentials);
    let admission: Arc<dyn Admission> = if compat {
        Arc::new(Anyone)
    } else {
        Arc::new(OnlyNeighbour)
    };
    Endpoint::new(EndpointParts {
        clock,
        cache,
        audit: Arc::new(audit),
        admission,
        metadata: Arc::new(NoMetadata),
        protection: None,
        limit,
        compat,
    })
}

fn connected(remote: &str) -> Remote {
    Remote::new(remote.parse().unwrap(), "169.254.170.2:80".parse().unwrap())
}

async fn ask(endpoint: &Endpoint, method: &str, target: &str, remote: &str) -> http::Response<Full<Bytes>> {
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .header("host", "169.254.170.2")
        .header("user-agent", "probe")
        .body(())
        .unwrap();
    endpoint
        .answer(&request.into_parts().0, b"", &connected(remote))
        .await
}

async fn body(response: http::Response<Full<Bytes>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn agent_1_3_every_case_has_its_status_and_body() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(folder.path(), false, RateLimit::default());
    let ok = r#"{"RoleArn":"arn:aws:iam::111122223333:role/taskrole","AccessKeyId":"AKTASK1","SecretAccessKey":"sk-\u003cAKTASK1\u003e","Token":"tok-AKTASK1","Expiration":"2026-11-22T05:00:00Z"}"#;
    let no_id = |v: u8| {
        format!(
            r#"{{"code":"NoIdInRequest","message":"CredentialsV{v}Request: No Credential ID in the request","HTTPErrorCode":400}}"#
        )
    };
    let unknown = |v: u8| {
        format!(
            r#"{{"code":"InvalidIdInRequest","message":"CredentialsV{v}Request: Credentials not found","HTTPErrorCode":400}}"#
        )
    };
    let waiting = |v: u8| {
        format!(
            r#"{{"code":"CredentialsUninitialized","message":"CredentialsV{v}Request: Credentials uninitialized for ID","HTTPErrorCode":503}}"#
        )
    };
    let cases = [
        ("/v2/credentials/known/with/slashes?ignored=1", 200, ok.to_owned()),
        ("/v1/credentials?id=known/with/slashes", 200, ok.to_owned()),
        ("/v2/credentials/", 400, no_id(2)),
        ("/v1/credentials", 400, no_id(1)),
        ("/v2/credentials/other", 400, unknown(2)),
        ("/v1/credentials?x=1&id=other", 400, unknown(1)),
        ("/v2/credentials/waiting", 503, waiting(2)),
        ("/v1/credentials?id=waiting", 503, waiting(1)),
        ("/v2/credentials", 404, "404 page not found\n".to_owned()),
        ("/", 404, "404 page not found\n".to_owned()),
    ];
    for (target, status, expected) in cases {
        let response = ask(&endpoint, "GET", target, "172.17.0.2:38834").await;
        assert_eq!(response.status(), status, "{target}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-rate-limit-duration"), "1");
        assert_eq!(header("x-rate-limit-limit"), "40.00");
        assert_eq!(header("x-rate-limit-request-forwarded-for"), "");
        assert_eq!(header("x-rate-limit-request-remote-addr"), "172.17.0.2:38834");
        let media = if status == 404 {
            "text/plain; charset=utf-8"
        } else {
            "application/json"
        };
        assert_eq!(header("content-type"), media, "{target}");
        assert_eq!(body(response).await, expected, "{target}");
    }
}

#[tokio::test]
async fn a_neighbours_task_looks_like_an_unknown_id() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(folder.path(), false, RateLimit::default());
    for id in ["known/with/slashes", "waiting", "other"] {
        let response = ask(
            &endpoint,
            "GET",
            &format!("/v2/credentials/{id}"),
            "172.17.0.3:1000",
        )
        .await;
        assert_eq!(response.status(), 400);
        assert!(body(response).await.contains("InvalidIdInRequest"), "{id}");
    }
    let log = std::fs::read_to_string(folder.path().join("audit.log")).unwrap();
    assert_eq!(
        log.lines()
            .filter(|line| line.ends_with(" 400 172.17.0.3:1000 \"/v2/credentials\" \"probe\" - "))
            .count(),
        3
    );
}

#[tokio::test]
async fn only_get_unless_compat() {
    let folder = tempfile::tempdir().unwrap();
    for (compat, expected) in [(false, 405), (true, 200)] {
        let endpoint = endpoint(folder.path(), compat, RateLimit::default());
        for method in ["POST", "HEAD", "DELETE"] {
            let response = ask(
                &endpoint,
                method,
                "/v2/credentials/known/with/slashes",
                "10.0.0.9:1",
            )
            .await;
            assert_eq!(response.status(), expected, "{method} compat={compat}");
        }
    }
}

#[tokio::test]
async fn agent_1_3_doubled_slashes_are_redirected_without_rate_headers() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(folder.path(), false, RateLimit::default());
    let cases = [
        ("//v2//credentials/x", "/v2/credentials/x"),
        ("/v2/credentials//", "/v2/credentials/"),
        ("/v2/./credentials/../x?a=//", "/v2/x?a=//"),
        ("/../..", "/"),
    ];
    for (target, location) in cases {
        let response = ask(&endpoint, "GET", target, "172.17.0.2:1").await;
        assert_eq!(response.status(), 301, "{target}");
        assert_eq!(response.headers()["location"], location);
        assert!(response.headers().get("x-rate-limit-limit").is_none());
    }
}

#[tokio::test]
async fn a_foreign_host_header_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(folder.path(), false, RateLimit::default());
    for (host, status) in [
        ("169.254.170.2:80", 503),
        ("localhost:9000", 503),
        ("rebound.example", 404),
    ] {
        let request = http::Request::get("/v2/credentials/waiting")
            .header("host", host)
            .body(())
            .unwrap();
        let response = endpoint
            .answer(&request.into_parts().0, b"", &connected("172.17.0.2:1"))
            .await;
        assert_eq!(response.status(), status, "{host}");
    }
}

#[tokio::test]
async fn agent_1_3_throttled_requests_of_any_path_are_logged() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(folder.path(), false, RateLimit { steady: 1, burst: 1 });
    assert_eq!(
        ask(&endpoint, "GET", "/v4/zzz", "172.17.0.2:5").await.status(),
        404
    );
    let throttled = ask(&endpoint, "GET", "/v4/zzz", "172.17.0.2:5").await;
    assert_eq!(throttled.status(), 429);
    assert_eq!(throttled.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(body(throttled).await, "You have reached maximum request limit.");
    let log = std::fs::read_to_string(folder.path().join("audit.log")).unwrap();
    assert_eq!(
        log,
        "2026-11-21T23:37:58Z 429 172.17.0.2:5 \"/v4/zzz\" \"probe\" - \n"
    );
    let id = "/v2/credentials/8ceab556-0000-0000-0000-000000000000";
    assert_eq!(ask(&endpoint, "GET", id, "172.17.0.2:5").await.status(), 429);
    let log = std::fs::read_to_string(folder.path().join("audit.log")).unwrap();
    assert!(
        log.ends_with("\"/v2/credentials\" \"probe\" - \n") && !log.contains("8ceab556"),
        "{log}"
    );
}

#[tokio::test]
async fn keys_are_served_until_they_end_and_by_compat_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let ends = "2026-11-22T05:00:00Z".parse::<Timestamp>().unwrap().as_seconds();
    for (seconds, compat, status) in [(ends - 1, false, 200), (ends, false, 503), (ends, true, 200)] {
        let endpoint = endpoint_at(folder.path(), compat, RateLimit::default(), seconds);
        let path = "/v2/credentials/known/with/slashes";
        let response = ask(&endpoint, "GET", path, "172.17.0.2:1").await;
        assert_eq!(response.status(), status, "{seconds} compat={compat}");
        if status == 503 {
            assert!(body(response).await.contains("CredentialsUninitialized"));
        }
    }
}

#[tokio::test]
async fn alternate_spellings_of_a_caller_are_one_caller() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = endpoint(folder.path(), false, RateLimit { steady: 1, burst: 1 });
    let mapped = ask(
        &endpoint,
        "GET",
        "/v2/credentials/waiting",
        "[::ffff:172.17.0.2]:9",
    )
    .await;
    assert_eq!(mapped.status(), 503, "an IPv4 caller on a socket for both");
    assert_eq!(
        mapped.headers()["x-rate-limit-request-remote-addr"],
        "172.17.0.2:9"
    );
    let plain = ask(&endpoint, "GET", "/v2/credentials/waiting", "172.17.0.2:10").await;
    assert_eq!(plain.status(), 429, "its bucket is empty");
}

#[test]
fn escapes_in_queries_are_taken_off() {
    for (text, meant) in [
        ("plain", "plain"),
        ("a%2Fb+c", "a/b c"),
        ("%", "%"),
        ("%4", "%4"),
        ("%zz", "%zz"),
        ("%41%", "A%"),
    ] {
        assert_eq!(decoded(text), meant, "{text}");
    }
}
