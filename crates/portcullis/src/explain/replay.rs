//! A refusal decided once more, from the request and the policies as the server kept them.

use anyhow::Result;
use portcullis_api::iam_toolbox::{Evaluation, PolicyInfo};
use portcullis_core::{AccountId, Arn};
use portcullis_policy::simulate::{ContextEntry, caller};
use portcullis_policy::{
    Context, Document, Explanation, Kind, Outcome, PolicySets, Principal, Request, Source, Value, explain,
};
use serde::Deserialize as _;

/// A policy that bore on the request.
pub struct Policy {
    kind: String,
    name: String,
    arn: Option<String>,
    attached_to: Option<String>,
    /// Its JSON, laid out for people.
    text: String,
}

impl Policy {
    /// A policy as the server tells of it.
    pub fn of(info: &PolicyInfo, document: &serde_json::Value) -> Result<Self> {
        let source = info.policy_source.as_ref().and_then(|source| source.get("name"));
        let uri = info.uri.clone().unwrap_or_default();
        let holders = info.attached_to.as_deref().unwrap_or_default();
        Ok(Self {
            kind: info.r#type.clone().unwrap_or_default(),
            name: source.cloned().unwrap_or_else(|| uri.clone()),
            arn: (info.inline == Some(false)).then_some(uri),
            attached_to: holders.first().and_then(|holder| holder.arn.clone()),
            text: serde_json::to_string_pretty(document)?,
        })
    }

    /// What it is parsed as; a role's trust policy is a resource-based policy on the wire.
    fn parsed_as(&self, action: &str) -> Option<Kind> {
        Some(match self.kind.as_str() {
            "IDENTITY_BASED_POLICY" => Kind::Identity,
            "PERMISSIONS_BOUNDARY" => Kind::Boundary,
            "SESSION_POLICY" => Kind::Session,
            "RESOURCE_BASED_POLICY" if is_about_trust(action) => Kind::Trust,
            "RESOURCE_BASED_POLICY" => Kind::Resource,
            // Organizations evaluate level by level, which the details do not tell.
            _ => return None,
        })
    }
}

fn is_about_trust(action: &str) -> bool {
    let is_sts = action.starts_with("sts:");
    is_sts && (action.contains("AssumeRole") || matches!(action, "sts:TagSession" | "sts:SetSourceIdentity"))
}

/// A policy, parsed.
struct Parsed<'p> {
    policy: &'p Policy,
    kind: Kind,
    document: Document,
}

impl Parsed<'_> {
    fn source(&self) -> Source<'_> {
        Source {
            name: &self.policy.name,
            arn: self.policy.arn.as_deref(),
            attached_to: self.policy.attached_to.as_deref(),
            document: &self.document,
        }
    }
}

/// The evaluation again, with all its reasons; `None` when the details do not tell enough to decide as the server did.
pub fn replay(principal: &str, evaluation: &Evaluation, policies: &[Policy]) -> Option<Explanation> {
    let context = context(evaluation)?;
    let principal = as_known(caller(principal).ok()?, &context);
    let parsed: Vec<Parsed<'_>> = policies
        .iter()
        .map(|policy| {
            let kind = policy.parsed_as(&evaluation.action)?;
            let document = Document::parse(&policy.text, kind).ok()?;
            Some(Parsed {
                policy,
                kind,
                document,
            })
        })
        .collect::<Option<_>>()?;
    let of_kind = |kind| {
        parsed
            .iter()
            .filter(move |one| one.kind == kind)
            .map(Parsed::source)
    };
    let identity: Vec<Source<'_>> = of_kind(Kind::Identity).collect();
    let session: Vec<Source<'_>> = of_kind(Kind::Session).collect();
    // A role's trust policy takes part in the check on that role alone.
    let on_resource = of_kind(Kind::Trust)
        .chain(of_kind(Kind::Resource))
        .find(|source| source.attached_to == Some(evaluation.resource.as_str()));
    let sets = PolicySets {
        identity: &identity,
        boundary: of_kind(Kind::Boundary).next(),
        session: (!session.is_empty()).then_some(session.as_slice()),
        resource: on_resource,
        ..PolicySets::default()
    };
    let owner = owner(&context, &evaluation.resource);
    let request = Request {
        principal: &principal,
        action: &evaluation.action,
        resource: &evaluation.resource,
        resource_account: owner.as_ref(),
        context: &context,
    };
    let explanation = explain(&request, &sets);
    (Some(effect(explanation.outcome)) == evaluation.evaluated_effect.as_deref()).then_some(explanation)
}

fn effect(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "ALLOW",
        Outcome::ExplicitDeny => "EXPLICIT_DENY",
        Outcome::ImplicitDeny => "IMPLICIT_DENY",
    }
}

fn context(evaluation: &Evaluation) -> Option<Context> {
    let keys = evaluation.context.as_ref()?.iter();
    keys.map(|(key, value)| Some((key.as_str(), Value::from(&ContextEntry::deserialize(value).ok()?))))
        .collect()
}

fn owner(context: &Context, resource: &str) -> Option<AccountId> {
    let told = context
        .get("aws:ResourceAccount")
        .and_then(|value| value.values().first());
    let in_arn = || resource.parse::<Arn>().ok()?.account().parse().ok();
    told.and_then(|account| account.parse().ok()).or_else(in_arn)
}

/// The caller with what an ARN does not tell: a role's path, and unique ids.
fn as_known(principal: Principal, context: &Context) -> Principal {
    let text = |key: &str| context.get(key).and_then(|value| value.values().first()).cloned();
    match principal {
        Principal::RoleSession {
            session_arn,
            role_arn,
            role_id,
            account,
        } => {
            let id = text("aws:userid").and_then(|id| Some(id.split_once(':')?.0.to_owned()));
            Principal::RoleSession {
                session_arn,
                role_arn: text("aws:PrincipalArn")
                    .and_then(|arn| arn.parse().ok())
                    .unwrap_or(role_arn),
                role_id: id.unwrap_or(role_id),
                account,
            }
        }
        Principal::User { arn, id, account } => Principal::User {
            arn,
            id: text("aws:userid").unwrap_or(id),
            account,
        },
        other => other,
    }
}
