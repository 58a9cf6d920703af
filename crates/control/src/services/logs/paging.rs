//! Pages of lists. A token is the last key of the page before: the server keeps nothing, and a page goes on where the last one
//! ended whatever was made or deleted between.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::LogsError;

/// How many rows a page has when the caller does not say.
const PAGE_ROWS: usize = 50;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    limit: usize,
    /// The last key of the page before.
    pub after: Option<String>,
}

impl Pager {
    /// Reads `nextToken` and `limit`, whose bounds the model has. Tokens of other lists do not start with `prefix`.
    pub fn of(token: Option<&str>, limit: Option<i32>, prefix: &str) -> Result<Self, LogsError> {
        let open = |token: &str| {
            let key = URL_SAFE_NO_PAD.decode(token).ok()?;
            String::from_utf8(key).ok().filter(|key| key.starts_with(prefix))
        };
        let after = token
            .map(|token| open(token).ok_or(LogsError::NextToken))
            .transpose()?;
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
        Ok(Self {
            limit: limit.unwrap_or(PAGE_ROWS),
            after,
        })
    }

    /// The page, from rows that come after [`Pager::after`] in order, and the token of the next one.
    pub fn page<K: AsRef<str>, T>(&self, rows: impl Iterator<Item = (K, T)>) -> (Vec<T>, Option<String>) {
        let mut page = Vec::new();
        let mut last: Option<K> = None;
        for (key, row) in rows {
            if page.len() == self.limit {
                return (page, last.map(|key| URL_SAFE_NO_PAD.encode(key.as_ref())));
            }
            page.push(row);
            last = Some(key);
        }
        (page, None)
    }
}
