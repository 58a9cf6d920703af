//! Policies in the form that decides: compiled when they are first asked, and kept until they change.

use std::fmt;
use std::sync::{Arc, OnceLock};

use portcullis_policy::{Document, Program};

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
