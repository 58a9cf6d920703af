//! Pages. A token is the key of the last row of its page.

use super::errors::ParameterError;
use crate::services::pages;

/// What a caller's token says was last.
pub(super) fn last(token: Option<&str>) -> Result<Option<String>, ParameterError> {
    let last = token.filter(|token| !token.is_empty());
    last.map(|token| pages::opened(token).ok_or(ParameterError::NextToken))
        .transpose()
}

/// How long a page may be.
pub(super) fn length(max_results: Option<i32>, most: usize) -> usize {
    let wanted = max_results.and_then(|n| usize::try_from(n).ok());
    wanted.unwrap_or(most).clamp(1, most)
}

/// The page, from rows in the order of their keys, and the token of the next one if there are more.
pub(super) fn page<T>(rows: impl Iterator<Item = (String, T)>, length: usize) -> (Vec<T>, Option<String>) {
    let (rows, last) = pages::cut(rows, length);
    (rows, last.map(pages::token))
}
