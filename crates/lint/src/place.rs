//! Places in a document: a path through its tree, kept without allocation, and the span of the text.

use portcullis_policy::Span;

use crate::PathElement;

/// The deepest place is a value of a list under a key of an operator of a condition.
const MAX_STEPS: usize = 8;

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Index(usize),
    Key(&'a str),
    Value(&'a str),
}

/// Where something stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    steps: [Step<'a>; MAX_STEPS],
    used: usize,
    pub(crate) span: Span,
}

impl<'a> Place<'a> {
    /// The document.
    pub(crate) fn root(span: Span) -> Self {
        Self {
            steps: [Step::Index(0); MAX_STEPS],
            used: 0,
            span,
        }
    }

    /// The value of a member.
    pub(crate) fn value(self, key: &'a str, span: Span) -> Self {
        self.step(Step::Value(key), span)
    }

    /// The key of a member.
    pub(crate) fn key(self, key: &'a str, span: Span) -> Self {
        self.step(Step::Key(key), span)
    }

    /// An item of a list.
    pub(crate) fn item(self, index: usize, span: Span) -> Self {
        self.step(Step::Index(index), span)
    }

    fn step(mut self, step: Step<'a>, span: Span) -> Self {
        if let Some(slot) = self.steps.get_mut(self.used) {
            *slot = step;
            self.used += 1;
        }
        self.span = span;
        self
    }

    /// The path as findings give it.
    pub(crate) fn path(&self) -> Vec<PathElement> {
        let element = |step: &Step<'_>| match step {
            Step::Index(index) => PathElement::Index(*index),
            Step::Key(key) => PathElement::Key((*key).to_owned()),
            Step::Value(key) => PathElement::Value((*key).to_owned()),
        };
        self.steps.iter().take(self.used).map(element).collect()
    }
}
