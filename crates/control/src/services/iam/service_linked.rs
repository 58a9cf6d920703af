//! Service-linked roles: made for a service, changed by nobody else (R133).

use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::{Arn, IamIdKind, Partition, Tags, iam_id};
use portcullis_policy::Kind;

use super::checks::{self, Checks, one};
use super::entity::Entity as _;
use super::errors::IamError;
use super::roles::SESSION_SECONDS;
use super::{documents, shapes};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check, Row, write};
use crate::world::records::PolicyText;
use crate::world::records::iam::{Permissions, Role};
use crate::world::{Snapshot, Tx};

/// A service that has a role of its own.
struct Linked {
    service: &'static str,
    role: &'static str,
    /// The name of its AWS managed policy.
    policy: &'static str,
    description: Option<&'static str>,
    /// Whether an account may have several, told apart by a suffix.
    suffix: bool,
}

/// The services whose roles this server knows: ECS and those around it.
const SERVICES: &[Linked] = &[
    Linked {
        service: "ecs.amazonaws.com",
        role: "AWSServiceRoleForECS",
        policy: "AmazonECSServiceRolePolicy",
        description: Some("Role to enable Amazon ECS to manage your cluster."),
        suffix: false,
    },
    Linked {
        service: "ecs-compute.amazonaws.com",
        role: "AWSServiceRoleForECSCompute",
        policy: "AmazonECSComputeServiceRolePolicy",
        description: None,
        suffix: false,
    },
    Linked {
        service: "ecs.application-autoscaling.amazonaws.com",
        role: "AWSServiceRoleForApplicationAutoScaling_ECSService",
        policy: "AWSApplicationAutoscalingECSServicePolicy",
        description: None,
        suffix: false,
    },
    Linked {
        service: "autoscaling.amazonaws.com",
        role: "AWSServiceRoleForAutoScaling",
        policy: "AutoScalingServiceRolePolicy",
        description: None,
        suffix: true,
    },
    Linked {
        service: "organizations.amazonaws.com",
        role: "AWSServiceRoleForOrganizations",
        policy: "AWSOrganizationsServiceTrustPolicy",
        description: Some(
            "Service-linked role used by AWS Organizations to enable integration of other AWS services with Organizations.",
        ),
        suffix: false,
    },
    Linked {
        service: "elasticloadbalancing.amazonaws.com",
        role: "AWSServiceRoleForElasticLoadBalancing",
        policy: "AWSElasticLoadBalancingServiceRolePolicy",
        description: None,
        suffix: false,
    },
    Linked {
        service: "spot.amazonaws.com",
        role: "AWSServiceRoleForEC2Spot",
        policy: "AWSEC2SpotServiceRolePolicy",
        description: None,
        suffix: false,
    },
    Linked {
        service: "spotfleet.amazonaws.com",
        role: "AWSServiceRoleForEC2SpotFleet",
        policy: "AWSEC2SpotFleetServiceRolePolicy",
        description: None,
        suffix: false,
    },
];

/// The rows of this group.
pub(super) fn rows() -> Vec<Row> {
    vec![write::<op::CreateServiceLinkedRole>(
        &["iam:CreateServiceLinkedRole"],
        require_create,
        create,
    )]
}

fn find(service: &str) -> Option<&'static Linked> {
    SERVICES.iter().find(|linked| linked.service == service)
}

fn path(service: &str) -> String {
    format!("/aws-service-role/{service}/")
}

fn role_name(linked: &Linked, suffix: Option<&String>) -> String {
    match suffix {
        Some(suffix) => format!("{}_{suffix}", linked.role),
        None => linked.role.to_owned(),
    }
}

fn require_create(ask: Ask<'_, api::CreateServiceLinkedRoleRequest>) -> Checks {
    let input = ask.input;
    let service = &input.aws_service_name;
    let name = find(service).map_or_else(
        || "*".to_owned(),
        |linked| role_name(linked, input.custom_suffix.as_ref()),
    );
    let arn = checks::arn(ask.call, Role::ARN_TYPE, &path(service), &name);
    one(Check::new("iam:CreateServiceLinkedRole", arn.as_str()).with("iam:AWSServiceName", service.as_str()))
}

fn create(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::CreateServiceLinkedRole>,
) -> Result<api::CreateServiceLinkedRoleResponse, ServiceError> {
    let input = auth.input();
    let service = &input.aws_service_name;
    let unknown = || IamError::InvalidInput(format!("Service linked roles of {service} are not supported."));
    let linked = find(service).ok_or_else(unknown)?;
    if input.custom_suffix.is_some() && !linked.suffix {
        return Err(IamError::InvalidInput(format!("Custom suffix is not allowed for {service}")).into());
    }
    let name = role_name(linked, input.custom_suffix.as_ref());
    if tx.view().role(&name).is_some() {
        let text = format!(
            "Service role name {name} has been taken in this account, please try a different suffix."
        );
        return Err(IamError::InvalidInput(text).into());
    }
    let role = make(
        tx,
        linked,
        name,
        input.description.clone(),
        auth.call().caller.partition,
    )?;
    let shown = shapes::created_role(tx.view(), &role);
    tx.put(role);
    Ok(api::CreateServiceLinkedRoleResponse { role: Some(shown) })
}

/// The permission it takes to make a service's own role; nothing when the role is there.
pub(crate) fn missing(view: &Snapshot, call: &Call, service: &'static str) -> Option<Check> {
    let linked = find(service).filter(|linked| view.role(linked.role).is_none())?;
    let arn = checks::arn(call, Role::ARN_TYPE, &path(service), linked.role);
    Some(Check::new("iam:CreateServiceLinkedRole", arn.as_str()).with("iam:AWSServiceName", service))
}

/// Makes a service's own role on behalf of a caller who may.
pub(crate) fn make_default(tx: &mut Tx<'_>, service: &str) {
    let made = find(service).map(|linked| make(tx, linked, linked.role.to_owned(), None, Partition::Aws));
    match made {
        Some(Ok(role)) => tx.put(role),
        Some(Err(error)) => tracing::error!(?error, service, "a service-linked role could not be made"),
        None => {}
    }
}

fn make(
    tx: &Tx<'_>,
    linked: &Linked,
    name: String,
    description: Option<String>,
    partition: Partition,
) -> Result<Role, IamError> {
    let account = &tx.view().account;
    let path = path(linked.service);
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"{}"}},"Action":"sts:AssumeRole"}}]}}"#,
        linked.service
    );
    let policy = format!("arn:aws:iam::aws:policy/aws-service-role/{}", linked.policy);
    let attached = policy.parse().into_iter().collect();
    Ok(Role {
        id: iam_id(IamIdKind::Role, account, tx.random),
        arn: Arn::global("iam", partition, account, format_args!("role{path}{name}")),
        name,
        path,
        created: tx.now,
        description: description.or_else(|| linked.description.map(str::to_owned)),
        max_session_seconds: SESSION_SECONDS,
        trust: PolicyText::new(&documents::parse(&trust, Kind::Trust)?),
        tags: Tags::new(),
        permissions: Permissions {
            attached,
            ..Permissions::default()
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_every_linked_role_is_there() {
        for linked in SERVICES {
            let arn = format!("arn:aws:iam::aws:policy/aws-service-role/{}", linked.policy);
            assert!(crate::world::managed::find(&arn).is_some(), "{arn}");
        }
    }
}
