//! Amazon ECR: repositories, images and their layers, the policies on them, and the tokens of registry clients.
//!
//! What `docker push` and `docker pull` send comes through the door in `crate::registry`, which calls these operations as
//! the token's caller: decisions and records are the same on both ways.

mod checks;
mod errors;
mod fetch;
pub(crate) mod for_registry;
mod image_ids;
mod images;
mod imports;
mod layers;
mod lifecycle;
mod manifests;
mod mutability;
mod names;
mod paging;
mod policies;
mod pull_through;
mod put_image;
mod registry;
mod repositories;
mod tags;
mod templates;
pub(crate) mod tickets;
mod tokens;
pub(crate) mod upkeep;
pub(crate) mod visits;

use portcullis_api::ecr::op;

use crate::gate::operation::{Row, act, act_then_write, read, read_brought, write};
use checks::{on_registry, on_repository};

/// A row whose one check is its action on the repository of the input.
macro_rules! of_repository {
    ($make:ident, $op:ident, $action:literal, $run:expr) => {
        $make::<op::$op>(&[$action], |ask| Ok(vec![on_repository(&ask, $action)]), $run)
    };
}

/// A row whose one check is its action on the registry.
macro_rules! of_registry {
    ($make:ident, $op:ident, $action:literal, $run:expr) => {
        $make::<op::$op>(&[$action], |ask| Ok(vec![on_registry(&ask, $action)]), $run)
    };
}

/// The operations of the service.
pub fn table() -> Vec<Row> {
    let groups = [
        of_repositories(),
        of_images(),
        of_layers(),
        of_policies(),
        of_registries(),
    ];
    groups.into_iter().flatten().collect()
}

fn of_repositories() -> Vec<Row> {
    vec![
        write::<op::CreateRepository>(
            &["ecr:CreateRepository", "ecr:TagResource"],
            repositories::require_create,
            repositories::create,
        ),
        read::<op::DescribeRepositories>(
            &["ecr:DescribeRepositories"],
            repositories::require_describe,
            repositories::describe,
        ),
        of_repository!(
            write,
            DeleteRepository,
            "ecr:DeleteRepository",
            repositories::delete
        ),
        of_repository!(
            write,
            PutImageTagMutability,
            "ecr:PutImageTagMutability",
            repositories::put_mutability
        ),
        of_repository!(
            write,
            PutImageScanningConfiguration,
            "ecr:PutImageScanningConfiguration",
            repositories::put_scanning
        ),
        write::<op::TagResource>(&["ecr:TagResource"], tags::require_tag, tags::tag),
        write::<op::UntagResource>(&["ecr:UntagResource"], tags::require_untag, tags::untag),
        read::<op::ListTagsForResource>(&["ecr:ListTagsForResource"], tags::require_list, tags::list),
    ]
}

fn of_images() -> Vec<Row> {
    vec![
        write::<op::PutImage>(
            &["ecr:PutImage", "ecr:CreateRepository", "ecr:TagResource"],
            put_image::require,
            put_image::put,
        ),
        read_brought::<op::BatchGetImage>(
            &[
                "ecr:BatchGetImage",
                "ecr:BatchImportUpstreamImage",
                "ecr:CreateRepository",
                "ecr:TagResource",
            ],
            |ask| Ok(vec![on_repository(&ask, "ecr:BatchGetImage")]),
            fetch::bring,
            images::get,
        ),
        of_repository!(write, BatchDeleteImage, "ecr:BatchDeleteImage", images::delete),
        of_repository!(read, ListImages, "ecr:ListImages", images::list),
        of_repository!(read, DescribeImages, "ecr:DescribeImages", images::describe),
        of_repository!(
            read,
            DescribeImageScanFindings,
            "ecr:DescribeImageScanFindings",
            images::scan_findings
        ),
        // There is no action of this name: whoever may read images may see what refers to them.
        of_repository!(read, ListImageReferrers, "ecr:BatchGetImage", images::referrers),
    ]
}

fn of_layers() -> Vec<Row> {
    vec![
        act_then_write::<op::InitiateLayerUpload>(
            &[
                "ecr:InitiateLayerUpload",
                "ecr:CreateRepository",
                "ecr:TagResource",
            ],
            layers::require_initiate,
            layers::begin,
            layers::initiated,
            layers::not_begun,
        ),
        act::<op::UploadLayerPart>(&["ecr:UploadLayerPart"], layers::require_part, layers::part),
        act_then_write::<op::CompleteLayerUpload>(
            &["ecr:CompleteLayerUpload"],
            layers::require_complete,
            layers::finish,
            layers::completed,
            layers::not_completed,
        ),
        of_repository!(
            read,
            BatchCheckLayerAvailability,
            "ecr:BatchCheckLayerAvailability",
            layers::availability
        ),
        of_repository!(
            read,
            GetDownloadUrlForLayer,
            "ecr:GetDownloadUrlForLayer",
            layers::download_url
        ),
    ]
}

fn of_policies() -> Vec<Row> {
    vec![
        of_repository!(
            write,
            SetRepositoryPolicy,
            "ecr:SetRepositoryPolicy",
            policies::set
        ),
        of_repository!(
            read,
            GetRepositoryPolicy,
            "ecr:GetRepositoryPolicy",
            policies::get
        ),
        of_repository!(
            write,
            DeleteRepositoryPolicy,
            "ecr:DeleteRepositoryPolicy",
            policies::delete
        ),
        of_registry!(
            write,
            PutRegistryPolicy,
            "ecr:PutRegistryPolicy",
            policies::put_of_registry
        ),
        of_registry!(
            read,
            GetRegistryPolicy,
            "ecr:GetRegistryPolicy",
            policies::get_of_registry
        ),
        of_registry!(
            write,
            DeleteRegistryPolicy,
            "ecr:DeleteRegistryPolicy",
            policies::delete_of_registry
        ),
        of_repository!(
            write,
            PutLifecyclePolicy,
            "ecr:PutLifecyclePolicy",
            lifecycle::put
        ),
        of_repository!(read, GetLifecyclePolicy, "ecr:GetLifecyclePolicy", lifecycle::get),
        of_repository!(
            write,
            DeleteLifecyclePolicy,
            "ecr:DeleteLifecyclePolicy",
            lifecycle::delete
        ),
        of_repository!(
            write,
            StartLifecyclePolicyPreview,
            "ecr:StartLifecyclePolicyPreview",
            lifecycle::start_preview
        ),
        of_repository!(
            read,
            GetLifecyclePolicyPreview,
            "ecr:GetLifecyclePolicyPreview",
            lifecycle::preview
        ),
    ]
}

fn of_registries() -> Vec<Row> {
    let mut rows = vec![
        read::<op::GetAuthorizationToken>(&["ecr:GetAuthorizationToken"], tokens::require, tokens::get),
        of_registry!(read, DescribeRegistry, "ecr:DescribeRegistry", registry::describe),
        read::<op::GetAccountSetting>(
            &["ecr:GetAccountSetting"],
            registry::require_get_setting,
            registry::get_setting,
        ),
        write::<op::PutAccountSetting>(
            &["ecr:PutAccountSetting"],
            registry::require_put_setting,
            registry::put_setting,
        ),
        of_registry!(
            read,
            GetRegistryScanningConfiguration,
            "ecr:GetRegistryScanningConfiguration",
            registry::get_scanning
        ),
        of_registry!(
            write,
            PutRegistryScanningConfiguration,
            "ecr:PutRegistryScanningConfiguration",
            registry::put_scanning
        ),
        read::<op::BatchGetRepositoryScanningConfiguration>(
            &["ecr:BatchGetRepositoryScanningConfiguration"],
            registry::require_scanning_of,
            registry::scanning_of,
        ),
    ];
    rows.extend(of_pull_through());
    rows.extend(of_templates());
    rows
}

fn of_pull_through() -> Vec<Row> {
    vec![
        write::<op::CreatePullThroughCacheRule>(
            &["ecr:CreatePullThroughCacheRule", "iam:PassRole"],
            pull_through::require_create,
            pull_through::create,
        ),
        of_registry!(
            write,
            DeletePullThroughCacheRule,
            "ecr:DeletePullThroughCacheRule",
            pull_through::delete
        ),
        of_registry!(
            read,
            DescribePullThroughCacheRules,
            "ecr:DescribePullThroughCacheRules",
            pull_through::describe
        ),
        of_registry!(
            write,
            UpdatePullThroughCacheRule,
            "ecr:UpdatePullThroughCacheRule",
            pull_through::update
        ),
        of_registry!(
            act,
            ValidatePullThroughCacheRule,
            "ecr:ValidatePullThroughCacheRule",
            pull_through::validate
        )
        .as_read(),
    ]
}

fn of_templates() -> Vec<Row> {
    vec![
        write::<op::CreateRepositoryCreationTemplate>(
            &[
                "ecr:CreateRepositoryCreationTemplate",
                "ecr:CreateRepository",
                "ecr:PutLifecyclePolicy",
                "ecr:SetRepositoryPolicy",
                "iam:PassRole",
            ],
            templates::require_create,
            templates::create,
        ),
        write::<op::UpdateRepositoryCreationTemplate>(
            &[
                "ecr:UpdateRepositoryCreationTemplate",
                "ecr:CreateRepository",
                "ecr:PutLifecyclePolicy",
                "ecr:SetRepositoryPolicy",
                "iam:PassRole",
            ],
            templates::require_update,
            templates::update,
        ),
        of_registry!(
            write,
            DeleteRepositoryCreationTemplate,
            "ecr:DeleteRepositoryCreationTemplate",
            templates::delete
        ),
        of_registry!(
            read,
            DescribeRepositoryCreationTemplates,
            "ecr:DescribeRepositoryCreationTemplates",
            templates::describe
        ),
    ]
}
