//! Rules of the task as a whole.

use super::{DefinitionFault, Draft, some};
use crate::schedule::query::{EXPRESSION_CHARS_MAX, Expression};
use crate::services::ecs::names::is_name;

const CONSTRAINTS_MAX: usize = 10;

pub(super) fn family(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if is_name(&draft.input.family) {
        Ok(())
    } else {
        Err(DefinitionFault::Family)
    }
}

pub(super) fn unsupported_fields(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if some(draft.input.inference_accelerators.as_ref()) {
        return Err(DefinitionFault::UnsupportedField("inferenceAccelerators"));
    }
    Ok(())
}

pub(super) fn placement_constraints(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let constraints = draft.input.placement_constraints.as_deref().unwrap_or_default();
    if constraints.len() > CONSTRAINTS_MAX {
        return Err(DefinitionFault::Constraints);
    }
    for constraint in constraints {
        let text = constraint.expression.as_deref().unwrap_or_default();
        if text.is_empty() || text.chars().count() > EXPRESSION_CHARS_MAX {
            return Err(DefinitionFault::ConstraintExpression);
        }
        Expression::parse(text).map_err(|error| DefinitionFault::Expression(error.to_string()))?;
    }
    Ok(())
}

pub(super) fn platform(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    let platform = draft.input.runtime_platform.as_ref();
    let is_arm = platform.and_then(|platform| platform.cpu_architecture.as_deref()) == Some("ARM64");
    if is_arm && draft.is_windows() {
        return Err(DefinitionFault::WindowsArm);
    }
    Ok(())
}

pub(super) fn external(draft: Draft<'_>) -> Result<(), DefinitionFault> {
    if draft.requires("EXTERNAL") && draft.network_mode() == "awsvpc" {
        return Err(DefinitionFault::ExternalNetworkMode);
    }
    Ok(())
}
