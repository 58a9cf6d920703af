use std::sync::Arc;

use http::request::Parts;
use http_body_util::BodyExt as _;
use portcullis_core::{Clock, FixedClock, SeededRandom, Tag, Tags};
use serde_json::Value;

use super::answer::Service;
use super::facts::Facts;
use super::role::RoleKeeper;
use super::server::listen;
use super::token::Tokens;
use crate::plane::{ControlPlane, InstanceCredentialsProvider};
use crate::{CredentialsSource, Seams};

const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/hosts/mi-0123456789abcdef0";

struct Host {
    service: Service,
    clock: Arc<FixedClock>,
    folder: tempfile::TempDir,
}

fn facts() -> Facts {
    let mut tags = Tags::new();
    tags.set(Tag::new("stage", "test"));
    tags.set(Tag::new("a/b", "no name of a file"));
    Facts {
        partition: "aws".to_owned(),
        account: "123456789012".to_owned(),
        region: "eu-west-1".to_owned(),
        instance_id: "i-0123456789abcdef0".to_owned(),
        hostname: "host1".to_owned(),
        address: Some("10.0.0.5".parse().unwrap()),
        mac: Some("02:00:00:00:00:05".to_owned()),
        instance_type: None,
        image_id: None,
        tags: Some(tags),
        since: "2026-11-22T00:00:00Z".parse().unwrap(),
    }
}

impl Host {
    /// With credentials in a file, of whoever STS said.
    fn new(caller: &str, keys: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("instance-role"), caller).unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, keys).unwrap();
        let clock = Arc::new(FixedClock::at("2026-11-22T00:00:00Z".parse().unwrap()));
        let credentials = Arc::new(InstanceCredentialsProvider::new(CredentialsSource::File(file)).unwrap());
        let clock_seam: Arc<dyn Clock> = Arc::clone(&clock) as Arc<_>;
        let plane = ControlPlane::new(
            "http://127.0.0.1:1",
            "eu-west-1",
            Arc::clone(&credentials),
            Arc::clone(&clock_seam),
        )
        .unwrap();
        let random = Arc::new(SeededRandom::new(1));
        let service = Service {
            facts: facts(),
            roles: Arc::new(RoleKeeper::new(plane, Arc::clone(&credentials), folder.path())),
            credentials,
            tokens: Tokens::new(random.as_ref()),
            seams: Seams {
                clock: clock_seam,
                random,
            },
            allow_v1: false,
        };
        Self {
            service,
            clock,
            folder,
        }
    }

    fn of_a_role() -> Self {
        let keys = r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"sk","Token":"tok","Expiration":"2026-11-22T06:00:00Z"}"#;
        Self::new(ROLE, keys)
    }

    /// Status and body.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let answer = self.service.answer(&request(method, path, headers));
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn token(&self) -> String {
        let (status, token) = self
            .ask(
                "PUT",
                "/latest/api/token",
                &[("X-aws-ec2-metadata-token-ttl-seconds", "60")],
            )
            .await;
        assert_eq!(status, 200);
        token
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let token = self.token().await;
        self.ask("GET", path, &[("X-aws-ec2-metadata-token", &token)])
            .await
    }
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

#[tokio::test]
async fn without_a_good_token_nothing_is_told() {
    let host = Host::of_a_role();
    let token = host.token().await;
    let path = "/latest/meta-data/instance-id";
    let good = [("x-aws-ec2-metadata-token", token.as_str())];
    assert_eq!(host.ask("GET", path, &good).await.0, 200);
    assert_eq!(host.ask("HEAD", path, &good).await.0, 200);
    for path in [
        "/",
        "/latest",
        path,
        "/latest/dynamic/instance-identity/document",
        "/none",
    ] {
        assert_eq!(host.ask("GET", path, &[]).await.0, 401, "{path}");
        let bad = [("x-aws-ec2-metadata-token", "bad")];
        assert_eq!(host.ask("GET", path, &bad).await.0, 401, "{path}");
    }
    host.clock.advance_seconds(60);
    assert_eq!(host.ask("GET", path, &good).await.0, 401);
}

#[tokio::test]
async fn a_token_takes_a_put_with_a_life_and_no_forwarder() {
    let host = Host::of_a_role();
    let path = "/latest/api/token";
    let ttl = "x-aws-ec2-metadata-token-ttl-seconds";
    for (headers, expected) in [
        (vec![(ttl, "21600")], 200),
        (vec![(ttl, "1")], 200),
        (vec![], 400),
        (vec![(ttl, "0")], 400),
        (vec![(ttl, "21601")], 400),
        (vec![(ttl, "-1")], 400),
        (vec![(ttl, "abc")], 400),
        (vec![(ttl, "60"), ("x-forwarded-for", "10.0.0.9")], 403),
        (vec![(ttl, "60"), ("X-Forwarded-For", "")], 403),
    ] {
        assert_eq!(host.ask("PUT", path, &headers).await.0, expected, "{headers:?}");
    }
    for method in ["GET", "POST", "DELETE", "CONNECT"] {
        let status = host.ask(method, path, &[(ttl, "60")]).await.0;
        assert!(matches!(status, 401 | 405), "{method}: {status}");
    }
    assert_eq!(host.ask("PUT", "/latest/meta-data/", &[(ttl, "60")]).await.0, 405);
    let token = host.token().await;
    let forwarded = [
        ("x-aws-ec2-metadata-token", token.as_str()),
        ("x-forwarded-for", "::1"),
    ];
    assert_eq!(host.ask("GET", "/latest/meta-data/mac", &forwarded).await.0, 403);
}

#[tokio::test]
async fn version_1_is_spoken_only_where_it_was_asked_for() {
    let mut host = Host::of_a_role();
    host.service.allow_v1 = true;
    assert_eq!(host.ask("GET", "/latest/meta-data/mac", &[]).await.0, 200);
    let bad = [("x-aws-ec2-metadata-token", "bad")];
    assert_eq!(host.ask("GET", "/latest/meta-data/mac", &bad).await.0, 401);
}

#[tokio::test]
async fn the_host_finds_itself() {
    let host = Host::of_a_role();
    let mut shown = String::new();
    for path in [
        "/",
        "/latest",
        "/latest/meta-data/",
        "/latest/meta-data",
        "/latest//meta-data/placement/",
        "/latest/meta-data/placement/availability-zone",
        "/latest/meta-data/placement/region",
        "/latest/meta-data/instance-id",
        "/latest/meta-data/local-ipv4",
        "/latest/meta-data/mac",
        "/latest/meta-data/hostname",
        "/latest/meta-data/network/interfaces/macs/",
        "/latest/meta-data/network/interfaces/macs/02:00:00:00:00:05",
        "/latest/meta-data/tags/instance",
        "/latest/meta-data/tags/instance/stage",
        "/latest/meta-data/iam",
        "/latest/meta-data/iam/info",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/hosts",
        "/latest/dynamic/instance-identity/",
        "/latest/dynamic/instance-identity/document",
    ] {
        let (status, body) = host.get(path).await;
        shown.push_str(&format!("GET {path}\n{status}\n{body}\n\n"));
    }
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let host = Host::of_a_role();
    for path in [
        "/latest/dynamic/instance-identity/signature",
        "/latest/dynamic/instance-identity/pkcs7",
        "/latest/dynamic/instance-identity/rsa2048",
        "/latest/user-data",
        "/latest/meta-data/ami-id",
        "/latest/meta-data/instance-type",
        "/latest/meta-data/spot/instance-action",
        "/latest/meta-data/iam/security-credentials/other",
        "/latest/meta-data/iam/security-credentials/hosts/more",
        "/latest/meta-data/tags/instance/a/b",
        "/latest/meta-data/../meta-data/mac",
        "/latest/meta-data/%6dac",
        "/2009-04-04/meta-data/mac",
        "/favicon.ico",
    ] {
        assert_eq!(host.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn credentials_that_are_no_roles_are_not_shown() {
    let user = "arn:aws:iam::123456789012:user/mia";
    let long = r#"{"AccessKeyId":"AKIA1","SecretAccessKey":"sk"}"#;
    let session = r#"{"AccessKeyId":"ASIA1","SecretAccessKey":"sk","Token":"tok"}"#;
    for (caller, keys) in [(user, long), (user, session), (ROLE, long), ("", session)] {
        let host = Host::new(caller, keys);
        for path in [
            "iam",
            "iam/info",
            "iam/security-credentials/",
            "iam/security-credentials/hosts",
        ] {
            let found = host.get(&format!("/latest/meta-data/{path}")).await;
            assert_eq!(found.0, 404, "{caller} {keys} {path}");
        }
        let list = host.get("/latest/meta-data/").await.1;
        assert!(!list.contains("iam/"), "{list}");
    }
    // Whose end is not known ends within an hour.
    let host = Host::new(ROLE, session);
    let keys = host
        .get("/latest/meta-data/iam/security-credentials/hosts")
        .await
        .1;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    assert_eq!(keys["Expiration"], "2026-11-22T01:00:00Z");
}

#[test]
fn secrets_stay_out_of_debug_texts() {
    let host = Host::of_a_role();
    let shown = format!("{:?}", host.service);
    assert!(!shown.contains("\"sk\"") && !shown.contains("tok\""), "{shown}");
    drop(host.folder);
}

/// Loopback addresses other than the service's own: binding to `lo` needs a privilege that not every machine gives.
#[tokio::test]
async fn answers_live_as_many_hops_as_said_and_only_lo_is_listened_on() {
    for (address, hops) in [("127.0.0.1:0", 1), ("127.0.0.1:0", 64), ("[::1]:0", 2)] {
        let listener = match listen(address.parse().unwrap(), hops) {
            Ok(listener) => listener,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
            Err(error) if address.starts_with('[') => {
                assert_ne!(error.kind(), std::io::ErrorKind::InvalidInput);
                continue;
            }
            Err(error) => panic!("{address}: {error}"),
        };
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, served) = tokio::join!(client, listener.accept());
        let (_client, (served, _)) = (client.unwrap(), served.unwrap());
        let found = match served.local_addr().unwrap() {
            std::net::SocketAddr::V4(_) => rustix::net::sockopt::ip_ttl(&served).unwrap(),
            std::net::SocketAddr::V6(_) => {
                u32::from(rustix::net::sockopt::ipv6_unicast_hops(&served).unwrap())
            }
        };
        assert_eq!(found, u32::from(hops), "{address}");
    }
}
