//! Trust in providers of OpenID Connect: does the statement say whose tokens it takes (R70, R90)?

use portcullis_policy::syntax::Test;
use portcullis_policy::{Kind, PrincipalKind};

use super::keys;
use crate::IssueCode;
use crate::near;
use crate::policy::{Condition, ConditionValue, Policy, PrincipalEntry, Statement};
use crate::report::Report;

const GITHUB: &str = "token.actions.githubusercontent.com";

/// A provider with many customers, who all get tokens of one issuer: a condition on one of these claims says which
/// customer is meant.
struct Shared {
    /// The issuer without `https://`; with a `*` at its end for all that begin so.
    issuer: &'static str,
    claims: &'static [&'static str],
    /// How a subject names the customer: the text before the name and the one after it.
    subject: Option<(&'static str, char)>,
}

/// The claims AWS asks for when such a provider is trusted, and those of its own keys that say as much.
const SHARED: [Shared; 18] = [
    shared(
        GITHUB,
        &[
            "sub",
            "job_workflow_ref",
            "repository",
            "repository_id",
            "repository_owner_id",
            "enterprise_id",
        ],
        Some(("repo:", '/')),
    ),
    shared("vstoken.actions.githubusercontent.com", &["sub"], None),
    shared(
        "oidc-configuration.audit-log.githubusercontent.com",
        &["sub"],
        None,
    ),
    shared(
        "gitlab.com",
        &[
            "sub",
            "namespace_id",
            "project_id",
            "user_id",
            "user_login",
            "user_email",
        ],
        Some(("project_path:", '/')),
    ),
    shared("app.terraform.io", &["sub"], Some(("organization:", ':'))),
    shared(
        "agent.buildkite.com",
        &[
            "sub",
            "organization_id",
            "organization_slug",
            "pipeline_id",
            "cluster_id",
        ],
        Some(("organization:", ':')),
    ),
    shared("oidc.codefresh.io", &["sub"], Some(("account:", ':'))),
    shared("studio.datachain.ai/api", &["sub"], None),
    shared("scalr.io", &["sub"], None),
    shared("tokens.cloud.shisho.dev", &["sub"], None),
    shared("proidc.upbound.io", &["sub"], None),
    shared("oidc.vercel.com", &["aud", "sub"], Some(("owner:", ':'))),
    shared("api.pulumi.com/oidc", &["aud", "sub"], None),
    shared("sandboxes.cloud", &["aud"], None),
    shared("cognito-identity.amazonaws.com", &["aud", "sub"], None),
    shared("accounts.google.com", &["aud", "oaud", "sub"], None),
    shared("graph.facebook.com", &["app_id", "id"], None),
    // The customers of a cluster are its service accounts.
    shared("oidc.eks.*", &["sub"], Some(("system:serviceaccount:", ':'))),
];

const fn shared(
    issuer: &'static str,
    claims: &'static [&'static str],
    subject: Option<(&'static str, char)>,
) -> Shared {
    Shared {
        issuer,
        claims,
        subject,
    }
}

impl Shared {
    fn of(provider: &str) -> Option<&'static Self> {
        SHARED
            .iter()
            .find(|shared| match shared.issuer.strip_suffix('*') {
                Some(start) => near::starts_with_ignoring_case(provider, start),
                None => shared.issuer.eq_ignore_ascii_case(provider),
            })
    }

    /// Whether a pattern for a claim leaves open which customer is meant.
    fn is_open(&self, claim: &str, pattern: &str) -> bool {
        let Some((literal, _)) = pattern.split_once(['*', '?']) else {
            return false;
        };
        let (start, end) = match (claim, self.subject) {
            ("sub", Some(form)) => form,
            ("repository" | "job_workflow_ref", _) => ("", '/'),
            _ => return literal.is_empty(),
        };
        match literal.strip_prefix(start) {
            Some(name) => !name.contains(end),
            // Subjects may be made up otherwise: what is fixed there is taken for a name.
            None => start.starts_with(literal),
        }
    }
}

/// The provider of OpenID Connect that a principal stands for, as its condition keys begin.
pub(super) fn provider<'a>(entry: &PrincipalEntry<'a>) -> Option<&'a str> {
    if entry.kind != PrincipalKind::Federated {
        return None;
    }
    let name = entry.name.text;
    match name.split_once(":oidc-provider/") {
        Some((_, provider)) => Some(provider),
        None if name.starts_with("arn:") => None,
        None => Some(name),
    }
}

pub(super) fn check(policy: &Policy<'_>, statement: &Statement<'_>, report: &mut Report<'_>) {
    let Some(principals) = statement
        .principal
        .as_ref()
        .filter(|_| policy.kind == Kind::Trust)
    else {
        return;
    };
    let takes_tokens = statement.action.as_ref().is_some_and(|list| {
        let is_it = |text: &str| text.eq_ignore_ascii_case("sts:AssumeRoleWithWebIdentity");
        !list.negated && list.items.iter().any(|item| is_it(item.text))
    });
    if !statement.allows() || principals.negated || !takes_tokens {
        return;
    }
    for entry in &principals.entries {
        if let Some(provider) = provider(entry) {
            check_provider(statement, entry, provider, report);
        }
    }
}

fn check_provider(
    statement: &Statement<'_>,
    entry: &PrincipalEntry<'_>,
    provider: &str,
    report: &mut Report<'_>,
) {
    let claims: Vec<Claim<'_, '_>> = statement
        .conditions
        .iter()
        .filter_map(|condition| Claim::of(condition, provider))
        .collect();
    for claim in claims
        .iter()
        .filter(|claim| claim.name.eq_ignore_ascii_case("aud"))
    {
        check_audience(claim.condition, report);
    }
    let limits: Vec<&Claim<'_, '_>> = claims.iter().filter(|claim| claim.is_limit()).collect();
    let Some(shared) = Shared::of(provider) else {
        if limits.is_empty() {
            missing(entry, provider, report);
        }
        return;
    };
    let is_asked = |claim: &Claim<'_, '_>| {
        shared
            .claims
            .iter()
            .any(|name| name.eq_ignore_ascii_case(claim.name))
    };
    let names: Vec<&Claim<'_, '_>> = limits.iter().copied().filter(|claim| is_asked(claim)).collect();
    if names.is_empty() {
        unnamed(shared, entry, provider, limits.is_empty(), report);
    } else if names
        .iter()
        .all(|claim| claim.open_values(shared).next().is_some())
    {
        too_wide(shared, &names, report);
    } else if shared.issuer == GITHUB && names.len() == 1 {
        for claim in names
            .iter()
            .filter(|claim| claim.name.eq_ignore_ascii_case("sub"))
        {
            check_branch(claim, report);
        }
    }
}

/// A condition on a claim of the provider.
struct Claim<'p, 's> {
    name: &'p str,
    condition: &'p Condition<'s>,
}

impl<'p, 's> Claim<'p, 's> {
    fn of(condition: &'p Condition<'s>, provider: &str) -> Option<Self> {
        let (head, name) = condition.key.text.split_at_checked(provider.len())?;
        let name = name.strip_prefix(':')?;
        head.eq_ignore_ascii_case(provider)
            .then_some(Self { name, condition })
    }

    /// Whether some values are let through and no others, and no token without the claim.
    fn is_limit(&self) -> bool {
        self.condition.operator.test() != Test::Null && !keys::holds_without_key(self.condition)
    }

    fn is_pattern(&self) -> bool {
        self.condition.operator.test() == Test::StringLike
    }

    fn open_values(&self, shared: &Shared) -> impl Iterator<Item = &'p ConditionValue<'s>> {
        let values = self.condition.values.iter().filter(|_| self.is_pattern());
        values.filter(|value| shared.is_open(&self.name.to_ascii_lowercase(), value.text))
    }
}

fn check_audience(condition: &Condition<'_>, report: &mut Report<'_>) {
    if condition.operator.set().is_some() {
        let message = format!(
            "`{}` has one value, unless the provider puts several audiences into its tokens.",
            condition.key.text
        );
        report.add(
            IssueCode::ConfirmAudienceClaimType,
            &condition.operator_place,
            message,
        );
    }
}

fn missing(entry: &PrincipalEntry<'_>, provider: &str, report: &mut Report<'_>) {
    let message = format!(
        "Every token of `{provider}` is taken; conditions on `{provider}:aud` and `{provider}:sub` would say which."
    );
    report.add(
        IssueCode::MissingConditionKeyForOidcPrincipal,
        &entry.name.place,
        message,
    );
}

/// No condition says which customer of the provider is meant.
fn unnamed(
    shared: &Shared,
    entry: &PrincipalEntry<'_>,
    provider: &str,
    is_unlimited: bool,
    report: &mut Report<'_>,
) {
    let place = &entry.name.place;
    let claim = shared.claims.first().copied().unwrap_or("sub");
    if shared.issuer == GITHUB {
        let message =
            format!("Every repository of GitHub may assume the role; `{provider}:sub` would say which.");
        report.add(IssueCode::MissingGithubRepoConditionKey, place, message);
    } else if is_unlimited {
        missing(entry, provider, report);
    } else {
        let message =
            format!("`{provider}` makes tokens for others, too; `{provider}:{claim}` would say for whom.");
        report.add(IssueCode::OidcTenantMissing, place, message);
    }
}

fn too_wide(shared: &Shared, claims: &[&Claim<'_, '_>], report: &mut Report<'_>) {
    for claim in claims {
        for value in claim.open_values(shared) {
            let message = format!(
                "`{}` leaves open whose tokens of `{}` are taken.",
                value.text,
                shared.issuer.trim_end_matches(".*")
            );
            report.add(IssueCode::OidcTenantTooWide, &value.place, message);
        }
    }
}

/// Whether a subject of GitHub names its repository and its branch, tag or environment.
fn check_branch(claim: &Claim<'_, '_>, report: &mut Report<'_>) {
    for value in claim.condition.values.iter().filter(|_| claim.is_pattern()) {
        let literal = value.text.split_once(['*', '?']).map(|(literal, _)| literal);
        let Some(name) = literal.and_then(|literal| literal.strip_prefix("repo:")) else {
            continue;
        };
        let message = match name.split_once(':') {
            None => format!(
                "`{}` names no repository: every one that it fits may assume the role.",
                value.text
            ),
            Some((_, rest)) if leaves_branch_open(rest) => {
                format!(
                    "`{}` lets every branch and every pull request assume the role.",
                    value.text
                )
            }
            Some(_) => continue,
        };
        report.add(IssueCode::SpecificGithubRepoAndBranch, &value.place, message);
    }
}

/// Whether what stands before the wildcard is no more than the kind of what is named.
fn leaves_branch_open(literal: &str) -> bool {
    ["ref:refs/heads/", "ref:refs/tags/", "environment:"]
        .iter()
        .any(|kind| kind.starts_with(literal))
}
