//! From the picture to the placement's arguments.

use portcullis_api::ecs as api;

use super::wanted::Plan;
use crate::schedule::placement::{Constraint, Demand, Strategy};
use crate::schedule::query::Expression;
use crate::schedule::resources::reservation;
use crate::services::ecs::errors::EcsError;
use crate::world::records::ecs::SECURITY_GROUPS_ATTRIBUTE;

/// Most constraints of definition and request together (ecs.md 10).
const CONSTRAINTS_MAX: usize = 10;
/// Most strategies (ecs.md 10).
const STRATEGIES_MAX: usize = 5;
/// What an instance must have for task roles; definitions require it too, but overrides can bring a role of their own.
const TASK_ROLE_ATTRIBUTE: &str = "com.amazonaws.ecs.capability.task-iam-role";
/// What an instance must have for ECS Exec.
const EXEC_ATTRIBUTE: &str = "ecs.capability.execute-command";

/// What the tasks of a plan need, without conditions of the request.
pub(super) fn demand<'a>(plan: &'a Plan<'_>) -> Demand<'a> {
    let definition = &plan.definition.definition;
    let required = definition.requires_attributes.iter().flatten();
    let mut attributes: Vec<_> = required
        .map(|one| (one.name.as_str(), one.value.as_deref()))
        .collect();
    if plan.task_role.is_some() && definition.network_mode.as_deref() != Some("host") {
        attributes.push((TASK_ROLE_ATTRIBUTE, None));
    }
    if plan.network.is_some() {
        // Agents that look for EC2's interfaces on their host would never find them (docs/fidelity.md).
        attributes.push((SECURITY_GROUPS_ATTRIBUTE, None));
    }
    if plan.enable_execute_command {
        attributes.push((EXEC_ATTRIBUTE, None));
    }
    let is_gpu = |one: &api::ResourceRequirement| one.r#type == "GPU";
    let mut containers = definition.container_definitions.iter().flatten();
    Demand {
        reservation: reservation(definition, &plan.overrides),
        gpu: containers.any(|one| one.resource_requirements.iter().flatten().any(is_gpu)),
        attributes,
        starter: None,
        zones: plan.zones.clone(),
        group: &plan.group,
        constraints: Vec::new(),
        strategies: Vec::new(),
    }
}

/// The conditions of the definition and of the request.
pub(super) fn constraints(
    plan: &Plan<'_>,
    requested: Option<&[api::PlacementConstraint]>,
) -> Result<Vec<Constraint>, EcsError> {
    conditions(
        plan.definition.definition.placement_constraints.as_deref(),
        requested,
    )
}

/// The conditions that stand in a definition and in a request.
pub(in crate::services::ecs) fn conditions(
    defined: Option<&[api::TaskDefinitionPlacementConstraint]>,
    requested: Option<&[api::PlacementConstraint]>,
) -> Result<Vec<Constraint>, EcsError> {
    let defined = defined.unwrap_or_default().iter();
    let defined = defined.map(|one| (one.r#type.as_deref(), one.expression.as_deref()));
    let requested = requested.unwrap_or_default().iter();
    let all = defined.chain(requested.map(|one| (one.r#type.as_deref(), one.expression.as_deref())));
    let constraints = all
        .map(|(kind, expression)| constraint(kind, expression))
        .collect::<Result<Vec<_>, _>>()?;
    if constraints.len() > CONSTRAINTS_MAX {
        return Err(EcsError::TooMany {
            what: "placementConstraints",
            limit: CONSTRAINTS_MAX,
        });
    }
    Ok(constraints)
}

fn constraint(kind: Option<&str>, expression: Option<&str>) -> Result<Constraint, EcsError> {
    match (kind, expression) {
        (Some("distinctInstance"), None | Some("")) => Ok(Constraint::DistinctInstance),
        (Some("distinctInstance"), Some(_)) => Err(EcsError::DistinctInstanceExpression),
        (Some("memberOf"), expression) => {
            let parsed = Expression::parse(expression.unwrap_or_default());
            parsed
                .map(Constraint::MemberOf)
                .map_err(|error| EcsError::Expression(error.to_string()))
        }
        (other, _) => Err(EcsError::PlacementType(other.unwrap_or_default().to_owned())),
    }
}

/// The strategies of the request.
pub(in crate::services::ecs) fn strategies(
    requested: Option<&[api::PlacementStrategy]>,
) -> Result<Vec<Strategy>, EcsError> {
    let requested = requested.unwrap_or_default();
    if requested.len() > STRATEGIES_MAX {
        return Err(EcsError::TooMany {
            what: "placementStrategy",
            limit: STRATEGIES_MAX,
        });
    }
    requested
        .iter()
        .map(|one| strategy(one.r#type.as_deref(), one.field.as_deref()))
        .collect()
}

fn strategy(kind: Option<&str>, field: Option<&str>) -> Result<Strategy, EcsError> {
    let kind = kind.unwrap_or_default();
    let field = field.unwrap_or_default();
    let refused = || EcsError::PlacementField {
        kind: kind.to_owned(),
        field: field.to_owned(),
    };
    match kind {
        "random" if field.is_empty() => Ok(Strategy::Random),
        "spread" => match (
            field.to_ascii_lowercase().as_str(),
            field.strip_prefix("attribute:"),
        ) {
            ("instanceid" | "host", _) => Ok(Strategy::SpreadInstances),
            (_, Some(name)) if !name.is_empty() => Ok(Strategy::SpreadAttribute(name.to_owned())),
            _ => Err(refused()),
        },
        "binpack" => match field.to_ascii_lowercase().as_str() {
            "cpu" => Ok(Strategy::BinpackCpu),
            "memory" => Ok(Strategy::BinpackMemory),
            _ => Err(refused()),
        },
        "random" => Err(refused()),
        other => Err(EcsError::PlacementType(other.to_owned())),
    }
}
