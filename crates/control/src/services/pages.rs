//! Pages of lists, the same in all services: a token is the key of the last row of its page, so that the server keeps nothing,
//! and a page goes on where the last one ended whatever was made or deleted between. How many rows a page has, what a key must
//! look like and what is said of a bad token each service knows by itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The token of a page whose last row has this key.
pub(crate) fn token(last: impl AsRef<str>) -> String {
    URL_SAFE_NO_PAD.encode(last.as_ref())
}

/// The key in a token; `None` if it holds none.
pub(crate) fn opened(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

/// The first rows, and the key of the last of them if there are more.
pub(crate) fn cut<K, T>(rows: impl Iterator<Item = (K, T)>, limit: usize) -> (Vec<T>, Option<K>) {
    let (mut page, mut last) = (Vec::new(), None);
    for (key, row) in rows {
        if page.len() == limit {
            return (page, last);
        }
        page.push(row);
        last = Some(key);
    }
    (page, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_last_page_has_no_last_key_and_what_is_no_token_opens_to_none() {
        let rows = || [("a", 1), ("b", 2), ("c", 3)].into_iter();
        assert_eq!(cut(rows(), 2), (vec![1, 2], Some("b")));
        assert_eq!(cut(rows(), 3), (vec![1, 2, 3], None));
        assert_eq!(opened(&token("ä/b")).as_deref(), Some("ä/b"));
        assert_eq!((opened("%"), opened("_w")), (None, None));
    }
}
