//! Tags as ECS checks and shows them (ecs.md 6).

use std::collections::HashSet;

use portcullis_api::ecs as api;
use portcullis_core::{Tag, Tags};

use super::errors::EcsError;
use crate::services::tags::is_reserved;

/// Most tags a resource can have; those of AWS itself do not count.
const TAGS_MAX: usize = 50;

/// The tags of a request, unchecked: for the context of a decision.
pub(crate) fn requested(tags: Option<&[api::Tag]>) -> Tags {
    tags.unwrap_or_default().iter().map(from_api).collect()
}

/// The tags of a request, checked.
pub(crate) fn checked(tags: Option<&[api::Tag]>) -> Result<Tags, EcsError> {
    let tags = tags.unwrap_or_default();
    let mut seen = HashSet::new();
    for tag in tags {
        let key = tag.key.as_deref().unwrap_or_default();
        if is_reserved(key) || is_reserved(tag.value.as_deref().unwrap_or_default()) {
            return Err(EcsError::TagReserved);
        }
        if !seen.insert(key) {
            return Err(EcsError::TagDuplicate);
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(EcsError::TagLimit);
    }
    Ok(requested(Some(tags)))
}

/// The keys of a request that removes tags.
pub(crate) fn check_keys(keys: &[String]) -> Result<(), EcsError> {
    if keys.iter().any(|key| is_reserved(key)) {
        Err(EcsError::TagReserved)
    } else {
        Ok(())
    }
}

/// The tags a resource has after more were given to it.
pub(crate) fn merged(mut tags: Tags, more: &Tags) -> Result<Tags, EcsError> {
    for tag in more.iter() {
        tags.set(tag.clone());
    }
    if tags.iter().filter(|tag| !is_reserved(&tag.key)).count() > TAGS_MAX {
        return Err(EcsError::TagLimit);
    }
    Ok(tags)
}

/// Tags as replies show them.
pub(crate) fn shown(tags: &Tags) -> Vec<api::Tag> {
    tags.iter()
        .map(|tag| api::Tag {
            key: Some(tag.key.clone()),
            value: Some(tag.value.clone()),
        })
        .collect()
}

/// Whether a batch call asked for tags.
pub(crate) fn wanted(include: Option<&[String]>) -> bool {
    includes(include, "TAGS")
}

/// Whether a batch call asked for an optional part of its reply.
pub(crate) fn includes(include: Option<&[String]>, part: &str) -> bool {
    include.unwrap_or_default().iter().any(|wanted| wanted == part)
}

fn from_api(tag: &api::Tag) -> Tag {
    Tag::new(
        tag.key.clone().unwrap_or_default(),
        tag.value.clone().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> api::Tag {
        api::Tag {
            key: Some(key.to_owned()),
            value: Some(value.to_owned()),
        }
    }

    #[test]
    fn a_set_of_tags_is_checked_as_a_whole() {
        let fifty_one: Vec<_> = (0..51).map(|n| tag(&n.to_string(), "")).collect();
        let cases = [
            (vec![tag("a", "1"), tag("A", "2")], None),
            (vec![tag("a", "1"), tag("a", "2")], Some(EcsError::TagDuplicate)),
            (vec![tag("AWS:x", "1")], Some(EcsError::TagReserved)),
            (vec![tag("x", "aws:1")], Some(EcsError::TagReserved)),
            (fifty_one, Some(EcsError::TagLimit)),
        ];
        for (tags, expected) in cases {
            assert_eq!(checked(Some(&tags)).err(), expected, "{tags:?}");
        }
    }

    #[test]
    fn aws_tags_do_not_count_toward_the_limit() {
        let mut tags: Tags = (0..49).map(|n| Tag::new(n.to_string(), "")).collect();
        tags.set(Tag::new("aws:ecs:clusterName", "default"));
        let one: Tags = [Tag::new("x", "")].into_iter().collect();
        let two: Tags = [Tag::new("x", ""), Tag::new("y", "")].into_iter().collect();
        assert!(merged(tags.clone(), &one).is_ok());
        assert_eq!(merged(tags, &two), Err(EcsError::TagLimit));
    }
}
