//! Pages. A token is the key of the last row of its page, in base 64 so that nobody reads more into it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::EcrError;

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
        let limit = max_results.and_then(|n| usize::try_from(n).ok());
        Ok(Self {
            after: token.map(opened).transpose()?,
            limit: limit.unwrap_or(PAGE),
        })
    }

    /// The first rows of what comes after the page before, and the token of the next page if there are more.
    pub fn page<T>(
        &self,
        rows: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let mut rows: Vec<T> = rows.take(self.limit + 1).collect();
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = rows.last().map(|row| URL_SAFE_NO_PAD.encode(key(row)));
        (rows, next.filter(|_| more))
    }
}

fn opened(token: &str) -> Result<String, EcrError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| EcrError::NextToken)?;
    let key = String::from_utf8(bytes).map_err(|_| EcrError::NextToken)?;
    match key.is_empty() {
        true => Err(EcrError::NextToken),
        false => Ok(key),
    }
}
