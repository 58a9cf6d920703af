//! DescribeDaemonTaskDefinition and ListDaemonTaskDefinitions.

use portcullis_api::ecs::op::{DescribeDaemonTaskDefinition, ListDaemonTaskDefinitions};
use portcullis_api::ecs::{
    self as api, DescribeDaemonTaskDefinitionRequest, DescribeDaemonTaskDefinitionResponse,
    ListDaemonTaskDefinitionsRequest, ListDaemonTaskDefinitionsResponse,
};

use super::names::DaemonDefinitionRef;
use super::{shown, status};
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::paging::{HUNDRED, Pager};
use crate::world::Snapshot;
use crate::world::records::ecs::{DaemonFamily, DaemonTaskDefinition};

/// The definition.
pub(in crate::services::ecs) fn require_describe(
    ask: Ask<'_, DescribeDaemonTaskDefinitionRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let argument = &ask.input.daemon_task_definition;
    let reference = DaemonDefinitionRef::resolve(ask.view, ask.call.into(), argument)?;
    let check = Check::new("ecs:DescribeDaemonTaskDefinition", reference.arn.as_str());
    Ok(vec![match reference.find(ask.view) {
        Some(found) => check.of_resource(&found.tags),
        None => check,
    }])
}

/// One definition in any state; of a bare family the latest ACTIVE one.
pub(in crate::services::ecs) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeDaemonTaskDefinition>,
) -> Result<DescribeDaemonTaskDefinitionResponse, ServiceError> {
    let argument = &auth.input().daemon_task_definition;
    let reference = DaemonDefinitionRef::resolve(view, auth.call().into(), argument)?;
    Ok(DescribeDaemonTaskDefinitionResponse {
        daemon_task_definition: Some(shown(view, reference.known(view)?)),
    })
}

/// No resource (ecs.md 15, rule 5).
pub(in crate::services::ecs) fn require_list(
    _ask: Ask<'_, ListDaemonTaskDefinitionsRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:ListDaemonTaskDefinitions", "*")])
}

/// Definitions ordered by family and revision.
pub(in crate::services::ecs) fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListDaemonTaskDefinitions>,
) -> Result<ListDaemonTaskDefinitionsResponse, ServiceError> {
    let input = auth.input();
    let region = &auth.call().region;
    let prefix = match (&input.family, &input.family_prefix) {
        (Some(family), _) => format!("{region}/{family}#"),
        (None, start) => format!("{region}/{}", start.as_deref().unwrap_or_default()),
    };
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    let wanted = |row: &DaemonTaskDefinition| {
        let shown = match input.status.as_deref().unwrap_or("ACTIVE") {
            "ALL" => true,
            asked => asked == status(view, row),
        };
        shown && (input.revision.is_none() || is_last(view, row))
    };
    let table = &view.ecs.daemon_task_definitions;
    let (rows, next_token) = if input.sort.as_deref() == Some("DESC") {
        let rows = table.before(&prefix, pager.after.as_deref());
        pager.page(rows.filter(|(_, row)| wanted(row)))
    } else {
        let rows = table.after(&prefix, pager.after.as_deref());
        pager.page(rows.filter(|(_, row)| wanted(row)))
    };
    Ok(ListDaemonTaskDefinitionsResponse {
        daemon_task_definitions: Some(rows.into_iter().map(|row| summary(view, row)).collect()),
        next_token,
    })
}

/// Whether it is the last one registered of its family.
fn is_last(view: &Snapshot, row: &DaemonTaskDefinition) -> bool {
    let family = view
        .ecs
        .daemon_families
        .get(&DaemonFamily::key_of(&row.region, &row.family));
    family.is_some_and(|family| family.last_revision == row.revision)
}

fn summary(view: &Snapshot, row: &DaemonTaskDefinition) -> api::DaemonTaskDefinitionSummary {
    api::DaemonTaskDefinitionSummary {
        arn: Some(row.arn.to_string()),
        registered_at: row.definition.registered_at,
        registered_by: row.definition.registered_by.clone(),
        delete_requested_at: row.delete_requested,
        status: Some(status(view, row).to_owned()),
    }
}
