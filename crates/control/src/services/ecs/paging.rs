//! Pages of lists. A token is the last key of the page before: the server keeps nothing, and a page goes on where the
//! last one ended whatever was made or deleted between.

use super::errors::EcsError;
use crate::services::pages;

/// How large pages are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    /// When the caller does not say.
    pub default: i32,
    /// The most a caller may ask for.
    pub max: i32,
}

/// Most lists (ecs.md 1).
pub(crate) const HUNDRED: PageSize = PageSize {
    default: 100,
    max: 100,
};
/// ListServices.
pub(crate) const SERVICES: PageSize = PageSize {
    default: 10,
    max: 100,
};
/// ListServiceDeployments.
pub(crate) const DEPLOYMENTS: PageSize = PageSize {
    default: 20,
    max: 100,
};
/// ListAccountSettings.
pub(crate) const SETTINGS: PageSize = PageSize { default: 10, max: 10 };

/// One page in the making.
#[derive(Debug)]
pub(crate) struct Pager {
    limit: usize,
    /// The last key of the page before.
    pub after: Option<String>,
}

impl Pager {
    /// Reads `nextToken` and `maxResults`. Tokens of other lists do not start with `prefix`.
    pub fn new(
        size: PageSize,
        prefix: &str,
        token: Option<&str>,
        max_results: Option<i32>,
    ) -> Result<Self, EcsError> {
        let wanted = max_results.unwrap_or(size.default);
        if !(1..=size.max).contains(&wanted) {
            return Err(EcsError::MaxResults {
                given: wanted,
                limit: size.max,
            });
        }
        let after = token.map(|token| open(token, prefix)).transpose()?;
        Ok(Self {
            limit: usize::try_from(wanted).unwrap_or(1),
            after,
        })
    }

    /// The page, from rows that come after [`Pager::after`] in order, and the token of the next one.
    pub fn page<K: AsRef<str>, T>(&self, rows: impl Iterator<Item = (K, T)>) -> (Vec<T>, Option<String>) {
        let (rows, last) = pages::cut(rows, self.limit);
        (rows, last.map(pages::token))
    }
}

fn open(token: &str, prefix: &str) -> Result<String, EcsError> {
    let key = pages::opened(token).filter(|key| key.starts_with(prefix));
    key.ok_or(EcsError::Token)
}

/// Refuses a batch that is larger than the API takes.
pub(crate) fn at_most(what: &'static str, limit: usize, given: usize) -> Result<(), EcsError> {
    if given > limit {
        Err(EcsError::TooMany { what, limit })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [(&str, u8); 5] = [("r/a", 1), ("r/b", 2), ("r/c", 3), ("r/d", 4), ("r/e", 5)];

    #[test]
    fn pages_follow_each_other_and_the_last_has_no_token() {
        let mut token = None;
        let mut pages = Vec::new();
        loop {
            let pager = Pager::new(HUNDRED, "r/", token.as_deref(), Some(2)).unwrap();
            let rest = ROWS
                .into_iter()
                .filter(|(key, _)| pager.after.as_deref().is_none_or(|after| *key > after));
            let (page, next) = pager.page(rest);
            pages.push(page);
            match next {
                Some(next) => token = Some(next),
                None => break,
            }
        }
        assert_eq!(pages, [vec![1, 2], vec![3, 4], vec![5]]);
    }

    #[test]
    fn bad_tokens_and_sizes_are_refused() {
        for token in ["%", "", "bm90IHRoaXMgbGlzdA"] {
            assert_eq!(
                Pager::new(HUNDRED, "r/", Some(token), None).unwrap_err(),
                EcsError::Token,
                "{token}"
            );
        }
        for given in [0, -1, 101] {
            let refused = Pager::new(HUNDRED, "r/", None, Some(given)).unwrap_err();
            assert_eq!(refused, EcsError::MaxResults { given, limit: 100 });
        }
    }
}
