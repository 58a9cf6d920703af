//! PassRole for what comes later than the call that asked for it: decided again, by the policies of that moment, with what
//! the call said of itself.

use portcullis_core::{Region, Timestamp};
use portcullis_policy::{Context, Prepared, Request};
use serde::{Deserialize, Serialize};

use super::authorize::Asker;
use super::call::Call;
use super::caller::{Caller, Identity};
use super::operation::Check;
use super::origin::Origin;
use super::policies::Standing;
use super::session::Subject;
use crate::world::Snapshot;

/// A caller as it is kept. Session policies are not: they let the call through and cannot change.
#[derive(Serialize, Deserialize)]
struct Kept {
    subject: Subject,
    region: Region,
    /// The keys that all checks of the call shared.
    keys: Context,
    /// The credentials it began with, and when it asked.
    #[serde(default)]
    origin: Option<Origin>,
    #[serde(default)]
    asked: Timestamp,
}

/// What to keep of whoever calls, for [`refusal`]; `None` for services, who pass nothing.
pub(crate) fn keep(view: &Snapshot, call: &Call) -> Option<String> {
    let subject = match &call.caller.identity {
        Identity::Root => Subject::Root,
        Identity::User { id, name, .. } => Subject::User {
            id: id.clone(),
            name: name.clone(),
        },
        Identity::Role {
            id,
            name,
            session_name,
            ..
        } => Subject::Role {
            id: id.clone(),
            name: name.clone(),
            session_name: session_name.clone(),
        },
        Identity::Federated { name, user, user_id } => Subject::Federated {
            name: name.clone(),
            user: user.clone(),
            user_id: user_id.clone(),
        },
        Identity::WebIdentity(_) | Identity::Anonymous | Identity::Service(_) => return None,
    };
    let kept = Kept {
        subject,
        region: call.region.clone(),
        keys: Asker::of(view, call).context,
        origin: Origin::of(&call.caller),
        asked: call.now,
    };
    serde_json::to_string(&kept).ok()
}

/// Why a caller that was kept may not do these checks now, in words.
pub(crate) fn refusal(view: &Snapshot, kept: &str, checks: &[Check], now: Timestamp) -> Option<String> {
    let gone = || Some("The principal that asked for it is no longer there.".to_owned());
    let Ok(kept) = serde_json::from_str::<Kept>(kept) else {
        return gone();
    };
    let Some(caller) = kept.caller(view) else {
        return gone();
    };
    if kept
        .origin
        .is_some_and(|origin| !origin.lets_live(view, kept.asked))
    {
        return Some("The credentials that asked for it are no longer valid.".to_owned());
    }
    let Ok(standing) = Standing::of(view, &caller) else {
        return gone();
    };
    let principal = caller.principal();
    let programs = standing.programs(None);
    let refused = |check: &&Check| {
        let mut context = kept.keys.clone();
        context.insert("aws:CurrentTime", now.to_iso());
        context.insert("aws:EpochTime", now.as_seconds().to_string());
        for (key, value) in check.context.iter() {
            context.insert(key, value.clone());
        }
        let request = Request {
            principal: &principal,
            action: check.action,
            resource: &check.resource,
            context: &context,
            resource_account: Some(&view.account),
        };
        !portcullis_policy::authorize(&Prepared::new(&request), &programs).is_allowed()
    };
    let check = checks.iter().find(refused)?;
    Some(format!(
        "User: {} is not authorized to perform: {} on resource: {}",
        caller.arn(),
        check.action,
        check.shown()
    ))
}

impl Kept {
    /// The caller without credentials; `None` when the principal is gone, also when another one has its name.
    fn caller(&self, view: &Snapshot) -> Option<Caller> {
        let user = |id: &str| {
            let user = view.user_by_id(id).filter(|user| user.left.is_none())?;
            Some(Identity::User {
                id: user.id.clone(),
                name: user.name.clone(),
                arn: user.arn.clone(),
            })
        };
        let identity = match &self.subject {
            Subject::Root | Subject::Federated { user: None, .. } => Identity::Root,
            Subject::User { id, .. } => user(id)?,
            Subject::Federated { user_id, .. } => user(user_id)?,
            Subject::Role {
                id,
                name,
                session_name,
            } => {
                let role = view.role(name).filter(|role| role.id == *id)?;
                Identity::Role {
                    id: id.clone(),
                    name: role.name.clone(),
                    arn: role.arn.clone(),
                    session_name: session_name.clone(),
                }
            }
        };
        Some(Caller {
            account: view.account.clone(),
            partition: self.region.partition(),
            identity,
            access_key_id: String::new(),
            session: None,
        })
    }
}
