//! Task definitions (ecs.md 7).

mod compatibility;
mod fault;
mod normal;
mod read;
mod register;
mod requirements;
mod retire;
mod rules;
mod size;

pub(crate) use fault::DefinitionFault;
pub(super) use read::{describe, families, list, require_describe, require_families, require_list};
pub(super) use register::{checked, register, require_register};
pub(super) use requirements::is_ecr;
pub(super) use retire::{delete, deregister, require_delete, require_deregister};
pub(super) use rules::is_fargate_size;
pub(super) use size::TaskSize;
