//! Services that act as a role: the one place that asks a trust policy about a service principal (R157), and the one
//! that makes such sessions and their records.

use portcullis_core::{Arn, Region, Secret, uuid};
use portcullis_policy::{Context, Prepared, Programs, Request};
use serde_json::json;

use super::Gate;
use super::along::Along;
use super::call::{Call, OtherPictures};
use super::caller::Caller;
use super::context::{add_global_keys, add_resource_tags};
use super::error::ServiceError;
use super::operation::{Check, ResourcePolicy};
use super::record::Outcome;
use super::session::{NewSession, Session, Subject};
use crate::world::Snapshot;
use crate::world::records::iam::Role;

/// The principal that acts for machines which joined by an activation.
pub const SSM: &str = "ssm.amazonaws.com";

/// The principal that acts for tasks: of task roles and of execution roles.
pub const ECS_TASKS: &str = "ecs-tasks.amazonaws.com";

/// How long sessions of tasks live unless the operator wants them shorter (agent.md 1.4), in seconds; never longer:
/// revocations of stopped tasks last as long.
pub const TASK_SESSION_SECONDS: i64 = 6 * 3_600;

/// A service that is about to act as a role.
#[derive(Debug, Clone, Copy)]
pub struct Assumption<'a> {
    /// The service, such as [`ECS_TASKS`].
    pub principal: &'static str,
    /// The resource it acts for: `aws:SourceArn`; its region and account are where it acts.
    pub source: &'a Arn,
    /// The session name; of tasks the task id (R132).
    pub session_name: &'a str,
}

/// Credentials made by [`Gate::assume`].
#[derive(Debug, Clone)]
pub struct Assumed {
    /// The session.
    pub session: Session,
    /// Its token.
    pub token: Secret,
    /// The role's ARN.
    pub role: Arn,
}

impl Assumption<'_> {
    /// The keys of the AssumeRole beside the global ones.
    fn context(&self, role: Option<&Role>) -> Context {
        let mut context = Context::new();
        context.insert("aws:SourceArn", self.source);
        context.insert("aws:SourceAccount", self.source.account());
        context.insert("sts:RoleSessionName", self.session_name);
        if let Some(role) = role {
            add_resource_tags(&mut context, "iam", &role.tags);
        }
        context
    }

    /// The AssumeRole as the check it comes to, to explain it.
    pub(crate) fn check(&self, role_arn: &Arn, role: Option<&Role>) -> Check {
        let mut check = Check::new("sts:AssumeRole", role_arn.as_str());
        check.context = self.context(role);
        check.resource_policy = Some(ResourcePolicy::of_role(role_arn.as_str(), role));
        check
    }
}

/// Whether a role's trust policy lets a service assume it. `call` is the service's own call, see [`service_call`].
pub fn trusts(view: &Snapshot, call: &Call, role: &Role, assumption: &Assumption<'_>) -> bool {
    // A stored policy that no longer parses lets nobody in (R31).
    let Some(policy) = role.trust.policy() else {
        return false;
    };
    let mut context = assumption.context(Some(role));
    add_global_keys(&mut context, view, call);
    let principal = call.caller.principal();
    let request = Request {
        principal: &principal,
        action: "sts:AssumeRole",
        resource: role.arn.as_str(),
        context: &context,
        resource_account: Some(&call.account),
    };
    let programs = Programs {
        resource: Some(policy.program()),
        ..Programs::default()
    };
    portcullis_policy::authorize(&Prepared::new(&request), &programs).is_allowed()
}

/// A service's own AssumeRole call; `None` when the resource it acts for is in no region.
pub fn service_call(
    view: &Snapshot,
    assumption: &Assumption<'_>,
    now: portcullis_core::Timestamp,
    request_id: String,
) -> Option<Call> {
    let region: Region = assumption.source.region().parse().ok()?;
    Some(Call {
        caller: Caller::service(assumption.principal, &view.account, region.partition()),
        account: view.account.clone(),
        region,
        service: &portcullis_api::sts::SERVICE,
        operation: "AssumeRole",
        now,
        request_id,
        source_ip: assumption.principal.to_owned(),
        user_agent: Some(assumption.principal.to_owned()),
        referer: None,
        tls: None,
        host: None,
        agent: None,
        others: OtherPictures::default(),
        along: Along::default(),
    })
}

impl Gate {
    /// Assumes a role as a service and records it like every AssumeRole. `None` when the role is gone or does not
    /// trust the service (any more).
    pub async fn assume(&self, role_arn: &Arn, assumption: &Assumption<'_>) -> Option<Assumed> {
        self.assume_as(role_arn, assumption, None).await
    }

    /// Assumes the role of a task for the task itself: by these credentials, and by no others of the same role and
    /// session name, it is known again.
    pub(crate) async fn assume_for_task(
        &self,
        role_arn: &Arn,
        assumption: &Assumption<'_>,
        task: &Arn,
    ) -> Option<Assumed> {
        self.assume_as(role_arn, assumption, Some(task)).await
    }

    async fn assume_as(
        &self,
        role_arn: &Arn,
        assumption: &Assumption<'_>,
        task: Option<&Arn>,
    ) -> Option<Assumed> {
        let world = self.world();
        let view = world.view();
        let request_id = uuid(world.random().as_ref());
        let call = service_call(&view, assumption, world.clock().now(), request_id)?;
        let role = view.role_by_arn(role_arn.as_str());
        let trusting = role.filter(|role| trusts(&view, &call, role, assumption));
        let Some(role) = trusting else {
            let text = format!(
                "User: {} is not authorized to perform: sts:AssumeRole on resource: {role_arn}",
                assumption.principal
            );
            let refused = ServiceError::access_denied(call.service, text);
            let check = assumption.check(role_arn, role.map(AsRef::as_ref));
            let refused = self.reasons.refused(&view, &call, &[check], refused);
            self.record(&call, false, None, &Outcome::Refused(&refused)).await;
            return None;
        };
        let subject = Subject::Role {
            id: role.id.clone(),
            name: role.name.clone(),
            session_name: assumption.session_name.to_owned(),
        };
        let seconds = match assumption.principal {
            ECS_TASKS => self.task_session_seconds,
            _ => TASK_SESSION_SECONDS,
        };
        let mut new = NewSession::of(subject, seconds, &call.caller);
        new.task = task.cloned();
        let session = Session::issue(new, &call.account, call.now, world.random().as_ref());
        let token = session.token(world.vault())?;
        let parameters = json!({ "RoleArn": role_arn.as_str(), "RoleSessionName": assumption.session_name });
        let answer = json!({ "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SessionToken": token.expose(),
            "Expiration": session.expires.as_fractional_seconds(),
        } });
        self.record(
            &call,
            false,
            Some(parameters),
            &Outcome::Answered(&|| answer.clone()),
        )
        .await;
        Some(Assumed {
            session,
            token,
            role: role_arn.clone(),
        })
    }
}
