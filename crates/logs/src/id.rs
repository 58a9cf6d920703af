//! Names of groups and streams.

use std::fmt;
use std::sync::Arc;

/// A log group of one account and region. The store looks at nothing in it: whoever makes it says what makes groups different.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Arc<str>);

impl GroupId {
    /// The group `name` of an account and a region.
    pub fn new(account: &str, region: &str, name: &str) -> Self {
        Self(format!("{account}/{region}/{name}").into())
    }

    /// As it is written down.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of_text(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A log stream inside its group, by its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Arc<str>);

impl StreamId {
    /// The stream of that name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
