//! Repositories: made, shown, removed, and what is set on them.

use std::sync::Arc;

use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, CreateRepositoryRequest, CreateRepositoryResponse, DeleteRepositoryResponse,
    DescribeRepositoriesRequest, DescribeRepositoriesResponse, PutImageScanningConfigurationResponse,
    PutImageTagMutabilityResponse,
};
use portcullis_core::{AccountId, Region, Tags, Timestamp};

use super::checks::{Checks, check, on_repository};
use super::errors::EcrError;
use super::mutability;
use super::names::{Named, host};
use super::paging::Pager;
use super::tags;
use crate::gate::call::Call;
use crate::gate::context::add_request_tags;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized};
use crate::world::records::Record as _;
use crate::world::records::ecr::{Encryption, Image, Layer, Repository, TagMutability, of_repository};
use crate::world::{Snapshot, Tx};

/// How ECR encrypts unless told.
const AES256: &str = "AES256";
/// What describes all repositories at once is checked on.
const EVERY_REPOSITORY: &str = "*";

/// The repository to be, with the tags of the request; tags given at creation need a permission of their own.
pub(super) fn require_create(ask: Ask<'_, CreateRepositoryRequest>) -> Checks {
    let requested = tags::requested(ask.input.tags.as_deref());
    let mut create = on_repository(&ask, "ecr:CreateRepository");
    add_request_tags(&mut create.context, &requested);
    let mut checks = vec![create];
    if !requested.is_empty() {
        let mut tag = on_repository(&ask, "ecr:TagResource");
        add_request_tags(&mut tag.context, &requested);
        checks.push(tag);
    }
    Ok(checks)
}

/// Makes a repository.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateRepository>,
) -> Result<CreateRepositoryResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    if named.find(tx.view(), call).is_some() {
        return Err(EcrError::RepositoryExists(named.place(call)).into());
    }
    let scanning = input.image_scanning_configuration.as_ref();
    let row = Repository {
        mutability: mutability::checked(
            input.image_tag_mutability.as_deref(),
            input.image_tag_mutability_exclusion_filters.as_deref(),
        )?,
        scan_on_push: scanning
            .and_then(|scanning| scanning.scan_on_push)
            .unwrap_or(false),
        encryption: encryption(input.encryption_configuration.as_ref())?,
        tags: tags::checked(input.tags.as_deref())?,
        ..plain(&call.region, &input.repository_name, tx.now)
    };
    let shown = shown(&row, &call.account);
    tx.put(row);
    Ok(CreateRepositoryResponse {
        repository: Some(shown),
    })
}

/// A repository as it is when nobody says anything.
pub(super) fn plain(region: &Region, name: &str, now: Timestamp) -> Repository {
    Repository {
        region: region.clone(),
        name: name.to_owned(),
        created: now,
        mutability: TagMutability {
            mode: mutability::MUTABLE.to_owned(),
            exclusions: Vec::new(),
        },
        scan_on_push: false,
        encryption: Encryption {
            kind: AES256.to_owned(),
            key: None,
        },
        tags: Tags::new(),
        policy: None,
        lifecycle: None,
        preview: None,
    }
}

fn encryption(wanted: Option<&api::EncryptionConfiguration>) -> Result<Encryption, EcrError> {
    let kind = wanted.map_or(AES256, |wanted| wanted.encryption_type.as_str());
    let key = wanted.and_then(|wanted| wanted.kms_key.as_deref());
    encryption_of(kind, key)
}

/// Layers lie in the blob store as they came, many repositories' one: a KMS key would be a promise.
pub(super) fn encryption_of(kind: &str, key: Option<&str>) -> Result<Encryption, EcrError> {
    let constraint = match (kind, key) {
        (AES256, None) => {
            return Ok(Encryption {
                kind: kind.to_owned(),
                key: None,
            });
        }
        (AES256, Some(_)) => "a KMS key is given, but the encryption type is not KMS",
        _ => "this server does not encrypt repositories under KMS keys: use AES256",
    };
    Err(EcrError::parameter("encryptionConfiguration", constraint))
}

/// A repository as replies show it.
pub(super) fn shown(row: &Repository, account: &AccountId) -> api::Repository {
    api::Repository {
        repository_arn: Some(Repository::arn_of(&row.region, account, &row.name).to_string()),
        registry_id: Some(account.to_string()),
        repository_name: Some(row.name.clone()),
        repository_uri: Some(format!("{}/{}", host(account, &row.region), row.name)),
        created_at: Some(row.created),
        image_tag_mutability: Some(row.mutability.mode.clone()),
        image_tag_mutability_exclusion_filters: mutability::shown(&row.mutability),
        image_scanning_configuration: Some(api::ImageScanningConfiguration {
            scan_on_push: Some(row.scan_on_push),
        }),
        encryption_configuration: Some(api::EncryptionConfiguration {
            encryption_type: row.encryption.kind.clone(),
            kms_key: row.encryption.key.clone(),
        }),
    }
}

/// Each repository named; all of them without any.
pub(super) fn require_describe(ask: Ask<'_, DescribeRepositoriesRequest>) -> Checks {
    const ACTION: &str = "ecr:DescribeRepositories";
    let registry = ask.input.registry_id.as_ref();
    let Some(names) = &ask.input.repository_names else {
        let every = Named::of(registry, EVERY_REPOSITORY);
        return Ok(vec![check(ask.view, ask.call, ACTION, every)]);
    };
    let one = |name: &String| check(ask.view, ask.call, ACTION, Named::of(registry, name));
    Ok(names.iter().map(one).collect())
}

/// The repositories that a caller asks for, by name in their order, or all by the order of their names.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribeRepositories>,
) -> Result<DescribeRepositoriesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let registry = input.registry_id.as_ref();
    if let Some(names) = &input.repository_names {
        let found = names
            .iter()
            .map(|name| Named::of(registry, name).found(view, call));
        let rows = found.collect::<Result<Vec<_>, _>>()?;
        return Ok(described(&rows, call, None));
    }
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let prefix = Repository::key_of(&call.region, "");
    let last = pager.after.as_ref().map(|name| format!("{prefix}{name}"));
    let rows = view.ecr.repositories.after(&prefix, last.as_deref());
    let (rows, next) = pager.page(rows.map(|(_, row)| row), |row| row.name.clone());
    Ok(described(&rows, call, next))
}

fn described(
    rows: &[&Arc<Repository>],
    call: &Call,
    next_token: Option<String>,
) -> DescribeRepositoriesResponse {
    DescribeRepositoriesResponse {
        repositories: Some(rows.iter().map(|row| shown(row, &call.account)).collect()),
        next_token,
    }
}

/// Removes a repository, with its images if that is forced. What has become of blobs is up to the blob store's sweep.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeleteRepository>,
) -> Result<DeleteRepositoryResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let row = Arc::clone(named.found(tx.view(), call)?);
    let is_empty = !tx.view().ecr.has_images(&call.region, &row.name);
    if !is_empty && !input.force.unwrap_or(false) {
        return Err(EcrError::NotEmpty(named.place(call)).into());
    }
    let prefix = of_repository(&call.region, &row.name);
    for key in keys(tx.view().ecr.images.prefix(&prefix)) {
        tx.delete::<Image>(&key);
    }
    for key in keys(tx.view().ecr.layers.prefix(&prefix)) {
        tx.delete::<Layer>(&key);
    }
    tx.delete::<Repository>(&row.key());
    Ok(DeleteRepositoryResponse {
        repository: Some(shown(&row, &call.account)),
    })
}

fn keys<'a, T: 'a>(rows: impl Iterator<Item = (&'a str, T)>) -> Vec<String> {
    rows.map(|(key, _)| key.to_owned()).collect()
}

/// Says anew which tags stay with their image.
pub(super) fn put_mutability(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutImageTagMutability>,
) -> Result<PutImageTagMutabilityResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    row.mutability = mutability::checked(
        Some(&input.image_tag_mutability),
        input.image_tag_mutability_exclusion_filters.as_deref(),
    )?;
    let reply = PutImageTagMutabilityResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(row.name.clone()),
        image_tag_mutability: Some(row.mutability.mode.clone()),
        image_tag_mutability_exclusion_filters: mutability::shown(&row.mutability),
    };
    tx.put(row);
    Ok(reply)
}

/// Says whether images are to be scanned when they come. Nobody scans here, and what asks for findings is told so.
pub(super) fn put_scanning(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::PutImageScanningConfiguration>,
) -> Result<PutImageScanningConfigurationResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let named = Named::of(input.registry_id.as_ref(), &input.repository_name);
    let mut row = Repository::clone(named.found(tx.view(), call)?);
    let wanted = input.image_scanning_configuration.scan_on_push;
    row.scan_on_push = wanted.unwrap_or(false);
    let reply = PutImageScanningConfigurationResponse {
        registry_id: Some(call.account.to_string()),
        repository_name: Some(row.name.clone()),
        image_scanning_configuration: Some(api::ImageScanningConfiguration {
            scan_on_push: Some(row.scan_on_push),
        }),
    };
    tx.put(row);
    Ok(reply)
}
