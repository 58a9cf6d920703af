//! Pull-through cache rules: where the images below a prefix come from.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use portcullis_api::ecr::op;
use portcullis_api::ecr::{
    self as api, CreatePullThroughCacheRuleRequest, CreatePullThroughCacheRuleResponse,
    DeletePullThroughCacheRuleResponse, DescribePullThroughCacheRulesResponse,
    UpdatePullThroughCacheRuleResponse, ValidatePullThroughCacheRuleResponse,
};
use portcullis_core::AccountId;

use super::checks::{Checks, on_registry};
use super::errors::EcrError;
use super::imports;
use super::names::Named;
use super::paging::Pager;
use super::templates::ROOT;
use crate::gate::call::Call;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::upstream::{Failed, Session};
use crate::world::records::ecr::PullThroughRule;
use crate::world::{Snapshot, Tx};

/// How long a registry may take to say whether a rule is let in: clients wait for a minute.
const VALIDATION_TIME: Duration = Duration::from_secs(30);
/// Most rules of a registry.
const RULES_MAX: usize = 50;

/// Registries that rules can name, by host.
const UPSTREAMS: [(&str, &str, bool); 7] = [
    ("public.ecr.aws", "ecr-public", false),
    ("registry.k8s.io", "k8s", false),
    ("quay.io", "quay", false),
    ("registry-1.docker.io", "docker-hub", true),
    ("ghcr.io", "github-container-registry", true),
    ("registry.gitlab.com", "gitlab-container-registry", true),
    ("cgr.dev", "chainguard", true),
];

/// What is known of a registry by its host: its kind, and whether it needs a login.
fn upstream_of(url: &str) -> Option<(&'static str, bool)> {
    let known = UPSTREAMS.iter().find(|(host, ..)| *host == url);
    if let Some((_, kind, needs_login)) = known {
        return Some((kind, *needs_login));
    }
    if url
        .strip_suffix(".azurecr.io")
        .is_some_and(|name| !name.is_empty())
    {
        return Some(("azure-container-registry", true));
    }
    let (account, rest) = url.split_once(".dkr.ecr.")?;
    account.parse::<AccountId>().ok()?;
    rest.strip_suffix(".amazonaws.com").map(|_| ("ecr", false))
}

/// The registry, and passing the role if there is one.
pub(super) fn require_create(ask: Ask<'_, CreatePullThroughCacheRuleRequest>) -> Checks {
    let mut checks = vec![on_registry(&ask, "ecr:CreatePullThroughCacheRule")];
    if let Some(role) = &ask.input.custom_role_arn {
        let pass = Check::new("iam:PassRole", role.as_str());
        checks.push(pass.with("iam:PassedToService", "pullthroughcache.ecr.amazonaws.com"));
    }
    Ok(checks)
}

/// Makes a rule.
pub(super) fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreatePullThroughCacheRule>,
) -> Result<CreatePullThroughCacheRuleResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    here(call, input.registry_id.as_ref())?;
    let prefix = input.ecr_repository_prefix.clone();
    if find(tx.view(), call, &prefix).is_some() {
        let registry = call.account.to_string();
        return Err(EcrError::RuleExists { prefix, registry }.into());
    }
    let region = format!("{}/", call.region);
    if tx.view().ecr.pull_through_rules.prefix(&region).count() >= RULES_MAX {
        let text = format!("A registry can have at most {RULES_MAX} pull through cache rules.");
        return Err(EcrError::Limit(text).into());
    }
    let url = input.upstream_registry_url.clone();
    let known = upstream_of(&url).ok_or_else(|| EcrError::Upstream(url.clone()))?;
    checked_upstream(input, known)?;
    let row = PullThroughRule {
        region: call.region.clone(),
        prefix,
        upstream_url: url,
        upstream: Some(known.0.to_owned()),
        upstream_prefix: input.upstream_repository_prefix.clone().or(Some(ROOT.to_owned())),
        credential_arn: input.credential_arn.clone(),
        custom_role_arn: input.custom_role_arn.clone(),
        created: tx.now,
        updated: tx.now,
    };
    let reply = CreatePullThroughCacheRuleResponse {
        ecr_repository_prefix: Some(row.prefix.clone()),
        upstream_registry_url: Some(row.upstream_url.clone()),
        created_at: Some(row.created),
        registry_id: Some(call.account.to_string()),
        upstream_registry: row.upstream.clone(),
        credential_arn: row.credential_arn.clone(),
        custom_role_arn: row.custom_role_arn.clone(),
        upstream_repository_prefix: row.upstream_prefix.clone(),
    };
    tx.put(row);
    Ok(reply)
}

fn checked_upstream(
    input: &CreatePullThroughCacheRuleRequest,
    (kind, needs_login): (&str, bool),
) -> Result<(), EcrError> {
    if input
        .upstream_registry
        .as_deref()
        .is_some_and(|said| said != kind)
    {
        let constraint = format!("the upstream registry at this URL is '{kind}'");
        return Err(EcrError::parameter("upstreamRegistry", constraint));
    }
    if needs_login && input.credential_arn.is_none() {
        let constraint = format!("the upstream registry '{kind}' needs the ARN of a secret with a login");
        return Err(EcrError::parameter("credentialArn", constraint));
    }
    if kind == "ecr" && input.custom_role_arn.is_none() {
        let constraint = "another registry of ECR is read by a role";
        return Err(EcrError::parameter("customRoleArn", constraint));
    }
    Ok(())
}

/// Rules of other accounts are nobody's business.
fn here(call: &Call, registry: Option<&String>) -> Result<(), EcrError> {
    match Named::of(registry, "").is_here(call) {
        true => Ok(()),
        false => Err(EcrError::parameter(
            "registryId",
            "must be the caller's own account",
        )),
    }
}

fn find<'v>(view: &'v Snapshot, call: &Call, prefix: &str) -> Option<&'v Arc<PullThroughRule>> {
    view.ecr
        .pull_through_rules
        .get(&PullThroughRule::key_of(&call.region, prefix))
}

fn found<'v>(
    view: &'v Snapshot,
    call: &Call,
    registry: Option<&String>,
    prefix: &str,
) -> Result<&'v Arc<PullThroughRule>, EcrError> {
    here(call, registry)?;
    find(view, call, prefix).ok_or_else(|| EcrError::NoRule {
        prefix: prefix.to_owned(),
        registry: call.account.to_string(),
    })
}

/// Forgets a rule. What came by it stays.
pub(super) fn delete(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DeletePullThroughCacheRule>,
) -> Result<DeletePullThroughCacheRuleResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let row = found(
        tx.view(),
        call,
        input.registry_id.as_ref(),
        &input.ecr_repository_prefix,
    )?;
    let row = Arc::clone(row);
    tx.delete::<PullThroughRule>(&PullThroughRule::key_of(&call.region, &row.prefix));
    Ok(DeletePullThroughCacheRuleResponse {
        ecr_repository_prefix: Some(row.prefix.clone()),
        upstream_registry_url: Some(row.upstream_url.clone()),
        created_at: Some(row.created),
        registry_id: Some(call.account.to_string()),
        credential_arn: row.credential_arn.clone(),
        custom_role_arn: row.custom_role_arn.clone(),
        upstream_repository_prefix: row.upstream_prefix.clone(),
    })
}

/// The rules that a caller asks for, or all.
pub(super) fn describe(
    view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::DescribePullThroughCacheRules>,
) -> Result<DescribePullThroughCacheRulesResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    here(call, input.registry_id.as_ref())?;
    let answer = |rows: Vec<&Arc<PullThroughRule>>, next_token| DescribePullThroughCacheRulesResponse {
        pull_through_cache_rules: Some(rows.into_iter().map(|row| shown(row, call)).collect()),
        next_token,
    };
    if let Some(prefixes) = &input.ecr_repository_prefixes {
        let registry = input.registry_id.as_ref();
        let rows = prefixes.iter().map(|prefix| found(view, call, registry, prefix));
        return Ok(answer(rows.collect::<Result<_, _>>()?, None));
    }
    let pager = Pager::of(input.next_token.as_deref(), input.max_results)?;
    let region = PullThroughRule::key_of(&call.region, "");
    let last = pager.after.as_ref().map(|prefix| format!("{region}{prefix}"));
    let rows = view
        .ecr
        .pull_through_rules
        .after(&region, last.as_deref())
        .map(|(_, row)| row);
    let (rows, next) = pager.page(rows, |row| row.prefix.clone());
    Ok(answer(rows, next))
}

fn shown(row: &PullThroughRule, call: &Call) -> api::PullThroughCacheRule {
    api::PullThroughCacheRule {
        ecr_repository_prefix: Some(row.prefix.clone()),
        upstream_registry_url: Some(row.upstream_url.clone()),
        created_at: Some(row.created),
        registry_id: Some(call.account.to_string()),
        credential_arn: row.credential_arn.clone(),
        custom_role_arn: row.custom_role_arn.clone(),
        upstream_repository_prefix: row.upstream_prefix.clone(),
        upstream_registry: row.upstream.clone(),
        updated_at: Some(row.updated),
    }
}

/// Changes the login of a rule.
pub(super) fn update(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::UpdatePullThroughCacheRule>,
) -> Result<UpdatePullThroughCacheRuleResponse, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let row = found(
        tx.view(),
        call,
        input.registry_id.as_ref(),
        &input.ecr_repository_prefix,
    )?;
    let mut row = PullThroughRule::clone(row);
    row.credential_arn = input.credential_arn.clone().or(row.credential_arn);
    row.custom_role_arn = input.custom_role_arn.clone().or(row.custom_role_arn);
    row.updated = tx.now;
    let reply = UpdatePullThroughCacheRuleResponse {
        ecr_repository_prefix: Some(row.prefix.clone()),
        registry_id: Some(call.account.to_string()),
        updated_at: Some(row.updated),
        credential_arn: row.credential_arn.clone(),
        custom_role_arn: row.custom_role_arn.clone(),
        upstream_repository_prefix: row.upstream_prefix.clone(),
    };
    tx.put(row);
    Ok(reply)
}

/// Whether the other registry lets the rule in: it is asked, with the login of the rule's secret if there is one.
pub(super) fn validate<'a>(
    view: &'a Snapshot,
    env: &'a Environment,
    auth: Authorized<'a, op::ValidatePullThroughCacheRule>,
) -> BoxFuture<'a, Result<ValidatePullThroughCacheRuleResponse, ServiceError>> {
    Box::pin(async move {
        let (input, call) = (auth.input(), auth.call());
        let registry = input.registry_id.as_ref();
        let row = found(view, call, registry, &input.ecr_repository_prefix)?;
        let failure = tried(view, env, call, row).await.err();
        Ok(ValidatePullThroughCacheRuleResponse {
            ecr_repository_prefix: Some(row.prefix.clone()),
            registry_id: Some(call.account.to_string()),
            upstream_registry_url: Some(row.upstream_url.clone()),
            credential_arn: row.credential_arn.clone(),
            custom_role_arn: row.custom_role_arn.clone(),
            upstream_repository_prefix: row.upstream_prefix.clone(),
            is_valid: Some(failure.is_none()),
            failure,
        })
    })
}

/// What is wrong with a rule.
async fn tried(
    view: &Snapshot,
    env: &Environment,
    call: &Call,
    rule: &PullThroughRule,
) -> Result<(), String> {
    let registry = &rule.upstream_url;
    let upstream = env.upstreams.get(registry);
    let upstream = upstream.ok_or_else(|| imports::unnamed(rule))?;
    let login = imports::login(view, env, call, rule).map_err(|error| error.to_string())?;
    let greeting = async {
        let _place = env.upstreams.place().await;
        Session::new(upstream, "", login.as_ref()).greet().await
    };
    let greeted = tokio::time::timeout(VALIDATION_TIME, greeting).await;
    let greeted = greeted.unwrap_or(Err(Failed::Unavailable));
    greeted.map_err(|failed| failed.said_of(registry, &rule.prefix))
}
