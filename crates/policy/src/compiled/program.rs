//! The compiled policies of one set.

use crate::answers::SetAnswer;
use crate::compiled::block::{Block, Place};
use crate::compiled::prepared::Prepared;
use crate::compiled::set::STATEMENTS_MAX;
use crate::document::Statement;
use crate::{Document, Kind};

/// The policies of one set - all that is attached to a user and its groups, one level of SCPs, a resource's policy -
/// compiled together. It owns what it needs, so that it outlives the documents.
#[derive(Debug, Clone)]
pub struct Program {
    blocks: Blocks,
    statements: usize,
    is_trust_policy: bool,
}

/// The statements, in the smallest masks that hold them.
#[derive(Debug, Clone)]
enum Blocks {
    Small(Box<Block<1>>),
    Medium(Box<Block<4>>),
    Large(Vec<Block<16>>),
}

impl Blocks {
    fn compile(statements: &[&Statement]) -> Self {
        match statements.len() {
            0..=64 => Self::Small(Box::new(Block::compile(statements))),
            65..=256 => Self::Medium(Box::new(Block::compile(statements))),
            _ => Self::Large(statements.chunks(STATEMENTS_MAX).map(Block::compile).collect()),
        }
    }
}

impl Program {
    /// Compiles policies. To be done when they are attached, never per request.
    pub fn compile<'a>(documents: impl IntoIterator<Item = &'a Document>) -> Self {
        let mut statements = Vec::new();
        let mut is_trust_policy = false;
        for document in documents {
            is_trust_policy |= document.kind() == Kind::Trust;
            statements.extend(document.statements());
        }
        Self {
            blocks: Blocks::compile(&statements),
            statements: statements.len(),
            is_trust_policy,
        }
    }

    /// How many statements it was made of.
    pub fn statements(&self) -> usize {
        self.statements
    }

    /// Bytes it occupies, allocations included.
    pub fn memory(&self) -> usize {
        let blocks = match &self.blocks {
            Blocks::Small(block) => size_of_val(&**block) + block.memory(),
            Blocks::Medium(block) => size_of_val(&**block) + block.memory(),
            Blocks::Large(blocks) => {
                blocks.capacity() * size_of::<Block<16>>() + blocks.iter().map(Block::memory).sum::<usize>()
            }
        };
        size_of::<Self>() + blocks
    }

    /// Whether it is the trust policy of a role.
    pub(super) fn is_trust_policy(&self) -> bool {
        self.is_trust_policy
    }

    /// What the set says about a request.
    pub(super) fn answer(&self, prepared: &Prepared<'_>, place: Place) -> SetAnswer {
        match &self.blocks {
            Blocks::Small(block) => block.answer(prepared, place),
            Blocks::Medium(block) => block.answer(prepared, place),
            Blocks::Large(blocks) => {
                let mut all = SetAnswer::SILENT;
                for block in blocks {
                    let answer = block.answer(prepared, place);
                    if answer.denies {
                        return answer;
                    }
                    all = all.or_also(answer);
                }
                all
            }
        }
    }
}
