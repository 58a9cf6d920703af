//! Pages. A token is the sorting key of the last row of its page, so that a page goes on where the last one ended whatever
//! was made or deleted between.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::SecretsError;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    after: Option<String>,
    limit: usize,
}

impl Pager {
    /// Reads `NextToken` and `MaxResults`.
    pub fn of(token: Option<&str>, max_results: Option<i32>, page_max: usize) -> Result<Self, SecretsError> {
        let read = |token: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
            String::from_utf8(bytes).ok()
        };
        let after = token.map(|token| read(token).ok_or(SecretsError::NextToken));
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
        let mut page = Vec::new();
        let mut last = None;
        for (key, row) in rows {
            if page.len() == self.limit {
                return (page, last.map(|key: String| URL_SAFE_NO_PAD.encode(key)));
            }
            page.push(row);
            last = Some(key);
        }
        (page, None)
    }
}
