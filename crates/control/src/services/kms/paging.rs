//! Pages. A marker is the row of the last entry of its page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::KmsError;

/// One page in the making.
#[derive(Debug)]
pub(super) struct Pager {
    after: Option<String>,
    limit: usize,
}

impl Pager {
    /// Reads `Marker` and `Limit`; `limit` is how many a page has when nobody says, `most` how many at most.
    pub fn of(marker: Option<&str>, asked: Option<i32>, limit: usize, most: usize) -> Result<Self, KmsError> {
        let decode = |marker: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(marker).ok()?;
            String::from_utf8(bytes).ok()
        };
        let after = match marker {
            None => None,
            Some(marker) => Some(decode(marker).ok_or(KmsError::Marker)?),
        };
        let asked = asked.and_then(|asked| usize::try_from(asked).ok());
        Ok(Self {
            after,
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
        let mut rows: Vec<_> = rows.filter(is_rest).take(self.limit + 1).collect();
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| has_more);
        let marker = last.map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        (rows.into_iter().map(|(_, row)| row).collect(), marker)
    }
}
