//! Pages of lists. A token is the last key of the page before: the server keeps nothing, and a page goes on where the last one
//! ended whatever was made or deleted between.

use super::errors::LogsError;
use crate::services::pages;

/// How many rows a page has when the caller does not say.
const PAGE_ROWS: usize = 50;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    /// Most rows.
    pub limit: usize,
    /// The last key of the page before.
    pub after: Option<String>,
}

impl Pager {
    /// Reads `nextToken` and `limit`, whose bounds the model has. Tokens of other lists do not start with `prefix`.
    pub fn of(token: Option<&str>, limit: Option<i32>, prefix: &str) -> Result<Self, LogsError> {
        let is_of_list = |key: &String| key.starts_with(prefix);
        let after = token.map(|token| {
            let key = pages::opened(token).filter(is_of_list);
            key.ok_or(LogsError::NextToken)
        });
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Ok(Self {
            limit: limit.unwrap_or(PAGE_ROWS),
            after: after.transpose()?,
        })
    }

    /// The page, from rows that come after [`Pager::after`] in order, and the token of the next one.
    pub fn page<K: AsRef<str>, T>(&self, rows: impl Iterator<Item = (K, T)>) -> (Vec<T>, Option<String>) {
        let (rows, last) = pages::cut(rows, self.limit);
        (rows, last.map(pages::token))
    }
}
