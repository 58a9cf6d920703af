//! One question: may this caller do this?

use portcullis_core::{AccountId, Arn, Timestamp};
use portcullis_reference::ActionId;

use crate::explain::{Explanation, explain};
use crate::matching::action::{ActionForm, AskedAction};
use crate::simulate::Policies;
use crate::{Context, Principal, Request};

/// A request as a person names it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// For which action.
    pub action: &'a str,
    /// On which resource; the account in its ARN owns it.
    pub resource: &'a str,
    /// Condition keys; they go before those of [`global_keys`].
    pub given: &'a Context,
}

impl Question<'_> {
    /// The condition keys of the request at a moment.
    pub fn context(&self, now: Timestamp) -> Context {
        let mut context = global_keys(self.principal, self.resource, now);
        context.extend(self.given.iter().map(|(key, value)| (key, value.clone())));
        context
    }

    /// The answer, with its reasons.
    pub fn explain(&self, policies: &Policies, now: Timestamp) -> Explanation {
        let context = self.context(now);
        let owner = owner(self.resource);
        let request = Request {
            principal: self.principal,
            action: self.action,
            resource: self.resource,
            resource_account: owner.as_ref(),
            context: &context,
        };
        policies.with_sets(|sets| explain(&request, sets))
    }
}

/// The account in an ARN.
fn owner(resource: &str) -> Option<AccountId> {
    resource.parse::<Arn>().ok()?.account().parse().ok()
}

/// The global condition keys that follow from the caller, the resource's ARN and the clock, as a gate fills them (R106,
/// R108): aws:CurrentTime, aws:EpochTime, aws:SecureTransport (true), aws:ViaAWSService (false), aws:PrincipalIsAWSService,
/// aws:PrincipalServiceName, aws:PrincipalArn, aws:PrincipalAccount, aws:PrincipalType, aws:username, aws:TokenIssueTime
/// (now) and aws:MultiFactorAuthPresent (false) of role sessions, aws:ResourceAccount, aws:RequestedRegion.
pub fn global_keys(principal: &Principal, resource: &str, now: Timestamp) -> Context {
    let mut context = Context::new();
    context.insert("aws:CurrentTime", now);
    context.insert("aws:EpochTime", now.as_seconds());
    context.insert("aws:SecureTransport", true);
    add_principal(&mut context, principal, now);
    let arn: Option<Arn> = resource.parse().ok();
    let region = arn.as_ref().map(Arn::region).filter(|region| !region.is_empty());
    if let Some(region) = region {
        context.insert("aws:RequestedRegion", region);
    }
    let owner = owner(resource);
    if let Some(owner) = owner.as_ref().or_else(|| principal.account()) {
        context.insert("aws:ResourceAccount", owner.as_str());
    }
    context
}

fn add_principal(context: &mut Context, principal: &Principal, now: Timestamp) {
    let is_service = matches!(principal, Principal::Service(_));
    context.insert("aws:PrincipalIsAWSService", is_service);
    if let Principal::Service(name) = principal {
        context.insert("aws:PrincipalServiceName", name.as_str());
        return;
    }
    context.insert("aws:ViaAWSService", false);
    if let Some(account) = principal.account() {
        context.insert("aws:PrincipalAccount", account.as_str());
    }
    let kind = match principal {
        Principal::Root { account } => {
            context.insert("aws:PrincipalArn", principal.name().into_owned());
            context.insert("aws:userid", account.as_str());
            "Account"
        }
        Principal::User { arn, .. } => {
            context.insert("aws:PrincipalArn", arn);
            let name = arn.resource().rsplit('/').next().unwrap_or_default();
            context.insert("aws:username", name);
            "User"
        }
        Principal::RoleSession { role_arn, .. } => {
            context.insert("aws:PrincipalArn", role_arn);
            context.insert("aws:TokenIssueTime", now);
            context.insert("aws:MultiFactorAuthPresent", false);
            "AssumedRole"
        }
        Principal::FederatedUser { arn, .. } => {
            context.insert("aws:PrincipalArn", arn);
            context.insert("aws:TokenIssueTime", now);
            "FederatedUser"
        }
        Principal::Federated { .. } | Principal::Service(_) | Principal::Anonymous => "Anonymous",
    };
    context.insert("aws:PrincipalType", kind);
}

/// The actions a pattern stands for, in IAM's spelling: `ecs:Describe*` is expanded by the service authorisation reference; a
/// name without wildcard stays, known or not.
pub fn actions(pattern: &str) -> Vec<String> {
    if !pattern.contains(['*', '?']) {
        let known = portcullis_reference::action(pattern);
        return vec![known.map_or_else(|| pattern.to_owned(), |action| action.to_string())];
    }
    let form = ActionForm::parse(pattern);
    ActionId::all()
        .map(|action| action.to_string())
        .filter(|name| form.matches(AskedAction::of(name)))
        .collect()
}
