//! AWS managed policies: there from the start, never changed by anybody (R134). A newer collection can take the place
//! of the one built in, before the first look at it.

pub mod collection;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use portcullis_api::managed_policies::{ALL, ManagedPolicy};
use portcullis_core::Timestamp;
use portcullis_policy::{Document, Kind};
use sha2::{Digest as _, Sha256};

use self::collection::Collection;
use super::compiled::Policy;

/// What is known of an AWS managed policy, in its default version.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    arn: Cow<'static, str>,
    name: Cow<'static, str>,
    path: Cow<'static, str>,
    version: Cow<'static, str>,
    created: Timestamp,
    updated: Timestamp,
    text: Cow<'static, str>,
}

impl Facts {
    fn built_in(policy: &ManagedPolicy) -> Self {
        Self {
            arn: policy.arn.into(),
            name: policy.name.into(),
            path: policy.path.into(),
            version: policy.version.into(),
            created: policy.created.parse().unwrap_or_default(),
            updated: policy.updated.parse().unwrap_or_default(),
            text: policy.text.into(),
        }
    }
}

/// One AWS managed policy, in its default version.
#[derive(Debug)]
pub struct AwsPolicy {
    facts: Facts,
    policy: OnceLock<Option<Arc<Policy>>>,
}

/// The policies of the server, the same for all its accounts: they are AWS's.
struct Table {
    /// Ordered by ARN.
    policies: Vec<AwsPolicy>,
    /// Every decision looks policies up; a search among 1,600 ARNs that begin alike touches memory all over.
    by_arn: HashMap<Cow<'static, str>, usize>,
}

static TABLE: OnceLock<Table> = OnceLock::new();

impl Table {
    fn get() -> &'static Self {
        TABLE.get_or_init(|| Self::of(built_in()))
    }

    fn of(policies: BTreeMap<Cow<'static, str>, Facts>) -> Self {
        let arns = policies.keys().cloned();
        Self {
            by_arn: arns.enumerate().map(|(index, arn)| (arn, index)).collect(),
            policies: policies
                .into_values()
                .map(|facts| AwsPolicy {
                    facts,
                    policy: OnceLock::new(),
                })
                .collect(),
        }
    }
}

/// The policies that came with this server, by ARN.
fn built_in() -> BTreeMap<Cow<'static, str>, Facts> {
    ALL.iter()
        .map(|policy| (policy.arn.into(), Facts::built_in(policy)))
        .collect()
}

/// Adds the policies of a collection that are new or newer than those built in. `false` when it is too late: somebody
/// looked at the policies already.
pub fn install(collection: Collection) -> bool {
    let mut policies = built_in();
    collection.merge_into(&mut policies);
    TABLE.set(Table::of(policies)).is_ok()
}

/// The AWS managed policy with that ARN.
pub fn find(arn: &str) -> Option<&'static AwsPolicy> {
    let table = Table::get();
    table.policies.get(*table.by_arn.get(arn)?)
}

/// All AWS managed policies whose ARN comes after `last`, ordered by ARN.
pub fn after(last: Option<&str>) -> &'static [AwsPolicy] {
    let all = &Table::get().policies;
    let seen = last.map_or(0, |last| all.partition_point(|policy| policy.arn() <= last));
    all.get(seen..).unwrap_or_default()
}

impl AwsPolicy {
    /// `arn:aws:iam::aws:policy/...`
    pub fn arn(&self) -> &str {
        &self.facts.arn
    }

    /// The name without the path.
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// `/` or `/a/b/`.
    pub fn path(&self) -> &str {
        &self.facts.path
    }

    /// The default version, such as `v10`.
    pub fn version(&self) -> &str {
        &self.facts.version
    }

    /// When the policy was made.
    pub fn created(&self) -> Timestamp {
        self.facts.created
    }

    /// When its default version was made.
    pub fn updated(&self) -> Timestamp {
        self.facts.updated
    }

    /// The document.
    pub fn text(&self) -> &str {
        &self.facts.text
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

    /// The policy, parsed at first use; `None` if it does not parse, which denies everything (R31).
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        let parse = || {
            let document = Document::parse(&self.facts.text, Kind::Identity).ok()?;
            Some(Arc::new(Policy::new(document)))
        };
        self.policy.get_or_init(parse).as_ref()
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
            assert!(found.policy().is_some(), "{}", policy.arn());
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
