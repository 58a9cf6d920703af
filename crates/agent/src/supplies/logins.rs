//! Logins at registries: those an operator gave the agent (`ECS_ENGINE_AUTH_TYPE`, `ECS_ENGINE_AUTH_DATA`), and ECR's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::{Random, Secret, Timestamp};
use serde::Deserialize;

use super::hidden::Hidden;

/// Docker Hub, as configurations call it.
const DOCKER_HUB: &str = "index.docker.io";
/// ECR's logins are used no longer than this before their end, and up to twice this, at random (agent.md 6).
const ECR_MARGIN_SECONDS: i64 = 30 * 60;

/// User name and password at a registry.
#[derive(Debug, Clone, Default)]
pub(crate) struct RegistryLogin {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// Logins an operator gave the agent: never those of Fargate's tasks.
#[derive(Debug, Clone, Default)]
pub struct RegistryLogins {
    /// `dockercfg` or `docker`.
    pub kind: String,
    /// JSON, by the server's name.
    pub data: Secret,
}

#[derive(Deserialize)]
struct Entry {
    auth: Option<Hidden>,
    username: Option<String>,
    password: Option<Hidden>,
}

impl RegistryLogins {
    /// The logins, the longest names first. An error says what is wrong with them, not what they are.
    pub(crate) fn read(&self) -> Result<GivenLogins, String> {
        if self.kind.is_empty() {
            return Ok(GivenLogins::default());
        }
        if !matches!(self.kind.as_str(), "dockercfg" | "docker") {
            return Err(format!(
                "ECS_ENGINE_AUTH_TYPE: `{}` is neither dockercfg nor docker",
                self.kind
            ));
        }
        let entries: BTreeMap<String, Entry> = serde_json::from_str(self.data.expose())
            .map_err(|_| "ECS_ENGINE_AUTH_DATA is no JSON object of logins by their servers".to_owned())?;
        let mut logins = Vec::new();
        for (server, entry) in entries {
            let login = match self.kind.as_str() {
                "dockercfg" => entry.auth.as_ref().and_then(|auth| decoded(auth.expose())),
                _ => entry
                    .username
                    .zip(entry.password)
                    .map(|(user, password)| RegistryLogin {
                        user,
                        password: password.into(),
                    }),
            };
            let login =
                login.ok_or_else(|| format!("ECS_ENGINE_AUTH_DATA: the login of {server} cannot be read"))?;
            logins.push((plain(&server), login));
        }
        logins.sort_by_key(|(server, _)| std::cmp::Reverse(server.len()));
        Ok(GivenLogins(logins))
    }
}

/// `user:password` in Base64.
fn decoded(auth: &str) -> Option<RegistryLogin> {
    let text = Secret::new(String::from_utf8(STANDARD.decode(auth.trim()).ok()?).ok()?);
    pair(&text)
}

/// Split at the first colon.
fn pair(text: &Secret) -> Option<RegistryLogin> {
    let (user, password) = text.expose().split_once(':')?;
    Some(RegistryLogin {
        user: user.to_owned(),
        password: Secret::new(password),
    })
}

/// A server's name without scheme, version and slashes.
fn plain(server: &str) -> String {
    let bare = server
        .strip_prefix("https://")
        .or_else(|| server.strip_prefix("http://"))
        .unwrap_or(server)
        .trim_end_matches('/');
    let bare = bare
        .strip_suffix("/v1")
        .or_else(|| bare.strip_suffix("/v2"))
        .unwrap_or(bare);
    match bare {
        "docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        other => other.to_owned(),
    }
}

/// Given logins, ready for use.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenLogins(Vec<(String, RegistryLogin)>);

impl GivenLogins {
    /// The login for an image: that of the longest name its own begins with.
    pub(crate) fn of(&self, image: &str) -> Option<RegistryLogin> {
        let name = full_name(image);
        let fits = |server: &str| {
            name.strip_prefix(server)
                .is_some_and(|rest| rest.starts_with(['/', ':', '@']) || rest.is_empty())
        };
        let found = self.0.iter().find(|(server, _)| fits(server));
        found.map(|(_, login)| login.clone())
    }
}

/// With the registry, which is Docker Hub unless the first part is a host.
fn full_name(image: &str) -> String {
    match image.split_once('/') {
        Some(("docker.io" | DOCKER_HUB, rest)) => format!("{DOCKER_HUB}/{rest}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => image.to_owned(),
        _ => format!("{DOCKER_HUB}/{image}"),
    }
}

/// Whose login at ECR: of which keys, at which registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct EcrKey {
    /// With the key id: a login ends with the session it came from.
    pub(super) identity: String,
    pub(super) region: String,
    pub(super) registry: String,
}

/// ECR's logins, kept until shortly before they end.
#[derive(Debug, Default)]
pub(super) struct EcrLogins(Mutex<HashMap<EcrKey, (RegistryLogin, Timestamp)>>);

impl EcrLogins {
    /// One that is good for some time yet.
    pub(super) fn get(&self, key: &EcrKey, now: Timestamp) -> Option<RegistryLogin> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, until)| now < *until);
        kept.get(key).map(|(login, _)| login.clone())
    }

    /// Keeps one that ends then.
    pub(super) fn put(&self, key: EcrKey, login: RegistryLogin, ends: Timestamp, random: &dyn Random) {
        let mut byte = [0; 2];
        random.fill(&mut byte);
        let jitter = i64::from(u16::from_be_bytes(byte)) * ECR_MARGIN_SECONDS / i64::from(u16::MAX);
        let until = ends.plus_seconds(-ECR_MARGIN_SECONDS - jitter);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(key, (login, until));
    }
}

/// A token of GetAuthorizationToken.
pub(super) fn of_token(token: &Secret) -> Option<RegistryLogin> {
    decoded(token.expose())
}

#[cfg(test)]
mod tests {
    use portcullis_core::SeededRandom;

    use super::*;

    fn given(kind: &str, data: &str) -> Result<GivenLogins, String> {
        RegistryLogins {
            kind: kind.into(),
            data: Secret::new(data),
        }
        .read()
    }

    fn user(logins: &GivenLogins, image: &str) -> Option<String> {
        let login = logins.of(image)?;
        Some(format!("{}:{}", login.user, login.password.expose()))
    }

    #[test]
    fn both_forms_of_engine_auth_data_are_read_and_found_by_the_images_name() {
        // aHViOnB3 is hub:pw, cmVnOnA6dw== is reg:p:w.
        let config = r#"{"https://index.docker.io/v1/":{"auth":"aHViOnB3","email":"x"},"reg.example.com:5000":{"auth":"cmVnOnA6dw=="}}"#;
        let logins = given("dockercfg", config).unwrap();
        let plain = r#"{"https://index.docker.io/v1/":{"username":"hub","password":"pw"},"reg.example.com:5000":{"username":"reg","password":"p:w"}}"#;
        for logins in [logins, given("docker", plain).unwrap()] {
            for image in ["busybox", "me/app:1", "docker.io/me/app"] {
                assert_eq!(user(&logins, image).as_deref(), Some("hub:pw"), "{image}");
            }
            assert_eq!(
                user(&logins, "reg.example.com:5000/app:1").as_deref(),
                Some("reg:p:w")
            );
            for image in [
                "reg.example.com/app",
                "reg.example.com:50001/app",
                "other.example.com/app",
            ] {
                assert_eq!(user(&logins, image), None, "{image}");
            }
        }
    }

    #[test]
    fn the_longest_name_of_a_registry_counts() {
        let data = r#"{"r.example":{"username":"a","password":"1"},"r.example/team":{"username":"b","password":"2"}}"#;
        let logins = given("docker", data).unwrap();
        assert_eq!(user(&logins, "r.example/team/app").as_deref(), Some("b:2"));
        assert_eq!(user(&logins, "r.example/teams/app").as_deref(), Some("a:1"));
    }

    #[test]
    fn bad_data_is_named_and_not_shown() {
        for (kind, data) in [
            ("dockercfg", "canary"),
            ("dockercfg", r#"{"r":{"auth":"canary!"}}"#),
            ("docker", r#"{"r":{"username":"canary"}}"#),
            ("other", r#"{"r":{"auth":"canary"}}"#),
        ] {
            let error = given(kind, data).unwrap_err();
            assert!(
                error.contains("ECS_ENGINE_AUTH") && !error.contains("canary"),
                "{error}"
            );
        }
        assert!(given("", "whatever").unwrap().0.is_empty());
    }

    #[test]
    fn agent_6_an_ecr_login_is_kept_until_half_an_hour_to_an_hour_before_its_end() {
        let start = Timestamp::from_seconds(1_000_000);
        let ends = start.plus_seconds(12 * 3600);
        let key = |identity: &str| EcrKey {
            identity: identity.into(),
            region: "us-west-2".into(),
            registry: "111122223333".into(),
        };
        for seed in 0..50 {
            let logins = EcrLogins::default();
            logins.put(
                key("AK1"),
                RegistryLogin::default(),
                ends,
                &SeededRandom::new(seed),
            );
            assert!(logins.get(&key("AK1"), ends.plus_seconds(-3601)).is_some());
            assert!(logins.get(&key("AK2"), start).is_none());
            assert!(logins.get(&key("AK1"), ends.plus_seconds(-1799)).is_none());
        }
    }
}
