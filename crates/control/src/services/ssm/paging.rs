//! Pages. A token is the key of the last row of its page.

use super::errors::SsmError;
use crate::services::pages;

const PAGE_MAX: usize = 50;

/// One page in the making.
pub(super) struct Pager<'a> {
    after: Option<&'a str>,
    limit: usize,
}

impl<'a> Pager<'a> {
    /// Reads `NextToken` and `MaxResults`.
    pub fn of(token: Option<&'a str>, max_results: Option<i32>) -> Result<Self, SsmError> {
        let is_key = |token: &str| {
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if token.is_some_and(|token| token.is_empty() || !is_key(token)) {
            return Err(SsmError::NextToken);
        }
        let limit = max_results.and_then(|n| usize::try_from(n).ok());
        Ok(Self {
            after: token,
            limit: limit.unwrap_or(PAGE_MAX),
        })
    }

    /// The first rows after the page before, and the token of the next page if there are more. Keys come in order.
    pub fn page<'k, T>(&self, rows: impl Iterator<Item = (&'k str, T)>) -> (Vec<T>, Option<String>) {
        let rest = rows.filter(|(key, _)| self.after.is_none_or(|after| *key > after));
        let (rows, last) = pages::cut(rest, self.limit);
        (rows, last.map(str::to_owned))
    }
}
