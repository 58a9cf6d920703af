//! What a verified token says: the condition keys of AssumeRoleWithWebIdentity, session tags, the source identity.

use portcullis_core::{Tag, Tags};
use serde_json::{Map, Value};

use super::Rejected;
use crate::world::records::federation::OidcProvider;

/// Session tags and which of them are transitive.
const TAGS: &str = "https://aws.amazon.com/tags";
/// The source identity.
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

/// Claims of well-known providers that are condition keys beside `aud`, `sub` and `amr` (service authorisation reference).
/// The host may end with the domain after a dot.
const BEYOND: [(&str, &[&str]); 6] = [
    ("token.actions.githubusercontent.com", GITHUB),
    ("ghe.com", GITHUB),
    (
        "gitlab.com",
        &[
            "namespace_id",
            "pipeline_source",
            "project_id",
            "ref_protected",
            "runner_environment",
            "user_access_level",
            "user_email",
            "user_id",
            "user_login",
        ],
    ),
    ("oidc.circleci.com", &["oidc.circleci.com/project-id"]),
    (
        "agent.buildkite.com",
        &[
            "build_branch",
            "cluster_id",
            "cluster_name",
            "organization_id",
            "organization_slug",
            "pipeline_id",
            "pipeline_slug",
        ],
    ),
    ("accounts.google.com", &["google/organization_number"]),
];

const GITHUB: &[&str] = &[
    "actor",
    "actor_id",
    "enterprise_id",
    "environment",
    "job_workflow_ref",
    "ref",
    "repository",
    "repository_id",
    "repository_owner_id",
    "workflow",
];

/// What a token says about whoever bears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// `sub`.
    pub subject: String,
    /// The audience the provider is registered with: `azp` where there is one, else `aud`.
    pub audience: String,
    /// Condition keys after the provider's name: `aud`, `sub`, `amr` and what the provider is known for.
    pub keys: Vec<(String, Vec<String>)>,
    /// Session tags.
    pub tags: Tags,
    /// Which of the tags survive role chaining.
    pub transitive_tag_keys: Vec<String>,
    /// The source identity.
    pub source_identity: Option<String>,
}

impl Claims {
    /// Reads the claims of a token that is meant for one of the provider's audiences.
    pub(super) fn read(claims: &Map<String, Value>, provider: &OidcProvider) -> Result<Self, Rejected> {
        let subject = claims.get("sub").ok_or(Rejected::MissingClaim("sub"))?;
        let subject = subject.as_str().filter(|subject| !subject.is_empty());
        let subject = subject.ok_or(Rejected::Malformed)?.to_owned();
        let audience = audience(claims, provider)?;
        let mut keys = vec![
            ("aud".to_owned(), vec![audience.clone()]),
            ("sub".to_owned(), vec![subject.clone()]),
        ];
        if claims.contains_key("azp") && provider.name() == "accounts.google.com" {
            keys.push(("oaud".to_owned(), texts(claims.get("aud"))));
        }
        let others = std::iter::once("amr").chain(beyond(provider.name()));
        for name in others {
            let values = texts(claims.get(name));
            if !values.is_empty() {
                keys.push((name.to_owned(), values));
            }
        }
        let (tags, transitive_tag_keys) = session_tags(claims.get(TAGS))?;
        Ok(Self {
            subject,
            audience,
            keys,
            tags,
            transitive_tag_keys,
            source_identity: claims
                .get(SOURCE_IDENTITY)
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// The keys that calls of the session carry as well, not only the call that makes it.
    pub fn keys_of_the_session(&self) -> impl Iterator<Item = &(String, Vec<String>)> {
        self.keys
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "aud" | "sub" | "amr"))
    }
}

/// The audience that the provider is registered with.
fn audience(claims: &Map<String, Value>, provider: &OidcProvider) -> Result<String, Rejected> {
    let given = texts(claims.get("aud"));
    if given.is_empty() {
        return Err(Rejected::MissingClaim("aud"));
    }
    let meant = match claims.get("azp") {
        Some(party) => texts(Some(party)),
        None => given,
    };
    let known = meant
        .into_iter()
        .find(|meant| provider.client_ids.contains(meant));
    known.ok_or(Rejected::Audience)
}

/// The claims of a well-known provider.
fn beyond(name: &str) -> impl Iterator<Item = &'static str> {
    let host = name.split(['/', ':']).next().unwrap_or_default();
    let known = BEYOND.iter().find(|(domain, _)| {
        let before = host.strip_suffix(domain);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    known.map_or(&[][..], |(_, names)| names).iter().copied()
}

/// A claim as texts: of a list each that is one.
fn texts(claim: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        _ => None,
    };
    match claim {
        Some(Value::Array(values)) => values.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// `{"principal_tags": {"Key": ["value"]}, "transitive_tag_keys": ["Key"]}`.
fn session_tags(claim: Option<&Value>) -> Result<(Tags, Vec<String>), Rejected> {
    let Some(claim) = claim else {
        return Ok((Tags::new(), Vec::new()));
    };
    let claim = claim.as_object().ok_or(Rejected::Malformed)?;
    let mut tags = Tags::new();
    if let Some(given) = claim.get("principal_tags") {
        for (key, values) in given.as_object().ok_or(Rejected::Malformed)? {
            let values = texts(Some(values));
            let [value] = values.as_slice() else {
                return Err(Rejected::Malformed);
            };
            tags.set(Tag::new(key, value));
        }
    }
    Ok((tags, texts(claim.get("transitive_tag_keys"))))
}
