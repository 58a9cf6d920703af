//! What a path names. Nothing of it ever becomes a path of ours: repositories are rows, bytes are called by digests.

use percent_encoding::percent_decode_str;
use portcullis_core::{AccountId, Region};

use super::errors::{Code, Refusal};
use crate::upstream::ECR_PUBLIC;

/// Where the registry is.
pub(super) const BASE: &str = "/v2";
/// Longest name of a repository, in characters (as ECR's model has it).
const NAME_MAX: usize = 256;
const NAME_MIN: usize = 2;

/// Whose registry is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Registry {
    pub account: AccountId,
    pub region: Region,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Whether there is a registry, and whether it knows the caller.
    Ping,
    /// The names of repositories.
    Catalog,
    Manifest {
        name: String,
        reference: String,
    },
    Blob {
        name: String,
        digest: String,
    },
    /// A new upload.
    Uploads {
        name: String,
    },
    /// An upload under way.
    Upload {
        name: String,
        id: String,
    },
    Tags {
        name: String,
    },
    Referrers {
        name: String,
        digest: String,
    },
}

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The registry, where the path itself names it.
    pub registry: Option<Registry>,
    /// What paths of the answer begin with, with a slash at its end.
    pub base: String,
    pub target: Target,
}

/// The rest of a path whose first part is ECR Public's name, from its slash on.
pub(super) fn of_ecr_public(path: &str) -> Option<&str> {
    let rest = path
        .strip_prefix(BASE)?
        .strip_prefix('/')?
        .strip_prefix(ECR_PUBLIC)?;
    rest.starts_with('/').then_some(rest)
}

impl Registry {
    /// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, as a host or as the first part of a name.
    pub fn named(text: &str) -> Option<Self> {
        let text = text.split_once(':').map_or(text, |(host, _)| host);
        let rest = text
            .strip_suffix(".cn")
            .unwrap_or(text)
            .strip_suffix(".amazonaws.com")?;
        let (account, rest) = rest.split_once(".dkr.ecr")?;
        let region = rest.strip_prefix("-fips").unwrap_or(rest).strip_prefix('.')?;
        Some(Self {
            account: account.parse().ok()?,
            region: region.parse().ok()?,
        })
    }
}

impl Wanted {
    /// Reads a path below [`BASE`].
    pub fn read(path: &str) -> Result<Self, Refusal> {
        let below = path.strip_prefix(BASE).unwrap_or_default();
        let below = below.strip_prefix('/').unwrap_or(below);
        let decoded = percent_decode_str(below)
            .decode_utf8()
            .map_err(|_| invalid_name())?;
        let (first, below) = decoded.split_once('/').unwrap_or((&decoded, ""));
        let (registry, rest) = match Registry::named(first) {
            Some(registry) => (Some((first, registry)), below),
            None => (None, decoded.as_ref()),
        };
        let base = match &registry {
            Some((first, _)) => format!("{BASE}/{first}/"),
            None => format!("{BASE}/"),
        };
        Ok(Self {
            registry: registry.map(|(_, registry)| registry),
            base,
            target: Target::read(rest)?,
        })
    }
}

impl Target {
    /// Reads what follows a registry's name.
    pub fn read(path: &str) -> Result<Self, Refusal> {
        if path.is_empty() {
            return Ok(Self::Ping);
        }
        if path == "_catalog" {
            return Ok(Self::Catalog);
        }
        // From the end: names may hold such words too.
        let (head, last) = path.rsplit_once('/').ok_or_else(Refusal::no_such_page)?;
        let (head, word) = head.rsplit_once('/').ok_or_else(Refusal::no_such_page)?;
        let last = last.to_owned();
        let uploads = head.strip_suffix("/blobs").filter(|_| word == "uploads");
        if let Some(name) = uploads {
            let name = checked(name)?;
            return Ok(match last.is_empty() {
                true => Self::Uploads { name },
                false => Self::Upload { name, id: last },
            });
        }
        match (word, last.as_str()) {
            ("blobs", "uploads") => Ok(Self::Uploads { name: checked(head)? }),
            ("blobs", _) => Ok(Self::Blob {
                name: checked(head)?,
                digest: last,
            }),
            ("manifests", _) => Ok(Self::Manifest {
                name: checked(head)?,
                reference: last,
            }),
            ("referrers", _) => Ok(Self::Referrers {
                name: checked(head)?,
                digest: last,
            }),
            ("tags", "list") => Ok(Self::Tags { name: checked(head)? }),
            _ => Err(Refusal::no_such_page()),
        }
    }
}

/// A name as the specification lets repositories have: parts of lower-case letters and digits, in which `.`, `_`, `__` and
/// any number of `-` may stand between two of them.
pub(super) fn checked(name: &str) -> Result<String, Refusal> {
    let is_name = (NAME_MIN..=NAME_MAX).contains(&name.len()) && name.split('/').all(is_part);
    is_name.then(|| name.to_owned()).ok_or_else(invalid_name)
}

fn is_part(part: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let known = part
        .chars()
        .all(|letter| is_letter(letter) || "._-".contains(letter));
    let mut between = part.split(is_letter);
    let starts = between.next().is_some_and(str::is_empty);
    let ends = part.ends_with(is_letter);
    let joined =
        |joint: &str| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|byte| byte == b'-');
    known && starts && ends && between.all(joined)
}

fn invalid_name() -> Refusal {
    Refusal::new(Code::NameInvalid, "The name is none that a repository can have.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(path: &str) -> Option<Target> {
        Wanted::read(path).ok().map(|wanted| wanted.target)
    }

    #[test]
    fn paths_are_read_from_their_end() {
        let name = || "team/manifests/app".to_owned();
        let cases = [
            ("/v2", Target::Ping),
            ("/v2/", Target::Ping),
            ("/v2/_catalog", Target::Catalog),
            (
                "/v2/team/manifests/app/manifests/v1",
                Target::Manifest {
                    name: name(),
                    reference: "v1".into(),
                },
            ),
            (
                "/v2/team/manifests/app/blobs/sha256:00",
                Target::Blob {
                    name: name(),
                    digest: "sha256:00".into(),
                },
            ),
            (
                "/v2/team/manifests/app/blobs/uploads/",
                Target::Uploads { name: name() },
            ),
            (
                "/v2/team/manifests/app/blobs/uploads",
                Target::Uploads { name: name() },
            ),
            (
                "/v2/team/manifests/app/blobs/uploads/7f",
                Target::Upload {
                    name: name(),
                    id: "7f".into(),
                },
            ),
            ("/v2/team/manifests/app/tags/list", Target::Tags { name: name() }),
            (
                "/v2/team/manifests/app/referrers/x",
                Target::Referrers {
                    name: name(),
                    digest: "x".into(),
                },
            ),
        ];
        for (path, expected) in cases {
            assert_eq!(target(path), Some(expected), "{path}");
        }
        for path in [
            "/v2/x",
            "/v2/app/tags",
            "/v2/app/tags/other",
            "/v2/manifests/v1",
            "/v2//manifests/v1",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }

    #[test]
    fn a_registry_may_be_the_first_part_of_a_name() {
        let host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
        let wanted = Wanted::read(&format!("/v2/{host}/app/tags/list")).unwrap();
        let registry = wanted.registry.unwrap();
        assert_eq!(
            (registry.account.as_str(), registry.region.as_str()),
            ("111122223333", "eu-west-1")
        );
        assert_eq!(wanted.base, format!("/v2/{host}/"));
        assert_eq!(wanted.target, Target::Tags { name: "app".into() });
        assert_eq!(target(&format!("/v2/{host}/")), Some(Target::Ping));
        for host in [
            "111122223333.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "111122223333.dkr.ecr.us-east-1.amazonaws.com:5000",
        ] {
            assert!(Registry::named(host).is_some(), "{host}");
        }
        for host in [
            "dkr.ecr.us-east-1.amazonaws.com",
            "1.dkr.ecr.us-east-1.amazonaws.com",
            "x.amazonaws.com",
            "",
        ] {
            assert!(Registry::named(host).is_none(), "{host}");
        }
    }

    #[test]
    fn names_that_try_to_leave_are_no_names() {
        for name in ["ab", "a/b", "a.b/c_d/e__f/g---h", "0a", "library/ubuntu-22.04"] {
            assert!(checked(name).is_ok(), "{name}");
        }
        let long = "a".repeat(257);
        for name in [
            "", "a", "..", "../x", "a/../b", "a//b", "/a", "a/", "A", "a..b", "a._b", "a___b", ".a", "a.",
            "-a", "a b", "a%2fb", "a\\b", "ä", "a:b", "a@b", &long,
        ] {
            assert!(checked(name).is_err(), "{name}");
        }
        for path in [
            "/v2/../../etc/manifests/passwd",
            "/v2/%2e%2e/%2e%2e/manifests/x",
            "/v2/a%00b/manifests/x",
            "/v2/%ff/manifests/x",
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
