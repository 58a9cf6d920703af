//! Pages. A marker is the row of the last entry of its page.

use super::errors::KmsError;
use crate::services::pages;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    after: Option<String>,
    limit: usize,
}

impl Pager {
    /// Reads `Marker` and `Limit`; `limit` is how many a page has when nobody says, `most` how many at most.
    pub fn of(marker: Option<&str>, asked: Option<i32>, limit: usize, most: usize) -> Result<Self, KmsError> {
        let after = marker.map(|marker| pages::opened(marker).ok_or(KmsError::Marker));
        let asked = asked.and_then(|asked| usize::try_from(asked).ok());
        Ok(Self {
            after: after.transpose()?,
            limit: asked.unwrap_or(limit).clamp(1, most),
        })
    }

    /// The row the page comes after.
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The first rows after the page before, and the marker of the next page if there are more. Rows come in order.
    pub fn page<T>(&self, rows: impl Iterator<Item = (String, T)>) -> (Vec<T>, Option<String>) {
        let is_rest = |(key, _): &(String, T)| self.after.as_ref().is_none_or(|after| key > after);
        let (rows, last) = pages::cut(rows.filter(is_rest), self.limit);
        (rows, last.map(pages::token))
    }
}
