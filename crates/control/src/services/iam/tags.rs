//! Tags. Keys are unique without case: setting one again replaces it, spelling included.

use portcullis_api::iam as api;
use portcullis_core::{Tag, Tags};

use super::errors::IamError;
use crate::services::tags::is_reserved;

/// Tags an entity may have.
const TAGS: usize = 50;

/// The tags of a request as condition keys show them, before any check.
pub(super) fn as_given(tags: Option<&Vec<api::Tag>>) -> Tags {
    tags.into_iter()
        .flatten()
        .map(|tag| Tag::new(tag.key.clone(), tag.value.clone()))
        .collect()
}

/// The tags of a request, checked. The schema has checked their number and letters.
pub(super) fn accept(tags: Option<&Vec<api::Tag>>) -> Result<Tags, IamError> {
    let mut accepted = Tags::new();
    for tag in tags.into_iter().flatten() {
        if key_like(&accepted, &tag.key).is_some() {
            return Err(IamError::DuplicateTags);
        }
        if is_reserved(&tag.key) {
            return Err(IamError::ReservedTag);
        }
        accepted.set(Tag::new(tag.key.clone(), tag.value.clone()));
    }
    Ok(accepted)
}

/// Sets tags on what has some already.
pub(super) fn add(existing: &mut Tags, new: &Tags) -> Result<(), IamError> {
    for tag in new.iter() {
        if let Some(key) = key_like(existing, &tag.key) {
            existing.remove(&key);
        }
        existing.set(tag.clone());
    }
    if existing.len() > TAGS {
        Err(IamError::Quota("TagsPerResource", TAGS))
    } else {
        Ok(())
    }
}

/// Removes tags; keys that are not there do no harm.
pub(super) fn remove(existing: &mut Tags, keys: &[String]) {
    for key in keys {
        if let Some(key) = key_like(existing, key) {
            existing.remove(&key);
        }
    }
}

/// The tags of a request to what keeps keys apart that differ in case alone: certificates and providers.
pub(super) fn accept_exact(tags: Option<&Vec<api::Tag>>) -> Result<Tags, IamError> {
    let given = as_given(tags);
    if given.len() < tags.map_or(0, Vec::len) {
        return Err(IamError::DuplicateTags);
    }
    if given.iter().any(|tag| is_reserved(&tag.key)) {
        return Err(IamError::ReservedTag);
    }
    Ok(given)
}

/// Sets such tags on what has some already.
pub(super) fn add_exact(existing: &mut Tags, new: &Tags) -> Result<(), IamError> {
    for tag in new.iter() {
        existing.set(tag.clone());
    }
    if existing.len() > TAGS {
        Err(IamError::Quota("TagsPerResource", TAGS))
    } else {
        Ok(())
    }
}

fn key_like(tags: &Tags, key: &str) -> Option<String> {
    let wanted = key.to_lowercase();
    tags.iter()
        .map(|tag| &tag.key)
        .find(|known| known.to_lowercase() == wanted)
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(keys: &[&str]) -> Vec<api::Tag> {
        keys.iter()
            .map(|key| api::Tag {
                key: (*key).to_owned(),
                value: "v".to_owned(),
            })
            .collect()
    }

    #[test]
    fn keys_are_unique_without_case_and_aws_is_reserved() {
        assert_eq!(accept(Some(&given(&["a", "A"]))), Err(IamError::DuplicateTags));
        assert_eq!(accept(Some(&given(&["AWS:x"]))), Err(IamError::ReservedTag));
        assert_eq!(
            accept(Some(&given(&["a", "b", "äws:"]))).map(|tags| tags.len()),
            Ok(3)
        );
    }

    #[test]
    fn setting_a_key_in_other_spelling_replaces_it() {
        let mut tags: Tags = [Tag::new("Owner", "1"), Tag::new("b", "2")].into_iter().collect();
        add(&mut tags, &[Tag::new("owner", "3")].into_iter().collect()).unwrap();
        let seen: Vec<_> = tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()))
            .collect();
        assert_eq!(seen, [("b", "2"), ("owner", "3")]);
        remove(&mut tags, &["OWNER".to_owned(), "none".to_owned()]);
        assert_eq!(tags.len(), 1);
    }

    #[test]
    fn there_are_at_most_fifty() {
        let mut tags: Tags = (0..50).map(|n| Tag::new(n.to_string(), "")).collect();
        assert!(add(&mut tags, &[Tag::new("7", "x")].into_iter().collect()).is_ok());
        assert!(add(&mut tags, &[Tag::new("50", "x")].into_iter().collect()).is_err());
    }
}
