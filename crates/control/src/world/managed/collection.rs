//! Collections of AWS managed policies in a file: the form of `models/managed-policies.json`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_core::Timestamp;
use portcullis_policy::{Document, Kind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{Facts, built_in};

/// Policies of AWS by ARN, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collection(BTreeMap<Cow<'static, str>, Facts>);

/// Why a file is no collection.
#[derive(Debug, Error)]
pub enum InvalidCollection {
    /// It is not written as it must be.
    #[error(
        "this is no collection of AWS managed policies (the form is that of models/managed-policies.json): {0}"
    )]
    Form(#[from] serde_json::Error),
    /// It holds nothing.
    #[error("there is no policy in it; the form is that of models/managed-policies.json")]
    Empty,
    /// A policy is not one of AWS's.
    #[error("`{0}` is not arn:aws:iam::aws:policy with the path and the name of the policy behind it")]
    Arn(String),
    /// A version is none.
    #[error("{0}: `{1}` is no version; versions are v1, v2 and so on")]
    Version(String, String),
    /// A date is none.
    #[error("{0}: `{1}` is no date; dates are like 2026-11-22T00:00:00Z")]
    Date(String, String),
    /// A document does not hold.
    #[error("{0}: its document is no policy: {1}")]
    Document(String, String),
}

/// What one collection changes in others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changes {
    /// Policies nobody knew.
    pub new: usize,
    /// Policies of which an older version was known.
    pub newer: usize,
    /// Policies that were known in this version, or in a newer one.
    pub known: usize,
}

#[derive(Serialize, Deserialize)]
struct File {
    /// By name, without the path.
    policies: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    arn: String,
    path: String,
    #[serde(rename = "v")]
    version: String,
    /// Unknown for a few.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    updated: String,
    /// Byte for byte, which keeps the order of its members.
    doc: Box<RawValue>,
}

impl Collection {
    /// Reads a file's text and checks every policy in it.
    pub fn read(text: &str) -> Result<Self, InvalidCollection> {
        let file: File = serde_json::from_str(text)?;
        if file.policies.is_empty() {
            return Err(InvalidCollection::Empty);
        }
        let policies = file.policies.into_iter().map(|(name, entry)| facts(name, entry));
        let by_arn = policies.map(|facts| facts.map(|facts| (facts.arn.clone(), facts)));
        Ok(Self(by_arn.collect::<Result<_, _>>()?))
    }

    /// Takes over what `other` has that is new or newer, and says what that was. Policies that came with the server count
    /// as known, and are left out.
    pub fn take(&mut self, other: Self) -> Changes {
        let mut all = built_in();
        self.clone().merge_into(&mut all);
        let mut changes = Changes::default();
        for (arn, facts) in other.0 {
            match all.get(&arn) {
                None => changes.new += 1,
                Some(known) if is_newer(&facts, known) => changes.newer += 1,
                Some(_) => {
                    changes.known += 1;
                    continue;
                }
            }
            self.0.insert(arn, facts);
        }
        changes
    }

    /// The text of a file.
    pub fn to_text(&self) -> serde_json::Result<String> {
        let entries = self.0.values().map(|facts| {
            let entry = Entry {
                arn: facts.arn.to_string(),
                path: facts.path.to_string(),
                version: facts.version.to_string(),
                created: Some(facts.created.to_iso()),
                updated: facts.updated.to_iso(),
                doc: RawValue::from_string(facts.text.to_string())?,
            };
            Ok((facts.name.to_string(), entry))
        });
        serde_json::to_string(&File {
            policies: entries.collect::<serde_json::Result<_>>()?,
        })
    }

    /// Adds what is new or newer.
    pub(super) fn merge_into(self, policies: &mut BTreeMap<Cow<'static, str>, Facts>) {
        for (arn, facts) in self.0 {
            if policies.get(&arn).is_none_or(|known| is_newer(&facts, known)) {
                policies.insert(arn, facts);
            }
        }
    }
}

fn is_newer(facts: &Facts, known: &Facts) -> bool {
    (facts.updated, number(&facts.version)) > (known.updated, number(&known.version))
}

/// The number of a version such as `v10`.
fn number(version: &str) -> Option<u32> {
    let digits = version.strip_prefix('v')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    plain.then(|| digits.parse().ok()).flatten()
}

fn facts(name: String, entry: Entry) -> Result<Facts, InvalidCollection> {
    let Entry {
        arn,
        path,
        version,
        created,
        updated,
        doc,
    } = entry;
    let is_path = path.starts_with('/') && path.ends_with('/');
    if !is_path || name.is_empty() || arn != format!("arn:aws:iam::aws:policy{path}{name}") {
        return Err(InvalidCollection::Arn(arn));
    }
    if number(&version).is_none() {
        return Err(InvalidCollection::Version(arn, version));
    }
    let date = |text: &str| {
        let time: Result<Timestamp, _> = text.parse();
        time.map_err(|_| InvalidCollection::Date(arn.clone(), text.to_owned()))
    };
    let updated = date(&updated)?;
    let created = created.as_deref().map_or(Ok(updated), date)?;
    let text = doc.get();
    if let Err(error) = Document::parse(text, Kind::Identity) {
        return Err(InvalidCollection::Document(arn, error.to_string()));
    }
    Ok(Facts {
        text: Cow::Owned(text.to_owned()),
        arn: arn.into(),
        name: name.into(),
        path: path.into(),
        version: version.into(),
        created,
        updated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ECS: &str = "AmazonECS_FullAccess";

    fn entry(name: &str, version: &str, updated: &str) -> serde_json::Value {
        json!({
            "arn": format!("arn:aws:iam::aws:policy/{name}"), "path": "/", "v": version, "updated": updated,
            "doc": { "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "ecs:*", "Resource": "*" }] },
        })
    }

    fn collection(policies: &serde_json::Value) -> Result<Collection, String> {
        let text = json!({ "format": 1, "policies": policies }).to_string();
        Collection::read(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_is_new_or_newer_is_taken() {
        let all = collection(&json!({
            "OfNextYear": entry("OfNextYear", "v1", "2027-01-01T00:00:00Z"),
            ECS: entry(ECS, "v99", "2027-01-01T00:00:00Z"),
            "ReadOnlyAccess": entry("ReadOnlyAccess", "v1", "2015-02-06T18:39:48Z"),
        }))
        .unwrap();
        let mut kept = Collection::default();
        let changes = Changes {
            new: 1,
            newer: 1,
            known: 1,
        };
        assert_eq!(kept.take(all.clone()), changes);
        assert_eq!(kept.0.len(), 2);
        let again = Changes {
            known: 3,
            ..Changes::default()
        };
        assert_eq!(kept.take(all), again);
        assert_eq!(Collection::read(&kept.to_text().unwrap()).unwrap(), kept);
        let mut policies = built_in();
        let before = policies.len();
        kept.merge_into(&mut policies);
        assert_eq!(policies.len(), before + 1);
        let ecs = &policies[&Cow::from(format!("arn:aws:iam::aws:policy/{ECS}"))];
        assert_eq!(ecs.version, "v99");
    }

    #[test]
    fn the_policies_built_in_are_a_collection_that_changes_nothing() {
        let text = Collection(built_in()).to_text().unwrap();
        let changes = Collection::default().take(Collection::read(&text).unwrap());
        assert_eq!(
            (changes.new, changes.newer, changes.known),
            (0, 0, built_in().len())
        );
    }

    #[test]
    fn what_is_no_policy_of_aws_is_refused() {
        let with = |member: &str, value: serde_json::Value| {
            let mut entry = entry("New", "v1", "2027-01-01T00:00:00Z");
            entry[member] = value;
            collection(&json!({ "New": entry })).unwrap_err()
        };
        for (member, value, text) in [
            (
                "arn",
                json!("arn:aws:iam::123456789012:policy/New"),
                "is not arn:aws:iam::aws:policy",
            ),
            ("path", json!("/other/"), "is not arn:aws:iam::aws:policy"),
            ("v", json!("1"), "is no version"),
            ("v", json!("v+1"), "is no version"),
            ("updated", json!("yesterday"), "is no date"),
            ("created", json!("soon"), "is no date"),
            ("doc", json!({ "Statement": 1 }), "its document is no policy"),
            ("doc", json!(null), "its document is no policy"),
            ("arn", json!(null), "this is no collection"),
        ] {
            let refused = with(member, value);
            assert!(refused.contains(text), "{refused}");
        }
        for text in ["", "[]", "{}", "[{}]", r#"{"policies":{}}"#] {
            assert!(Collection::read(text).is_err(), "{text}");
        }
    }
}
