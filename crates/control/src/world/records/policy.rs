//! Policy documents as they rest in records.

use std::fmt;
use std::sync::{Arc, OnceLock};

use portcullis_policy::{Document, Kind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::world::compiled::Policy;

/// A policy document, byte for byte as it was uploaded (R28). It is parsed when it is first asked: most of the policies
/// of a large account rest, and a parsed one takes many times its text.
#[derive(Clone)]
pub struct PolicyText {
    text: Arc<str>,
    kind: Kind,
    policy: OnceLock<Option<Arc<Policy>>>,
}

impl PolicyText {
    /// Takes over a document that has passed IAM's checks.
    pub fn new(document: &Document) -> Self {
        Self::of(document.text(), document.kind())
    }

    fn of(text: &str, kind: Kind) -> Self {
        Self {
            text: text.into(),
            kind,
            policy: OnceLock::new(),
        }
    }

    /// The text as uploaded.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is the other one, and not only equal: nobody has put another in its place.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.text, &other.text)
    }

    /// The policy; `None` when the stored text no longer parses, which must deny everything (R31).
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        let parse = || {
            let document = Document::parse(&self.text, self.kind).ok()?;
            Some(Arc::new(Policy::new(document)))
        };
        self.policy.get_or_init(parse).as_ref()
    }

    /// The parsed form, `None` as for [`policy`](Self::policy).
    pub fn document(&self) -> Option<&Document> {
        self.policy().map(|policy| policy.document())
    }
}

impl fmt::Debug for PolicyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyText({} bytes)", self.text.len())
    }
}

impl Serialize for PolicyText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = match self.kind {
            Kind::Trust => "trust",
            Kind::Resource => "resource",
            _ => "identity",
        };
        (kind, &*self.text).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PolicyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (kind, text) = <(String, String)>::deserialize(deserializer)?;
        let kind = match kind.as_str() {
            "trust" => Kind::Trust,
            "resource" => Kind::Resource,
            _ => Kind::Identity,
        };
        Ok(Self::of(&text, kind))
    }
}
