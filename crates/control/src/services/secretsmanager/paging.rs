//! Pages. A token is the sorting key of the last row of its page, so that a page goes on where the last one ended whatever
//! was made or deleted between.

use super::errors::SecretsError;
use crate::services::pages;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    after: Option<String>,
    limit: usize,
}

impl Pager {
    /// Reads `NextToken` and `MaxResults`.
    pub fn of(token: Option<&str>, max_results: Option<i32>, page_max: usize) -> Result<Self, SecretsError> {
        let after = token.map(|token| pages::opened(token).ok_or(SecretsError::NextToken));
        let limit = max_results.and_then(|n| usize::try_from(n).ok());
        Ok(Self {
            after: after.transpose()?,
            limit: limit.map_or(page_max, |limit| limit.clamp(1, page_max)),
        })
    }

    /// The key of the last row of the page before.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The page, from the rows after that one in order, and the token of the next page if there are more.
    pub fn page<T>(&self, rows: impl Iterator<Item = (String, T)>) -> (Vec<T>, Option<String>) {
        let (rows, last) = pages::cut(rows, self.limit);
        (rows, last.map(pages::token))
    }
}
