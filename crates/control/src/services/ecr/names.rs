//! What a call names: a registry, a repository in it.

use std::sync::Arc;

use portcullis_core::{AccountId, Arn, Partition, Region};

use super::errors::{EcrError, Place};
use crate::gate::call::Call;
use crate::world::Snapshot;
use crate::world::records::ecr::Repository;

/// A repository as a call names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// The account; the caller's where the call says nothing.
    pub registry: Option<&'a str>,
    /// The repository's name.
    pub name: &'a str,
}

impl<'a> Named<'a> {
    /// What members of an input say.
    pub fn of(registry: Option<&'a String>, name: &'a str) -> Self {
        let registry = registry.map(String::as_str);
        Self { registry, name }
    }

    /// The account meant.
    pub fn account(&self, call: &Call) -> AccountId {
        let other = self.registry.and_then(|registry| registry.parse().ok());
        other.unwrap_or_else(|| call.account.clone())
    }

    /// Whether the account meant is the one whose state is looked at.
    pub fn is_here(&self, call: &Call) -> bool {
        self.registry
            .is_none_or(|registry| registry == call.account.as_str())
    }

    /// Its ARN.
    pub fn arn(&self, call: &Call) -> Arn {
        Repository::arn_of(&call.region, &self.account(call), self.name)
    }

    /// How errors name it.
    pub fn place(&self, call: &Call) -> Place {
        Place {
            repository: self.name.to_owned(),
            registry: self.account(call).to_string(),
        }
    }

    /// The repository, if it is there.
    pub fn find<'v>(&self, view: &'v Snapshot, call: &Call) -> Option<&'v Arc<Repository>> {
        let found = view.ecr.repository(&call.region, self.name);
        found.filter(|_| self.is_here(call))
    }

    /// The repository.
    pub fn found<'v>(&self, view: &'v Snapshot, call: &Call) -> Result<&'v Arc<Repository>, EcrError> {
        let found = self.find(view, call);
        found.ok_or_else(|| EcrError::NoRepository(self.place(call)))
    }
}

/// The host of an account's registry: `ACCOUNT.dkr.ecr.REGION.amazonaws.com`
pub(super) fn host(account: &AccountId, region: &Region) -> String {
    let domain = match region.partition() {
        Partition::China => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    format!("{account}.dkr.ecr.{region}.{domain}")
}

/// Whose uploads those of a repository are in the blob store.
pub(super) fn upload_owner(account: &AccountId, region: &Region, repository: &str) -> String {
    format!("ecr/{account}/{region}/{repository}")
}

/// Whether a text matches a pattern in which `*` stands for anything.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("prod*", "prod", true),
            ("prod*", "prod-1", true),
            ("prod*", "aprod", false),
            ("*prod", "aprod", true),
            ("a*b*a", "aba", true),
            ("a*b*a", "ab", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("v1", "v1", true),
            ("v1", "v10", false),
            ("*test*1*2*3", "atest0102x3", true),
            ("*test*1*2*3", "atest01023x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
