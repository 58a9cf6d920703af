//! Lifecycle policies as they are written: what they may say, and what that means.

use std::collections::HashSet;

use serde::Deserialize;
use thiserror::Error;

use crate::services::ecr::names::matches;

/// Most rules a policy has.
const RULES_MAX: usize = 50;
/// Most stars a pattern of tags has.
const STARS_MAX: usize = 4;

/// A rule: images it selects, and how many or how old they may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services::ecr) struct Rule {
    /// Rules of lower numbers come first.
    pub priority: u32,
    /// Which images by their tags.
    pub selection: Selection,
    /// Which of those expire.
    pub count: Count,
}

/// Images by their tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::services::ecr) enum Selection {
    /// All of them.
    Any,
    /// Those without tags.
    Untagged,
    /// Those that have, for each of these, a tag that begins so.
    Prefixes(Vec<String>),
    /// Those that have, for each of these, a tag that it fits.
    Patterns(Vec<String>),
}

/// Which images expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::services::ecr) enum Count {
    /// Beyond the youngest so many.
    MoreThan(usize),
    /// Those that came longer ago than so many days.
    PushedDaysAgo(u32),
}

/// Why a policy is not taken; its text follows ECR's "Lifecycle policy validation failure:".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::services::ecr) enum NotTaken {
    #[error("Could not map policyString into LifecyclePolicy. {0}")]
    Form(String),
    #[error("{0}")]
    Rule(&'static str),
    #[error("{0} is not supported by this server: it has no archive storage class.")]
    Archive(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rules: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenRule {
    rule_priority: u32,
    #[serde(default, rename = "description")]
    _description: Option<String>,
    selection: WrittenSelection,
    action: WrittenAction,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenSelection {
    tag_status: TagStatus,
    #[serde(default)]
    tag_pattern_list: Option<Vec<String>>,
    #[serde(default)]
    tag_prefix_list: Option<Vec<String>>,
    #[serde(default)]
    storage_class: Option<StorageClass>,
    count_type: CountType,
    #[serde(default)]
    count_unit: Option<CountUnit>,
    count_number: u32,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum TagStatus {
    Tagged,
    Untagged,
    Any,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum StorageClass {
    Standard,
    Archive,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum CountType {
    ImageCountMoreThan,
    SinceImagePushed,
    SinceImagePulled,
    SinceImageTransitioned,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum CountUnit {
    Days,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenAction {
    r#type: ActionType,
    #[serde(default, rename = "targetStorageClass")]
    target: Option<StorageClass>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
enum ActionType {
    Expire,
    Transition,
}

/// The rules of a policy, those of lower numbers first.
pub(in crate::services::ecr) fn parse(text: &str) -> Result<Vec<Rule>, NotTaken> {
    let document: Document = serde_json::from_str(text).map_err(|error| NotTaken::Form(error.to_string()))?;
    if document.rules.is_empty() || document.rules.len() > RULES_MAX {
        return Err(NotTaken::Rule("a policy has between 1 and 50 rules"));
    }
    let rules = document.rules.into_iter().map(WrittenRule::checked);
    let mut rules = rules.collect::<Result<Vec<_>, _>>()?;
    rules.sort_by_key(|rule| rule.priority);
    together(&rules)?;
    Ok(rules)
}

impl WrittenRule {
    fn checked(self) -> Result<Rule, NotTaken> {
        let WrittenSelection {
            storage_class,
            count_type,
            count_unit,
            count_number,
            ..
        } = self.selection;
        if self.action.r#type == ActionType::Transition {
            return Err(NotTaken::Archive("The action 'transition'"));
        }
        if self.action.target.is_some() {
            return Err(NotTaken::Rule(
                "targetStorageClass goes with the action 'transition'",
            ));
        }
        if storage_class == Some(StorageClass::Archive) {
            return Err(NotTaken::Archive("The storage class 'archive'"));
        }
        if self.rule_priority == 0 || count_number == 0 {
            let text = "numeric instance is lower than the required minimum (minimum: 1, found: 0)";
            return Err(NotTaken::Rule(text));
        }
        let count = match (count_type, count_unit) {
            (CountType::ImageCountMoreThan, None) => {
                Count::MoreThan(count_number.try_into().unwrap_or(usize::MAX))
            }
            (CountType::ImageCountMoreThan, Some(_)) => {
                return Err(NotTaken::Rule(
                    "countUnit goes with sinceImagePushed, not with imageCountMoreThan",
                ));
            }
            (CountType::SinceImagePushed, Some(CountUnit::Days)) => Count::PushedDaysAgo(count_number),
            (CountType::SinceImagePushed, None) => {
                return Err(NotTaken::Rule("sinceImagePushed needs the countUnit 'days'"));
            }
            // Of a pull alone follows no end, in ECR either: such images go into the archive.
            (CountType::SinceImagePulled, _) => {
                return Err(NotTaken::Archive(
                    "sinceImagePulled, which goes with the action 'transition',",
                ));
            }
            (CountType::SinceImageTransitioned, _) => {
                return Err(NotTaken::Archive("sinceImageTransitioned"));
            }
        };
        Ok(Rule {
            priority: self.rule_priority,
            selection: self.selection.checked()?,
            count,
        })
    }
}

impl WrittenSelection {
    fn checked(self) -> Result<Selection, NotTaken> {
        let prefixes = self.tag_prefix_list.filter(|list| !list.is_empty());
        let patterns = self.tag_pattern_list.filter(|list| !list.is_empty());
        let too_many = |pattern: &String| pattern.matches('*').count() > STARS_MAX;
        match (self.tag_status, prefixes, patterns) {
            (TagStatus::Any, None, None) => Ok(Selection::Any),
            (TagStatus::Untagged, None, None) => Ok(Selection::Untagged),
            (TagStatus::Tagged, Some(prefixes), None) => Ok(Selection::Prefixes(prefixes)),
            (TagStatus::Tagged, None, Some(patterns)) if patterns.iter().any(too_many) => {
                Err(NotTaken::Rule("a tag pattern has at most 4 wildcards"))
            }
            (TagStatus::Tagged, None, Some(patterns)) => Ok(Selection::Patterns(patterns)),
            (TagStatus::Tagged, Some(_), Some(_)) => Err(NotTaken::Rule(
                "a rule has tagPrefixList or tagPatternList, not both",
            )),
            (TagStatus::Tagged, None, None) => Err(NotTaken::Rule(
                "tagPrefixList or tagPatternList must be set when tagStatus is TAGGED",
            )),
            _ => Err(NotTaken::Rule(
                "tagPrefixList and tagPatternList can only be set when tagStatus is TAGGED",
            )),
        }
    }
}

/// What rules may not do beside each other.
fn together(rules: &[Rule]) -> Result<(), NotTaken> {
    let (mut priorities, mut selections) = (HashSet::new(), HashSet::new());
    for (index, rule) in rules.iter().enumerate() {
        if !priorities.insert(rule.priority) {
            return Err(NotTaken::Rule("rulePriority must be unique"));
        }
        if rule.selection == Selection::Any && index + 1 != rules.len() {
            return Err(NotTaken::Rule(
                "a rule with tagStatus ANY must have the highest rulePriority of all",
            ));
        }
        if !selections.insert(rule.selection.key()) {
            return Err(NotTaken::Rule(
                "only one rule can select untagged images, and each set of tags only once",
            ));
        }
    }
    Ok(())
}

impl Selection {
    /// The same for selections of the same images.
    fn key(&self) -> (u8, Vec<String>) {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        match self {
            Self::Any => (0, Vec::new()),
            Self::Untagged => (1, Vec::new()),
            Self::Prefixes(list) => (2, sorted(list)),
            Self::Patterns(list) => (3, sorted(list)),
        }
    }

    /// Whether an image with these tags is meant.
    pub fn selects(&self, tags: &[String]) -> bool {
        match self {
            Self::Any => true,
            Self::Untagged => tags.is_empty(),
            Self::Prefixes(list) => list
                .iter()
                .all(|prefix| tags.iter().any(|tag| tag.starts_with(prefix))),
            Self::Patterns(list) => list
                .iter()
                .all(|pattern| tags.iter().any(|tag| matches(pattern, tag))),
        }
    }
}
