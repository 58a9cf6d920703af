//! Pages. A token is the key of the last row of its page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::errors::ParameterError;

/// What a caller's token says was last.
pub(super) fn last(token: Option<&str>) -> Result<Option<String>, ParameterError> {
    let read = |token: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        String::from_utf8(bytes).ok()
    };
    let last = token.filter(|token| !token.is_empty());
    last.map(|token| read(token).ok_or(ParameterError::NextToken))
        .transpose()
}

/// How long a page may be.
pub(super) fn length(max_results: Option<i32>, most: usize) -> usize {
    let wanted = max_results.and_then(|n| usize::try_from(n).ok());
    wanted.unwrap_or(most).clamp(1, most)
}

/// The page, from rows in the order of their keys, and the token of the next one if there are more.
pub(super) fn page<T>(rows: impl Iterator<Item = (String, T)>, length: usize) -> (Vec<T>, Option<String>) {
    let mut page = Vec::new();
    let mut last = None;
    for (key, row) in rows {
        if page.len() == length {
            return (page, last.map(|key: String| URL_SAFE_NO_PAD.encode(key)));
        }
        page.push(row);
        last = Some(key);
    }
    (page, None)
}
