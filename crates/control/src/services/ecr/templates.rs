//! Templates: what repositories get that ECR makes by itself, as when somebody pushes.

use std::sync::Arc;

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, CreateRepositoryCreationTemplateRequest, CreateRepositoryCreationTemplateResponse,
    DeleteRepositoryCreationTemplateResponse, DescribeRepositoryCreationTemplatesResponse,
    UpdateRepositoryCreationTemplateRequest, UpdateRepositoryCreationTemplateResponse,
};
use portcullis_core::Region;

use super::checks::{Checks, on_registry};
use super::errors::EcrError;
use super::names::Named;
use super::paging::Pager;
use super::{lifecycle, mutability, policies, repositories, tags};
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::ecr::{CreationTemplate, Encryption, Lifecycle, Repository};
use crate::world::{Snapshot, Tx};

/// The prefix of all names that no other template fits.
pub(super) const ROOT: &str = "ROOT";
const CREATE_ON_PUSH: &str = "CREATE_ON_PUSH";
const PULL_THROUGH_CACHE: &str = "PULL_THROUGH_CACHE";

/// The template by which a push makes a repository, if one says that it does.
pub(super) fn on_push<'v>(
    view: &'v Snapshot,
    region: &Region,
    name: &str,
) -> Option<&'v Arc<CreationTemplate>> {
    fitting(view, region, name, CREATE_ON_PUSH)
}

/// The template of a repository that a pull-through cache rule makes, if there is one.
pub(super) fn on_pull<'v>(
    view: &'v Snapshot,
    region: &Region,
    name: &str,
) -> Option<&'v Arc<CreationTemplate>> {
    fitting(view, region, name, PULL_THROUGH_CACHE)
}

/// The template of the longest prefix, if it is for this.
fn fitting<'v>(
    view: &'v Snapshot,
    region: &Region,
    name: &str,
    applied_for: &str,
) -> Option<&'v Arc<CreationTemplate>> {
    let parents = name.char_indices().rev().filter(|(_, letter)| *letter == '/');
    let mut prefixes = parents.filter_map(|(at, _)| name.get(..at)).chain([ROOT]);
    let found = prefixes.find_map(|prefix| find(view, region, prefix));
    found.filter(|template| template.applied_for.iter().any(|why| why == applied_for))
}

/// The repository that a push is for; made by its template if it is not there.
pub(super) fn found_or_made(
    tx: &mut Tx<'_>,
    call: &Call,
    named: Named<'_>,
) -> Result<Arc<Repository>, ServiceError> {
    if let Some(found) = named.find(tx.view(), call) {
        return Ok(Arc::clone(found));
    }
    let template = on_push(tx.view(), &call.region, named.name).filter(|_| named.is_here(call));
    let template = template.ok_or_else(|| EcrError::NoRepository(named.place(call)))?;
    let row = made_by(tx, call, named, template)?;
    tx.put(row.clone());
    Ok(Arc::new(row))
}

/// A repository as a template wants it.
pub(super) fn made_by(
    tx: &Tx<'_>,
    call: &Call,
    named: Named<'_>,
    template: &CreationTemplate,
) -> Result<Repository, ServiceError> {
    let lifecycle = template.lifecycle.clone();
    let plain = repositories::plain(&call.region, named.name, tx.now);
    Ok(Repository {
        mutability: template.mutability.clone(),
        encryption: template
            .encryption
            .clone()
            .unwrap_or_else(|| plain.encryption.clone()),
        tags: template.tags.clone(),
        policy: template
            .policy
            .as_deref()
            .map(|text| policies::accepted(tx.view(), text))
            .transpose()?,
        lifecycle: lifecycle.map(|text| Lifecycle {
            text,
            evaluated: None,
        }),
        ..plain
    })
}

/// The row of a prefix. A slash at its end makes no difference.
fn find<'v>(view: &'v Snapshot, region: &Region, prefix: &str) -> Option<&'v Arc<CreationTemplate>> {
    view.ecr
        .templates
        .get(&CreationTemplate::key_of(region, plain_prefix(prefix)))
}

fn plain_prefix(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

/// What the template will do, which whoever makes it must be allowed to do below its prefix.
fn dependent(
    ask_view: &Snapshot,
    call: &Call,
    prefix: &str,
    policy: Option<&String>,
    lifecycle: Option<&String>,
    role: Option<&String>,
) -> Vec<Check> {
    let below = match plain_prefix(prefix) {
        ROOT => "*".to_owned(),
        prefix => format!("{prefix}/*"),
    };
    let of = |action| super::checks::check(ask_view, call, action, Named::of(None, &below));
    let mut checks = vec![of("ecr:CreateRepository")];
    let is_given = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
    if is_given(lifecycle) {
        checks.push(of("ecr:PutLifecyclePolicy"));
    }
    if is_given(policy) {
        checks.push(of("ecr:SetRepositoryPolicy"));
    }
    if let Some(role) = role {
        checks
            .push(Check::new("iam:PassRole", role.as_str()).with("iam:PassedToService", "ecr.amazonaws.com"));
    }
    checks
}

/// The registry, and what the template will do.
pub(super) fn require_create(ask: Ask<'_, CreateRepositoryCreationTemplateRequest>) -> Checks {
    let input = ask.input;
    let mut checks = vec![on_registry(&ask, "ecr:CreateRepositoryCreationTemplate")];
    checks.extend(dependent(
        ask.view,
        ask.call,
        &input.prefix,
        input.repository_policy.as_ref(),
        input.lifecycle_policy.as_ref(),
        input.custom_role_arn.as_ref(),
    ));
    Ok(checks)
}

/// Makes a template.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateRepositoryCreationTemplate>,
) -> Result<CreateRepositoryCreationTemplateResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    if find(tx.view(), &call.region, &input.prefix).is_some() {
        return Err(EcrError::TemplateExists {
            prefix: input.prefix.clone(),
            registry: call.account.to_string(),
        }
        .into());
    }
    let row = CreationTemplate {
        region: call.region.clone(),
        prefix: plain_prefix(&input.prefix).to_owned(),
        description: input.description.clone(),
        encryption: encryption(input.encryption_configuration.as_ref())?,
        tags: tags::checked(input.resource_tags.as_deref())?,
        mutability: mutability::checked(
            input.image_tag_mutability.as_deref(),
            input.image_tag_mutability_exclusion_filters.as_deref(),
        )?,
        policy: policy(tx.view(), input.repository_policy.as_ref())?,
        lifecycle: lifecycle_policy(input.lifecycle_policy.as_ref())?,
        applied_for: input.applied_for.clone(),
        custom_role_arn: input.custom_role_arn.clone(),
        created: tx.now,
        updated: tx.now,
    };
    let shown = shown(&row);
    tx.put(row);
    Ok(CreateRepositoryCreationTemplateResponse {
        registry_id: Some(call.account.to_string()),
        repository_creation_template: Some(shown),
    })
}

fn encryption(
    wanted: Option<&api::EncryptionConfigurationForRepositoryCreationTemplate>,
) -> Result<Option<Encryption>, EcrError> {
    let of = |wanted: &api::EncryptionConfigurationForRepositoryCreationTemplate| {
        let key = wanted.kms_key.as_deref().filter(|key| !key.is_empty());
        repositories::encryption_of(&wanted.encryption_type, key)
    };
    wanted.map(of).transpose()
}

/// A policy that repositories can have; an empty text is none.
fn policy(view: &Snapshot, text: Option<&String>) -> Result<Option<String>, ServiceError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    policies::accepted(view, text)?;
    Ok(Some(text.clone()))
}

fn lifecycle_policy(text: Option<&String>) -> Result<Option<String>, ServiceError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    lifecycle::accepted(text)?;
    Ok(Some(text.clone()))
}

fn shown(row: &CreationTemplate) -> api::RepositoryCreationTemplate {
    api::RepositoryCreationTemplate {
        prefix: Some(row.prefix.clone()),
        description: row.description.clone(),
        encryption_configuration: row.encryption.as_ref().map(|encryption| {
            api::EncryptionConfigurationForRepositoryCreationTemplate {
                encryption_type: encryption.kind.clone(),
                kms_key: encryption.key.clone(),
            }
        }),
        resource_tags: (!row.tags.is_empty()).then(|| tags::shown(&row.tags)),
        image_tag_mutability: Some(row.mutability.mode.clone()),
        image_tag_mutability_exclusion_filters: mutability::shown(&row.mutability),
        repository_policy: row.policy.clone(),
        lifecycle_policy: row.lifecycle.clone(),
        applied_for: Some(row.applied_for.clone()),
        custom_role_arn: row.custom_role_arn.clone(),
        created_at: Some(row.created),
        updated_at: Some(row.updated),
    }
}

/// The registry, and what the template will do from now on.
pub(super) fn require_update(ask: Ask<'_, UpdateRepositoryCreationTemplateRequest>) -> Checks {
    let input = ask.input;
    let mut checks = vec![on_registry(&ask, "ecr:UpdateRepositoryCreationTemplate")];
    checks.extend(dependent(
        ask.view,
        ask.call,
        &input.prefix,
        input.repository_policy.as_ref(),
        input.lifecycle_policy.as_ref(),
        input.custom_role_arn.as_ref(),
    ));
    Ok(checks)
}

/// Changes what is given of a template.
pub(super) fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdateRepositoryCreationTemplate>,
) -> Result<UpdateRepositoryCreationTemplateResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let mut row = CreationTemplate::clone(found(tx.view(), call, &input.prefix)?);
    if let Some(description) = &input.description {
        row.description = Some(description.clone());
    }
    if let Some(wanted) = &input.encryption_configuration {
        row.encryption = encryption(Some(wanted))?;
    }
    if let Some(wanted) = &input.resource_tags {
        row.tags = tags::checked(Some(wanted))?;
    }
    if let Some(mode) = &input.image_tag_mutability {
        let filters = input.image_tag_mutability_exclusion_filters.as_deref();
        row.mutability = mutability::checked(Some(mode), filters)?;
    }
    if input.repository_policy.is_some() {
        row.policy = policy(tx.view(), input.repository_policy.as_ref())?;
    }
    if input.lifecycle_policy.is_some() {
        row.lifecycle = lifecycle_policy(input.lifecycle_policy.as_ref())?;
    }
    if let Some(applied_for) = &input.applied_for {
        row.applied_for.clone_from(applied_for);
    }
    if let Some(role) = &input.custom_role_arn {
        row.custom_role_arn = Some(role.clone()).filter(|role| !role.is_empty());
    }
    row.updated = tx.now;
    let shown = shown(&row);
    tx.put(row);
    Ok(UpdateRepositoryCreationTemplateResponse {
        registry_id: Some(call.account.to_string()),
        repository_creation_template: Some(shown),
    })
}

fn found<'v>(view: &'v Snapshot, call: &Call, prefix: &str) -> Result<&'v Arc<CreationTemplate>, EcrError> {
    find(view, &call.region, prefix).ok_or_else(|| EcrError::NoTemplate {
        prefix: prefix.to_owned(),
        registry: call.account.to_string(),
    })
}

/// Forgets a template. What was made by it stays.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteRepositoryCreationTemplate>,
) -> Result<DeleteRepositoryCreationTemplateResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let row = Arc::clone(found(tx.view(), call, &input.prefix)?);
    tx.delete::<CreationTemplate>(&CreationTemplate::key_of(&call.region, &row.prefix));
    Ok(DeleteRepositoryCreationTemplateResponse {
        registry_id: Some(call.account.to_string()),
        repository_creation_template: Some(shown(&row)),
    })
}

/// The templates that a caller asks for, or all.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeRepositoryCreationTemplates>,
) -> Result<DescribeRepositoryCreationTemplatesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let answer =
        |rows: Vec<&Arc<CreationTemplate>>, next_token| DescribeRepositoryCreationTemplatesResponse {
            registry_id: Some(call.account.to_string()),
            repository_creation_templates: Some(rows.into_iter().map(|row| shown(row)).collect()),
            next_token,
        };
    if let Some(prefixes) = input.prefixes.as_ref().filter(|prefixes| !prefixes.is_empty()) {
        let rows = prefixes
            .iter()
            .filter_map(|prefix| find(view, &call.region, prefix));
        return Ok(answer(rows.collect(), None));
    }
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let region = CreationTemplate::key_of(&call.region, "");
    let last = pager.after.as_ref().map(|prefix| format!("{region}{prefix}"));
    let rows = view
        .ecr
        .templates
        .after(&region, last.as_deref())
        .map(|(_, row)| row);
    let (rows, next) = pager.page(rows, |row| row.prefix.clone());
    Ok(answer(rows, next))
}
