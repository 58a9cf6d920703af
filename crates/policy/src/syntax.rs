//! What a parsed document is made of, for tools that read policies: the linter, the analyser, the editor.

pub use crate::document::{
    ActionList, ActionPattern, Condition, ConditionValue, PrincipalElement, PrincipalEntry, ResourceList,
    ResourcePattern, Statement,
};
pub use crate::matching::action::ActionForm;
pub use crate::matching::glob::{Glob, Token};
pub use crate::matching::operator::{Operator, Order, SetOperator, Test};
pub use crate::matching::resource::ResourceForm;
pub use crate::matching::variable::{Part, Template};
