//! Tags as EC2 checks and shows them.

use portcullis_api::ec2 as api;
use portcullis_core::{Tag, Tags};

use super::errors::Ec2Error;
use super::ids::Kind;
use crate::services::tags::is_reserved;

/// Most tags a resource can have; those of AWS itself do not count.
const TAGS_MAX: usize = 50;
/// Longest key and value, in characters.
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

/// The tags a new object of this kind is to have, unchecked: for the context of a decision.
pub(super) fn requested(specifications: Option<&[api::TagSpecification]>, kind: Kind) -> Tags {
    let meant = specifications
        .unwrap_or_default()
        .iter()
        .filter(|specification| specification.resource_type.as_deref() == Some(kind.resource_type()));
    meant
        .flat_map(|specification| specification.tags.iter().flatten())
        .map(from_api)
        .collect()
}

/// The same, checked.
pub(super) fn checked(
    specifications: Option<&[api::TagSpecification]>,
    kind: Kind,
) -> Result<Tags, Ec2Error> {
    for (index, specification) in specifications.unwrap_or_default().iter().enumerate() {
        match specification.resource_type.as_deref() {
            Some(named) if named == kind.resource_type() && index == 0 => {}
            Some(named) if named == kind.resource_type() => {
                let text = format!(
                    "The same resource type '{named}' may not be specified more than once in tag specifications"
                );
                return Err(Ec2Error::Parameter(text));
            }
            Some(other) => {
                let text = format!("'{other}' is not a valid taggable resource type for this operation.");
                return Err(Ec2Error::Parameter(text));
            }
            None => {
                return Err(Ec2Error::Parameter(
                    "Tag specification resource type must have a value".to_owned(),
                ));
            }
        }
        check(specification.tags.as_deref().unwrap_or_default())?;
    }
    let tags = requested(specifications, kind);
    within_limit(&tags)?;
    Ok(tags)
}

/// Refuses keys and values that no tag can have, and keys twice.
pub(super) fn check(tags: &[api::Tag]) -> Result<(), Ec2Error> {
    let mut seen = std::collections::BTreeSet::new();
    for tag in tags {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        let problem = if key.is_empty() {
            Some("Tag key cannot be null or empty".to_owned())
        } else if is_reserved(key) {
            Some("Tag keys starting with 'aws:' are reserved for internal use".to_owned())
        } else if key.chars().count() > KEY_MAX {
            Some(format!(
                "Tag key exceeds the maximum length of {KEY_MAX} characters"
            ))
        } else if value.chars().count() > VALUE_MAX {
            Some(format!(
                "Tag value exceeds the maximum length of {VALUE_MAX} characters"
            ))
        } else if key.chars().chain(value.chars()).any(char::is_control) {
            Some("Tag keys and values cannot have control characters".to_owned())
        } else if !seen.insert(key) {
            Some(format!("Duplicate tag key '{key}' specified."))
        } else {
            None
        };
        if let Some(text) = problem {
            return Err(Ec2Error::Parameter(text));
        }
    }
    Ok(())
}

/// Refuses more tags than a resource can have.
pub(super) fn within_limit(tags: &Tags) -> Result<(), Ec2Error> {
    if tags.iter().filter(|tag| !is_reserved(&tag.key)).count() > TAGS_MAX {
        Err(Ec2Error::TagLimit)
    } else {
        Ok(())
    }
}

/// Tags as answers show them.
pub(super) fn shown(tags: &Tags) -> Option<Vec<api::Tag>> {
    let tags = tags.iter().map(|tag| api::Tag {
        key: Some(tag.key.clone()),
        value: Some(tag.value.clone()),
    });
    Some(tags.collect())
}

/// A tag of a request.
pub(super) fn from_api(tag: &api::Tag) -> Tag {
    Tag::new(
        tag.key.clone().unwrap_or_default(),
        tag.value.clone().unwrap_or_default(),
    )
}
