//! What ECR asks the gate: actions on repositories, with the policies of the repository and of the registry.

use std::borrow::Cow;

use portcullis_core::{Region, Tags};
use portcullis_policy::{Document, Kind};
use serde_json::{Map, Value, json};

use super::names::Named;
use super::registry::REGISTRY_POLICY_SCOPE;
use super::templates;
use crate::gate::call::Call;
use crate::gate::context::{add_request_tags, add_resource_tags};
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check, NoPolicy, ResourcePolicy};
use crate::world::Snapshot;
use crate::world::records::PolicyText;
use crate::world::records::ecr::Registry;

/// What `require` functions answer.
pub(super) type Checks = Result<Vec<Check>, ServiceError>;

/// What a registry policy of the first version speaks about; one of the second speaks about every action.
const FIRST_SCOPE: [&str; 3] = [
    "ecr:BatchImportUpstreamImage",
    "ecr:CreateRepository",
    "ecr:ReplicateImage",
];

/// An input that names a repository.
pub(super) trait OfRepository {
    /// The repository.
    fn named(&self) -> Named<'_>;
}

macro_rules! of_repository {
    ($($input:ident),* $(,)?) => { $(
        impl OfRepository for portcullis_api::ecr::$input {
            fn named(&self) -> Named<'_> {
                Named::of(self.registry_id.as_ref(), &self.repository_name)
            }
        }
    )* };
}

of_repository!(
    BatchCheckLayerAvailabilityRequest,
    BatchDeleteImageRequest,
    BatchGetImageRequest,
    CompleteLayerUploadRequest,
    CreateRepositoryRequest,
    DeleteLifecyclePolicyRequest,
    DeleteRepositoryPolicyRequest,
    DeleteRepositoryRequest,
    DescribeImageScanFindingsRequest,
    DescribeImagesRequest,
    GetDownloadUrlForLayerRequest,
    GetLifecyclePolicyPreviewRequest,
    GetLifecyclePolicyRequest,
    GetRepositoryPolicyRequest,
    InitiateLayerUploadRequest,
    ListImageReferrersRequest,
    ListImagesRequest,
    PutImageRequest,
    PutImageScanningConfigurationRequest,
    PutImageTagMutabilityRequest,
    PutLifecyclePolicyRequest,
    SetRepositoryPolicyRequest,
    StartLifecyclePolicyPreviewRequest,
    UploadLayerPartRequest,
);

/// One action on the repository that the input names.
pub(super) fn on_repository<I: OfRepository>(ask: &Ask<'_, I>, action: &'static str) -> Check {
    check(ask.view, ask.call, action, ask.input.named())
}

/// One action on a repository. What is known of it is told here: its tags and policies.
pub(super) fn check(view: &Snapshot, call: &Call, action: &'static str, named: Named<'_>) -> Check {
    let arn = named.arn(call);
    let mut check = Check::new(action, arn.as_str());
    if !named.is_here(call) {
        // The gate of that account would ask its policies; there is none on this server.
        return check;
    }
    let found = named.find(view, call);
    if let Some(repository) = found {
        add_resource_tags(&mut check.context, "ecr", &repository.tags);
    }
    let own = found.and_then(|repository| repository.policy.as_ref());
    check.by(policy(view, &call.region, action, arn.as_str(), own))
}

/// One action of the registry as a whole, which has no ARN.
pub(super) fn on_registry<I>(ask: &Ask<'_, I>, action: &'static str) -> Check {
    let arn = format!(
        "arn:{}:ecr:{}:{}:*",
        ask.call.region.partition(),
        ask.call.region,
        ask.call.account
    );
    Check::new(action, "*").by(policy(ask.view, &ask.call.region, action, &arn, None))
}

/// The action, and making the repository where a template says that whoever pushes makes it.
pub(super) fn or_create<I: OfRepository>(ask: &Ask<'_, I>, action: &'static str) -> Vec<Check> {
    let named = ask.input.named();
    let mut checks = vec![on_repository(ask, action)];
    let template = match named.find(ask.view, ask.call) {
        None if named.is_here(ask.call) => templates::on_push(ask.view, &ask.call.region, named.name),
        _ => None,
    };
    if let Some(template) = template {
        checks.extend(creation(ask.view, ask.call, named, &template.tags));
    }
    checks
}

/// What making a repository with these tags needs.
pub(super) fn creation(view: &Snapshot, call: &Call, named: Named<'_>, tags: &Tags) -> Vec<Check> {
    let mut checks = vec![check(view, call, "ecr:CreateRepository", named)];
    if !tags.is_empty() {
        let mut tag = check(view, call, "ecr:TagResource", named);
        add_request_tags(&mut tag.context, tags);
        checks.push(tag);
    }
    checks
}

/// The policies that speak about an action: the repository's, the registry's, or both as one.
fn policy(
    view: &Snapshot,
    region: &Region,
    action: &str,
    arn: &str,
    own: Option<&PolicyText>,
) -> Option<ResourcePolicy> {
    let registry = view.ecr.registries.get(region.as_str());
    let scoped = registry.filter(|registry| speaks_about(registry, action));
    match (own, scoped.and_then(|registry| registry.policy.as_ref())) {
        (own, None) => ResourcePolicy::of_resource(arn, own),
        (None, registry) => ResourcePolicy::of_resource(arn, registry),
        (Some(own), Some(registry)) => Some(ResourcePolicy {
            name: arn.to_owned(),
            policy: both(own, registry).ok_or(NoPolicy::Unreadable),
        }),
    }
}

fn speaks_about(registry: &Registry, action: &str) -> bool {
    let scope = registry.settings.get(REGISTRY_POLICY_SCOPE);
    scope.is_none_or(|scope| scope == "V2") || FIRST_SCOPE.contains(&action)
}

/// One document that says what two say. Both may allow, both may deny.
fn both(own: &PolicyText, registry: &PolicyText) -> Option<std::sync::Arc<crate::world::compiled::Policy>> {
    let statements = |text: &PolicyText, of: &str| -> Option<Vec<Value>> {
        let document: Value = serde_json::from_str(text.as_str()).ok()?;
        let statements = match document.get("Statement")? {
            Value::Array(statements) => statements.clone(),
            one => vec![one.clone()],
        };
        let told_apart = |statement| told_apart(statement, of);
        Some(statements.into_iter().map(told_apart).collect())
    };
    let mut all = statements(own, "repository")?;
    all.extend(statements(registry, "registry")?);
    let text = json!({ "Version": version(own, registry), "Statement": all }).to_string();
    let document = Document::parse(&text, Kind::Resource).ok()?;
    PolicyText::new(&document).policy().cloned()
}

/// The newer language, if one of the two is written in it.
fn version(own: &PolicyText, registry: &PolicyText) -> Cow<'static, str> {
    let is_new = |text: &PolicyText| text.as_str().contains("2012-10-17");
    match is_new(own) || is_new(registry) {
        true => "2012-10-17".into(),
        false => "2008-10-17".into(),
    }
}

/// The same statement under a name that says where it stands; both documents may use a name.
fn told_apart(statement: Value, of: &str) -> Value {
    let Value::Object(mut members) = statement else {
        return statement;
    };
    rename(&mut members, of);
    Value::Object(members)
}

fn rename(members: &mut Map<String, Value>, of: &str) {
    let renamed = match members.get("Sid") {
        Some(Value::String(sid)) => Some(format!("{of}: {sid}")),
        _ => None,
    };
    if let Some(renamed) = renamed {
        members.insert("Sid".to_owned(), Value::String(renamed));
    }
}
