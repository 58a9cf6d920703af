//! Pages of accounts. A token is the key of the last row of its page: an account's id.

use portcullis_core::AccountId;

use super::errors::OrganizationsError;
use crate::services::pages;

const PAGE_MAX: usize = 20;

/// One page in the making.
pub(super) struct Pager<'a> {
    /// The last key of the page before.
    pub after: Option<&'a str>,
    limit: usize,
}

impl<'a> Pager<'a> {
    /// Reads `NextToken` and `MaxResults`.
    pub fn of(token: Option<&'a str>, max_results: Option<i32>) -> Result<Self, OrganizationsError> {
        if token.is_some_and(|token| token.parse::<AccountId>().is_err()) {
            return Err(OrganizationsError::Token);
        }
        let limit = max_results.and_then(|n| usize::try_from(n).ok());
        Ok(Self {
            after: token,
            limit: limit.unwrap_or(PAGE_MAX),
        })
    }

    /// The first rows, and the token of the next page if there are more. Keys come in order.
    pub fn page<'k, T>(&self, rows: impl Iterator<Item = (&'k str, T)>) -> (Vec<T>, Option<String>) {
        let (rows, last) = pages::cut(rows, self.limit);
        (rows, last.map(str::to_owned))
    }
}
