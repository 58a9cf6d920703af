//! Pages. A token is the key of the last row of its page, in base 64 so that nobody reads more into it.

use super::errors::EcrError;
use crate::services::pages;

/// How many rows a page has when nobody says.
const PAGE: usize = 100;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    /// The key after which the page begins.
    pub after: Option<String>,
    /// How many rows it may have.
    pub limit: usize,
}

impl Pager {
    /// Reads `nextToken` and `maxResults`.
    pub fn of(token: Option<&str>, max_results: Option<i32>) -> Result<Self, EcrError> {
        let is_key = |key: &String| !key.is_empty();
        let opened = |token| pages::opened(token).filter(is_key).ok_or(EcrError::NextToken);
        let after = token.map(opened);
        let limit = max_results.and_then(|n| usize::try_from(n).ok());
        Ok(Self {
            after: after.transpose()?,
            limit: limit.unwrap_or(PAGE),
        })
    }

    /// The first rows of what comes after the page before, and the token of the next page if there are more.
    pub fn page<T>(
        &self,
        rows: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let (rows, last) = pages::cut(rows.map(|row| (key(&row), row)), self.limit);
        (rows, last.map(pages::token))
    }
}
