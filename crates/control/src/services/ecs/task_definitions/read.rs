//! DescribeTaskDefinition, ListTaskDefinitions and ListTaskDefinitionFamilies.

use portcullis_api::ecs::op::{DescribeTaskDefinition, ListTaskDefinitionFamilies, ListTaskDefinitions};
use portcullis_api::ecs::{
    DescribeTaskDefinitionRequest, DescribeTaskDefinitionResponse, ListTaskDefinitionFamiliesRequest,
    ListTaskDefinitionFamiliesResponse, ListTaskDefinitionsRequest, ListTaskDefinitionsResponse,
};

use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::{DefinitionRef, Scope, latest_active};
use crate::services::ecs::paging::{HUNDRED, Pager};
use crate::services::ecs::tags;
use crate::world::Snapshot;
use crate::world::records::ecs::TaskDefinition;

/// No resource: only `Resource: "*"` matches (rule 6).
pub fn require_describe(_ask: Ask<'_, DescribeTaskDefinitionRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:DescribeTaskDefinition", "*")])
}

/// One definition in any state; of a bare family the latest ACTIVE one.
pub fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, DescribeTaskDefinition>,
) -> Result<DescribeTaskDefinitionResponse, ServiceError> {
    let input = auth.input();
    let reference = DefinitionRef::resolve(view, auth.call().into(), &input.task_definition)
        .map_err(|_| EcsError::DefinitionNotFound)?;
    let found = reference.find(view).ok_or(EcsError::DefinitionNotFound)?;
    let tags = if tags::wanted(input.include.as_deref()) {
        tags::shown(&found.tags)
    } else {
        Vec::new()
    };
    Ok(DescribeTaskDefinitionResponse {
        task_definition: Some(found.shown()),
        tags: Some(tags),
    })
}

/// No resource (rule 5).
pub fn require_list(_ask: Ask<'_, ListTaskDefinitionsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:ListTaskDefinitions", "*")])
}

/// ARNs ordered by family and revision; `familyPrefix` is a whole family.
pub fn list(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListTaskDefinitions>,
) -> Result<ListTaskDefinitionsResponse, ServiceError> {
    let input = auth.input();
    let scope = Scope::from(auth.call());
    let status = input.status.as_deref().unwrap_or("ACTIVE");
    let family = input
        .family_prefix
        .as_ref()
        .map(|family| format!("{family}#"))
        .unwrap_or_default();
    let prefix = format!("{}/{status}/{family}", scope.region);
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    let index = &view.ecs.definitions_by_status;
    let arn = |key: &str| arn_of_status_key(scope, key);
    let (arns, next_token) = if input.sort.as_deref() == Some("DESC") {
        pager.page(
            index
                .before(&prefix, pager.after.as_deref())
                .map(|(key, _)| (key, arn(key))),
        )
    } else {
        pager.page(
            index
                .after(&prefix, pager.after.as_deref())
                .map(|(key, _)| (key, arn(key))),
        )
    };
    let arns = arns.into_iter().flatten().collect();
    Ok(ListTaskDefinitionsResponse {
        task_definition_arns: Some(arns),
        next_token,
    })
}

fn arn_of_status_key(scope: Scope<'_>, key: &str) -> Option<String> {
    let (_, name) = key.rsplit_once('/')?;
    let (family, revision) = name.split_once('#')?;
    let revision: i32 = revision.parse().ok()?;
    Some(TaskDefinition::arn_of(scope.region, scope.account, family, revision).to_string())
}

/// No resource (rule 5).
pub fn require_families(
    _ask: Ask<'_, ListTaskDefinitionFamiliesRequest>,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("ecs:ListTaskDefinitionFamilies", "*")])
}

/// Names of families; without a status those without ACTIVE revision too.
pub fn families(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, ListTaskDefinitionFamilies>,
) -> Result<ListTaskDefinitionFamiliesResponse, ServiceError> {
    let input = auth.input();
    let region = &auth.call().region;
    let prefix = format!("{region}/{}", input.family_prefix.as_deref().unwrap_or_default());
    let pager = Pager::new(HUNDRED, &prefix, input.next_token.as_deref(), input.max_results)?;
    let wanted = |family: &str| match input.status.as_deref() {
        Some("ACTIVE") => latest_active(view, region, family).is_some(),
        Some("INACTIVE") => latest_active(view, region, family).is_none(),
        _ => true,
    };
    let rows = view.ecs.families.after(&prefix, pager.after.as_deref());
    let rows = rows
        .filter(|(_, family)| wanted(&family.name))
        .map(|(key, family)| (key, family.name.clone()));
    let (families, next_token) = pager.page(rows);
    Ok(ListTaskDefinitionFamiliesResponse {
        families: Some(families),
        next_token,
    })
}
