//! Policies in the form that decides: compiled when they are first asked, and kept until they change.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use portcullis_policy::{Document, Program};

use super::records::PolicyText;

/// A parsed policy and, once it has been asked, its program.
pub struct Policy {
    document: Document,
    program: OnceLock<Program>,
}

impl Policy {
    /// Takes over a parsed document.
    pub fn new(document: Document) -> Self {
        Self {
            document,
            program: OnceLock::new(),
        }
    }

    /// The document, for explanations.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The program, for decisions.
    pub fn program(&self) -> &Program {
        self.program.get_or_init(|| Program::compile([&self.document]))
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({} bytes)", self.document.text().len())
    }
}

/// What decides for a user or a role, its groups included.
#[derive(Debug)]
pub struct Compiled {
    /// All its inline and attached policies together.
    pub identity: Program,
    /// The permissions boundary.
    pub boundary: Option<Arc<Policy>>,
}

/// The compiled policies of one row, empty until they are first asked.
///
/// A copy is empty: rows change by being copied, changed and put back, so that what was compiled of the old row ends
/// with it. Whoever changes policies beside the row (a group, a managed policy) must renew the row by
/// `Snapshot::recompile_*`.
#[derive(Default)]
pub struct CompiledSlot(OnceLock<Option<Compiled>>);

impl CompiledSlot {
    /// What the slot holds; compiled now if nobody asked before. `None` is a policy that cannot be read.
    pub fn get_or_compile(&self, compile: impl FnOnce() -> Option<Compiled>) -> Option<&Compiled> {
        self.0.get_or_init(compile).as_ref()
    }
}

/// The policy of a resource together with what a row of its own adds to it, empty until it is first asked. It is made anew when
/// the resource's policy has become another one. A copy is empty.
#[derive(Default)]
pub struct MergedSlot(ArcSwapOption<Merged>);

struct Merged {
    with: PolicyText,
    policy: Arc<Policy>,
}

impl MergedSlot {
    /// What the slot holds for this policy; merged now if nobody asked before. `None` is a policy that cannot be read.
    pub fn get_or_merge(
        &self,
        with: &PolicyText,
        merge: impl FnOnce() -> Option<Document>,
    ) -> Option<Arc<Policy>> {
        let kept = self.0.load();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.with.is_same(with)) {
            return Some(Arc::clone(&kept.policy));
        }
        let policy = Arc::new(Policy::new(merge()?));
        self.0.store(Some(Arc::new(Merged {
            with: with.clone(),
            policy: Arc::clone(&policy),
        })));
        Some(policy)
    }
}

impl Clone for MergedSlot {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for MergedSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MergedSlot(..)")
    }
}

impl Clone for CompiledSlot {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for CompiledSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompiledSlot(..)")
    }
}
