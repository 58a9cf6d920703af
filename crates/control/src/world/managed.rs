//! AWS managed policies: there from the start, never changed by anybody (R134).

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use portcullis_api::managed_policies::{ALL, ManagedPolicy};
use portcullis_core::Timestamp;
use portcullis_policy::{Document, Kind};
use sha2::{Digest as _, Sha256};

/// One AWS managed policy, in its default version.
#[derive(Debug)]
pub struct AwsPolicy {
    facts: &'static ManagedPolicy,
    parsed: OnceLock<Option<Box<Document>>>,
}

static POLICIES: LazyLock<Vec<AwsPolicy>> = LazyLock::new(|| {
    ALL.iter()
        .map(|facts| AwsPolicy {
            facts,
            parsed: OnceLock::new(),
        })
        .collect()
});

/// Every decision looks policies up; a search among 1,400 ARNs that begin alike touches memory all over.
static BY_ARN: LazyLock<HashMap<&str, usize>> = LazyLock::new(|| {
    ALL.iter()
        .enumerate()
        .map(|(index, facts)| (facts.arn, index))
        .collect()
});

/// The AWS managed policy with that ARN.
pub fn find(arn: &str) -> Option<&'static AwsPolicy> {
    POLICIES.get(*BY_ARN.get(arn)?)
}

/// All AWS managed policies whose ARN comes after `last`, ordered by ARN.
pub fn after(last: Option<&str>) -> &'static [AwsPolicy] {
    let seen = last.map_or(0, |last| ALL.partition_point(|policy| policy.arn <= last));
    POLICIES.get(seen..).unwrap_or_default()
}

impl AwsPolicy {
    /// `arn:aws:iam::aws:policy/...`
    pub fn arn(&self) -> &'static str {
        self.facts.arn
    }

    /// The name without the path.
    pub fn name(&self) -> &'static str {
        self.facts.name
    }

    /// `/` or `/a/b/`.
    pub fn path(&self) -> &'static str {
        self.facts.path
    }

    /// The default version, such as `v10`.
    pub fn version(&self) -> &'static str {
        self.facts.version
    }

    /// When the policy was made.
    pub fn created(&self) -> Timestamp {
        self.facts.created.parse().unwrap_or_default()
    }

    /// When its default version was made.
    pub fn updated(&self) -> Timestamp {
        self.facts.updated.parse().unwrap_or_default()
    }

    /// The document.
    pub fn text(&self) -> &'static str {
        self.facts.text
    }

    /// A unique id of the right form. AWS's own ids are in no public source, so this one is made of the ARN.
    pub fn id(&self) -> String {
        const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let digest = Sha256::digest(self.facts.arn.as_bytes());
        let letters = digest
            .iter()
            .take(17)
            .filter_map(|byte| BASE32.get(usize::from(byte & 31)));
        "ANPA"
            .chars()
            .chain(letters.map(|letter| char::from(*letter)))
            .collect()
    }

    /// The parsed document, parsed at first use; `None` if it does not parse, which denies everything (R31).
    pub fn document(&self) -> Option<&Document> {
        let parse = || {
            Document::parse(self.facts.text, Kind::Identity)
                .ok()
                .map(Box::new)
        };
        self.parsed.get_or_init(parse).as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_found_by_its_arn_and_parses() {
        assert!(ALL.is_sorted_by(|a, b| a.arn < b.arn));
        for policy in after(None) {
            let found = find(policy.arn()).unwrap();
            assert_eq!(
                found.arn(),
                format!("arn:aws:iam::aws:policy{}{}", policy.path(), policy.name())
            );
            assert!(found.document().is_some(), "{}", policy.arn());
            assert!(found.created() > Timestamp::default() && found.updated() >= found.created());
        }
        assert!(find("arn:aws:iam::aws:policy/NoSuchPolicy").is_none());
    }

    #[test]
    fn the_policies_ecs_needs_are_there() {
        for name in [
            "AdministratorAccess",
            "AmazonECS_FullAccess",
            "service-role/AmazonECSTaskExecutionRolePolicy",
            "service-role/AmazonEC2ContainerServiceforEC2Role",
            "aws-service-role/AmazonECSServiceRolePolicy",
        ] {
            assert!(
                find(&format!("arn:aws:iam::aws:policy/{name}")).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_list_goes_on_after_the_last_arn() {
        let all = after(None);
        assert_eq!(after(Some(all[9].arn()))[0].arn(), all[10].arn());
        assert!(after(Some(all[all.len() - 1].arn())).is_empty());
        assert_eq!(all[0].id().len(), 21);
    }
}
