//! Calls that a service of this server makes by itself, as its service-linked role. They go the way of every call: the
//! role's policy decides, and histories show them as AWS shows its own.

use std::collections::BTreeMap;

use portcullis_core::{Arn, Region, uuid};
use portcullis_wire::Operation;
use thiserror::Error;

use super::Gate;
use super::along::Along;
use super::assume::Assumption;
use super::call::{Call, OtherPictures};
use super::caller::{Caller, Identity};
use super::error::ServiceError;

/// A service and the role it acts as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnRole {
    /// The service.
    pub principal: &'static str,
    /// The name of its service-linked role.
    pub role: &'static str,
    /// The session name it takes.
    pub session_name: &'static str,
}

/// ECS, as the scheduler of services.
pub(crate) const ECS_SCHEDULER: OwnRole = OwnRole {
    principal: "ecs.amazonaws.com",
    role: "AWSServiceRoleForECS",
    session_name: "ecs-service-scheduler",
};

/// ECS, as whoever makes the network interfaces of tasks.
pub(crate) const ECS_INTERFACES: OwnRole = OwnRole {
    session_name: "ecs-eni-provisioning",
    ..ECS_SCHEDULER
};

/// How long before its end a session is not used any more, in seconds.
const MARGIN_SECONDS: i64 = 300;

/// The sessions a service of this server has of its own role, by region.
#[derive(Debug, Default)]
pub(crate) struct OwnSessions(BTreeMap<String, Caller>);

impl OwnSessions {
    /// A session that is good for a while; a new one, on behalf of a resource, when there is none.
    pub async fn caller(
        &mut self,
        gate: &Gate,
        own: OwnRole,
        region: &Region,
        resource: &Arn,
    ) -> Result<Caller, ByItselfError> {
        let soon = gate.world().clock().now().plus_seconds(MARGIN_SECONDS);
        let is_good = |caller: &&Caller| {
            let session = caller.session.as_ref();
            session.is_some_and(|session| !session.is_expired(soon)) && gate.has_role(caller)
        };
        if let Some(caller) = self.0.get(region.as_str()).filter(is_good) {
            return Ok(caller.clone());
        }
        let caller = gate.own_caller(own, resource).await?;
        self.0.insert(region.to_string(), caller.clone());
        Ok(caller)
    }
}

/// Why a service could not call.
#[derive(Debug, Error)]
pub(crate) enum ByItselfError {
    /// In AWS's words.
    #[error(
        "Unable to assume the service linked role. Please verify that the ECS service linked role exists."
    )]
    NoRole,
    /// It was not asked: the picture changed meanwhile.
    #[error("nobody was asked, for things changed meanwhile: it is tried again")]
    NotAsked,
    /// The call was refused, or failed.
    #[error("{}", .0.message())]
    Refused(ServiceError),
}

impl ByItselfError {
    /// Whether the same call may succeed later though nobody changes anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoRole => false,
            Self::NotAsked => true,
            Self::Refused(refused) => refused.status() >= 500,
        }
    }
}

impl Gate {
    /// Assumes a service's own role on behalf of one of its resources, on record like every AssumeRole.
    async fn own_caller(&self, own: OwnRole, resource: &Arn) -> Result<Caller, ByItselfError> {
        let view = self.world.view();
        let path = format!("role/aws-service-role/{}/{}", own.principal, own.role);
        let role = view.role(own.role).filter(|role| role.arn.resource() == path);
        let arn = role.ok_or(ByItselfError::NoRole)?.arn.clone();
        let assumption = Assumption {
            principal: own.principal,
            source: resource,
            session_name: own.session_name,
        };
        let region: Region = resource.region().parse().map_err(|_| ByItselfError::NoRole)?;
        let assumed = self
            .assume(&arn, &assumption)
            .await
            .ok_or(ByItselfError::NoRole)?;
        let caller = assumed.session.caller(&self.world.view(), region.partition());
        // The role went in between: by the next time it is gone, or there is another one.
        caller.ok_or(ByItselfError::NotAsked)
    }

    /// Whether the role of a session is still there.
    fn has_role(&self, caller: &Caller) -> bool {
        let view = self.world.view();
        matches!(&caller.identity, Identity::Role { id, .. } if view.principals.get(id).is_some())
    }

    /// Makes a call as [`own_caller`](Self::own_caller) answered: the one way services of this server call others.
    pub(crate) async fn call_by_itself<O: Operation>(
        &self,
        own: OwnRole,
        caller: &Caller,
        region: &Region,
        input: &O::Input,
    ) -> Result<O::Output, ByItselfError> {
        let service = O::META.service;
        let request = portcullis_wire::encode_request::<O>(input);
        let request_id = uuid(self.world.random().as_ref());
        let view = self.world.view();
        let call = Call {
            caller: caller.clone(),
            account: view.account.clone(),
            region: region.clone(),
            service,
            operation: O::META.name,
            now: self.world.clock().now(),
            request_id: request_id.clone(),
            source_ip: own.principal.to_owned(),
            user_agent: Some(own.principal.to_owned()),
            referer: None,
            tls: None,
            host: None,
            agent: None,
            others: OtherPictures::default(),
            along: Along::default(),
        };
        let row = self.operations.get(service.name, O::META.name);
        let answer = self.run(&view, &call, row, (&request.body).into()).await;
        let reply = answer.map_err(ByItselfError::Refused)?.encode(&request_id);
        portcullis_wire::decode_reply::<O>(reply.status, &reply.body).map_err(|error| {
            tracing::error!(%error, operation = O::META.name, "an answer could not be read");
            ByItselfError::Refused(ServiceError::internal(service))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_or_failed_inside_is_tried_again_and_a_refusal_is_not() {
        let service = &portcullis_api::ec2::SERVICE;
        let denied = ServiceError::access_denied(service, "no".to_owned());
        for (error, expected) in [
            (ByItselfError::NoRole, false),
            (ByItselfError::NotAsked, true),
            (ByItselfError::Refused(denied), false),
            (ByItselfError::Refused(ServiceError::internal(service)), true),
        ] {
            assert_eq!(error.is_passing(), expected, "{error}");
        }
    }
}
