//! Which tags stay with the image they were given to.

use portcullis_api::ecr as api;

use super::errors::EcrError;
use super::names::matches;
use crate::world::records::ecr::TagMutability;

/// Tags may go to other images.
pub(super) const MUTABLE: &str = "MUTABLE";
const WITH_EXCLUSION: &str = "_WITH_EXCLUSION";
/// Most stars a pattern may have.
const STARS_MAX: usize = 2;

/// What a request says of it.
pub(super) fn checked(
    mode: Option<&str>,
    filters: Option<&[api::ImageTagMutabilityExclusionFilter]>,
) -> Result<TagMutability, EcrError> {
    let mode = mode.unwrap_or(MUTABLE).to_owned();
    let exclusions: Vec<_> = filters
        .unwrap_or_default()
        .iter()
        .map(|one| one.filter.clone())
        .collect();
    let refused = |constraint| {
        Err(EcrError::parameter(
            "imageTagMutabilityExclusionFilters",
            constraint,
        ))
    };
    if mode.ends_with(WITH_EXCLUSION) == exclusions.is_empty() {
        return refused(
            "filters go with IMMUTABLE_WITH_EXCLUSION and MUTABLE_WITH_EXCLUSION, and those with filters",
        );
    }
    if exclusions
        .iter()
        .any(|filter| filter.matches('*').count() > STARS_MAX)
    {
        return refused("a filter can have at most 2 wildcards");
    }
    Ok(TagMutability { mode, exclusions })
}

/// As replies show the patterns.
pub(super) fn shown(row: &TagMutability) -> Option<Vec<api::ImageTagMutabilityExclusionFilter>> {
    let filters = row
        .exclusions
        .iter()
        .map(|filter| api::ImageTagMutabilityExclusionFilter {
            filter_type: "WILDCARD".to_owned(),
            filter: filter.clone(),
        });
    (!row.exclusions.is_empty()).then(|| filters.collect())
}

/// Whether a tag stays where it is.
pub(super) fn is_immutable(row: &TagMutability, tag: &str) -> bool {
    let is_excluded = row.exclusions.iter().any(|filter| matches(filter, tag));
    row.mode.starts_with("IMMUTABLE") != is_excluded
}
