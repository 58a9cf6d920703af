//! The global condition keys of a call (policy-language R106). A key whose source is absent stays absent.

use portcullis_core::{AccountId, Tags};
use portcullis_policy::Context;

use super::call::Call;
use super::caller::{Caller, Identity};
use super::policies::home;
use super::session::Provenance;
use crate::world::Snapshot;

/// Fills in every global key that the caller, the connection and the clock give.
pub fn add_global_keys(context: &mut Context, view: &Snapshot, call: &Call) {
    add_principal_keys(context, &home(view, &call.caller), &call.caller);
    add_organization_keys(context, view, &call.caller);
    add_session_keys(context, call);
    let now = call.now;
    context.insert("aws:CurrentTime", now.to_iso());
    context.insert("aws:EpochTime", now.as_seconds().to_string());
    context.insert("aws:RequestedRegion", call.region.to_string());
    context.insert("aws:SecureTransport", call.is_secure().to_string());
    add_resource_account_keys(context, view, &call.account);
    if call.by_service().is_none() {
        context.insert("aws:SourceIp", call.source_ip.clone());
    }
    if call.caller.service_principal().is_none() {
        context.insert("aws:ViaAWSService", "false".to_owned());
    }
    if let Some(agent) = &call.user_agent {
        context.insert("aws:UserAgent", agent.clone());
    }
    if let Some(referer) = &call.referer {
        context.insert("aws:referer", referer.clone());
    }
}

fn add_principal_keys(context: &mut Context, view: &Snapshot, caller: &Caller) {
    if caller.web_identity().is_some() || caller.is_anonymous() {
        // Nobody signed: these three say so, the rest stays absent (R106).
        context.insert("aws:PrincipalAccount", "anonymous".to_owned());
        context.insert("aws:PrincipalType", principal_type(&caller.identity).to_owned());
        context.insert("aws:userid", "anonymous".to_owned());
        return;
    }
    let is_service = caller.service_principal().is_some();
    context.insert("aws:PrincipalIsAWSService", is_service.to_string());
    if let Some(principal) = caller.service_principal() {
        context.insert("aws:PrincipalServiceName", principal.to_owned());
        context.insert("aws:PrincipalServiceNamesList", vec![principal.to_owned()]);
        return;
    }
    context.insert("aws:PrincipalArn", caller.principal_arn());
    context.insert("aws:PrincipalAccount", caller.account.to_string());
    context.insert("aws:PrincipalType", principal_type(&caller.identity).to_owned());
    context.insert("aws:userid", caller.user_id());
    match &caller.identity {
        Identity::User { name, .. } => {
            context.insert("aws:username", name.clone());
            if let Some(user) = view.user(name) {
                add_principal_tags(context, &user.tags);
            }
        }
        Identity::Role { name, .. } => {
            if let Some(role) = view.role(name) {
                add_principal_tags(context, &role.tags);
            }
        }
        _ => {}
    }
    // Session tags override the role's of the same key, without case (R131).
    if let Some(session) = &caller.session {
        add_principal_tags(context, &session.tags);
    }
}

/// All accounts of a server that has an organization belong to it.
fn add_organization_keys(context: &mut Context, view: &Snapshot, caller: &Caller) {
    if caller.service_principal().is_some() || caller.web_identity().is_some() || caller.is_anonymous() {
        return;
    }
    if let Some(organization) = view.organization() {
        context.insert("aws:PrincipalOrgID", organization.id.clone());
        context.insert("aws:PrincipalOrgPaths", vec![organization.path()]);
    }
}

/// The keys of the account whose resource is asked for.
pub(super) fn add_resource_account_keys(context: &mut Context, view: &Snapshot, account: &AccountId) {
    context.insert("aws:ResourceAccount", account.to_string());
    let other = view.neighbours().view(account);
    if let Some(organization) = other.and_then(|other| other.organization()) {
        context.insert("aws:ResourceOrgID", organization.id.clone());
        context.insert("aws:ResourceOrgPaths", vec![organization.path()]);
    }
}

fn add_principal_tags(context: &mut Context, tags: &Tags) {
    for tag in tags.iter() {
        context.insert(format!("aws:PrincipalTag/{}", tag.key), tag.value.clone());
    }
}

fn add_session_keys(context: &mut Context, call: &Call) {
    let Some(session) = &call.caller.session else {
        return;
    };
    context.insert("aws:TokenIssueTime", session.issued.to_iso());
    // Federated identities have no MFA of ours (R159).
    let is_federated = matches!(call.caller.identity, Identity::Federated { .. });
    if !is_federated && session.provenance.is_none() {
        context.insert(
            "aws:MultiFactorAuthPresent",
            session.mfa_authenticated.is_some().to_string(),
        );
    }
    if let Some(since) = session.mfa_authenticated {
        context.insert(
            "aws:MultiFactorAuthAge",
            call.now.seconds_since(since).max(0).to_string(),
        );
    }
    if let Some(source) = &session.source_identity {
        context.insert("aws:SourceIdentity", source.clone());
    }
    if let Some(Provenance { provider, name, keys }) = &session.provenance {
        context.insert("aws:FederatedProvider", provider.to_string());
        for (key, values) in keys {
            add_provider_key(context, name, key, values);
        }
    }
}

/// A key of an identity provider: `PROVIDER:aud`. Authentication methods are several, like a claim with several values.
pub fn add_provider_key(context: &mut Context, provider: &str, key: &str, values: &[String]) {
    let name = format!("{provider}:{key}");
    match values {
        [value] if key != "amr" => context.insert(name, value.clone()),
        values => context.insert(name, values.to_vec()),
    }
}

fn principal_type(identity: &Identity) -> &'static str {
    match identity {
        Identity::Root => "Account",
        Identity::User { .. } => "User",
        Identity::Role { .. } => "AssumedRole",
        Identity::Federated { .. } => "FederatedUser",
        Identity::WebIdentity(_) | Identity::Anonymous => "Anonymous",
        Identity::Service(_) => "Service",
    }
}

/// The tags of a resource as a service shows them: `aws:ResourceTag/K` and its alias `PREFIX:ResourceTag/K` (R166).
pub fn add_resource_tags(context: &mut Context, service_prefix: &str, tags: &Tags) {
    for tag in tags.iter() {
        context.insert(format!("aws:ResourceTag/{}", tag.key), tag.value.clone());
        context.insert(
            format!("{service_prefix}:ResourceTag/{}", tag.key),
            tag.value.clone(),
        );
    }
}

/// The tags of a request: `aws:RequestTag/K` and `aws:TagKeys`; absent when the request has none.
pub fn add_request_tags(context: &mut Context, tags: &Tags) {
    if tags.is_empty() {
        return;
    }
    for tag in tags.iter() {
        context.insert(format!("aws:RequestTag/{}", tag.key), tag.value.clone());
    }
    context.insert(
        "aws:TagKeys",
        tags.iter().map(|tag| tag.key.clone()).collect::<Vec<_>>(),
    );
}
