//! The values an element or a condition lists. Most are never shown, so they are read from the policy's text when asked
//! for: a hundred statements of a hundred actions are explained without a copy of any.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::Span;
use crate::explain::ExplainedPolicy;
use crate::json::{self, Json};

/// Values in the order of the policy's text, variables replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct Listed {
    policy: Arc<ExplainedPolicy>,
    spans: Vec<Span>,
    /// Those that are shown otherwise than they are written, by place.
    replaced: Vec<(usize, String)>,
}

impl Listed {
    /// `shown` says how a value is shown, where that is not as it is written.
    pub(super) fn of<'v, V: 'v>(
        policy: &Arc<ExplainedPolicy>,
        values: &'v [V],
        span: impl Fn(&'v V) -> Span,
        shown: impl Fn(&'v V) -> Option<String>,
    ) -> Self {
        let replaced = values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| Some((at, shown(value)?)));
        Self {
            policy: Arc::clone(policy),
            spans: values.iter().map(span).collect(),
            replaced: replaced.collect(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// A value, by its place in the list.
    pub fn get(&self, at: usize) -> Option<Cow<'_, str>> {
        match self.replaced.iter().find(|(place, _)| *place == at) {
            Some((_, text)) => Some(Cow::Borrowed(text)),
            None => self.written(at),
        }
    }

    /// A value as it is written.
    pub(crate) fn written(&self, at: usize) -> Option<Cow<'_, str>> {
        let raw = self.span(at)?.of(&self.policy.text)?;
        let Some(inner) = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) else {
            return Some(Cow::Borrowed(raw));
        };
        if !inner.contains('\\') {
            return Some(Cow::Borrowed(inner));
        }
        match json::parse(raw).map(|node| node.value) {
            Ok(Json::String(text)) => Some(Cow::Owned(text)),
            _ => Some(Cow::Borrowed(inner)),
        }
    }

    /// Where a value stands in the policy's text.
    pub fn span(&self, at: usize) -> Option<Span> {
        self.spans.get(at).copied()
    }

    /// A copy of all values, in order.
    pub fn to_vec(&self) -> Vec<String> {
        self.iter().map(Cow::into_owned).collect()
    }

    /// All values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Cow<'_, str>> + '_ {
        (0..self.len()).map(|at| self.get(at).unwrap_or_default())
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for Listed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
