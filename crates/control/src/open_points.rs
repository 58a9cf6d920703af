//! Where AWS is silent about what happens around a decision, one function per open point decides, named after its rule in
//! the policy-language specification. Those of the language itself stand in `portcullis-policy`.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use portcullis_core::{Arn, Tags, Timestamp};

use crate::gate::operation::Check;

/// R27: how many bytes session policies, their ARNs and session tags take in a token. AWS's format is secret; ours is
/// deflate.
pub(crate) fn r27_packed_bytes(plain: &str) -> usize {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let packed = encoder
        .write_all(plain.as_bytes())
        .and_then(|()| encoder.finish());
    packed.map_or(plain.len(), |packed| packed.len())
}

/// R27: how many bytes they may take.
pub(crate) fn r27_packed_bytes_max() -> usize {
    2_048
}

/// R139: of several refused checks of a call, which one is its answer. The first; the call is refused as a whole, also
/// where it describes several things.
pub(crate) fn r139_answer<E>(refused: impl IntoIterator<Item = E>) -> Option<E> {
    refused.into_iter().next()
}

/// R146: the checks of a StartTask on several container instances, given the check without any. One for each, since
/// `ecs:container-instances` is single-valued.
pub(crate) fn r146_check_for_each(own: &Check, instances: impl Iterator<Item = Arn>) -> Vec<Check> {
    instances
        .map(|arn| own.clone().with("ecs:container-instances", arn.as_str()))
        .collect()
}

/// R148: whether tags given at creation need `ecs:TagResource`. Always, as the account setting tagResourceAuthorization has
/// it by default.
pub(crate) fn r148_tags_need_permission() -> bool {
    true
}

/// R151: `iam:AssociatedResourceArn` when a role is passed to ECS. Absent.
pub(crate) fn r151_associated_resource(_role: &Arn) -> Option<String> {
    None
}

/// R159: when the MFA code of a role's session was accepted, given when that of its AssumeRole was. Never: role sessions
/// carry `aws:MultiFactorAuthPresent` = false and no age.
pub(crate) fn r159_mfa_of_role_session(_of_the_call: Option<Timestamp>) -> Option<Timestamp> {
    None
}

/// R175: the resource that asking for the details of a refusal is checked on. The authorisation reference does not have
/// the action; everything.
pub(crate) fn r175_resource() -> &'static str {
    "*"
}

/// R181: the check on something that is not there. As on something without tags, so that only who may see it learns
/// that it is not there.
pub(crate) fn r181_check_on_missing(check: Check) -> Check {
    check
}

/// How a refusal names an object that the call named otherwise than by its id: a route table by an association with it, a
/// group by its name. As one that is not there, since who is refused must not learn the ids, nor whether there is one.
/// Decided is on the object itself.
pub(crate) fn refusal_names_what_was_named(mut check: Check, named: Arn) -> Check {
    check.shown_resource = Some(named.to_string());
    check
}

/// `aws:ResourceTag` of service deployments and revisions, given the tags of their service. The authorisation reference
/// lists the key, but nothing can tag them; those of their service, so that what a tag allows on it goes for its history.
pub(crate) fn tags_of_service_history(of_service: Option<&Tags>) -> Option<&Tags> {
    of_service
}

/// Whether sessions end when the access key at the start of their chain is deactivated or deleted. They do: the mission
/// wants revocation to bind at once, where AWS lets them run out.
pub(crate) fn sessions_end_with_their_key() -> bool {
    true
}

/// Whether protecting one more task of a service fails with DEPLOYMENT_BLOCKED, given how many others are protected and
/// how many the service wants. AWS names the reason, not the rule; more protected tasks than wanted ones would keep every
/// deployment from ending.
pub(crate) fn protection_blocks_deployment(others_protected: usize, desired: u32) -> bool {
    usize::try_from(desired).is_ok_and(|desired| others_protected >= desired)
}

/// Whether daemons run on the instances of a capacity provider of an Auto Scaling group. AWS has them on Managed Instances
/// only; here the hosts that operators register belong to Auto Scaling groups, and nothing else has instances.
pub(crate) fn daemons_run_on_groups() -> bool {
    true
}

/// How many per cent of a daemon's tasks stay during a deployment, given its `drainPercent` (25 by default) and how many
/// instances it has. AWS does not say how a share is rounded: whole per cents, rounded down, but one instance at least, since
/// otherwise a deployment to few instances would never end.
pub(crate) fn daemon_kept_percent(drain_percent: Option<f64>, hosts: u32) -> u32 {
    let whole = drain_percent.unwrap_or(25.0).clamp(0.0, 100.0).floor();
    let drained = (f64::from(hosts) * whole / 100.0).floor().max(1.0);
    let kept = (f64::from(hosts) - drained).max(0.0) * 100.0 / f64::from(hosts.max(1));
    (0..=100_u32)
        .rev()
        .find(|percent| f64::from(*percent) <= kept)
        .unwrap_or_default()
}

/// The circuit breaker of daemons. They always have one that rolls back; its threshold is not said: that of services.
pub(crate) fn daemon_circuit_breaker() -> portcullis_api::ecs::DeploymentCircuitBreaker {
    portcullis_api::ecs::DeploymentCircuitBreaker {
        enable: true,
        rollback: true,
        ..portcullis_api::ecs::DeploymentCircuitBreaker::default()
    }
}

/// Whether UpdateDaemon needs `iam:PassRole` for the roles of its daemon task definition, as CreateDaemon does. AWS's page
/// speaks of CreateDaemon only; it does, or an update would run what its caller could not have created.
pub(crate) fn update_daemon_passes_roles() -> bool {
    true
}

/// Whether CreateService and UpdateService need `iam:PassRole` for the roles of the task definition. AWS's authorisation
/// reference lists no such dependency for either, and the condition keys of a pass name RegisterTaskDefinition's caller: who
/// registered the definition passed them. They do not; RunTask and StartTask do, as the reference says.
pub(crate) fn services_pass_roles_of_definitions() -> bool {
    false
}

/// Networks from which no agent without a key may come, whatever operators approved: Docker's default bridge and the addresses
/// of the task and instance metadata endpoints. Other private networks are those of hosts as often as those of containers.
pub(crate) fn is_container_network(address: &str) -> bool {
    match address
        .parse::<std::net::IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(std::net::IpAddr::V4(v4)) => v4.is_link_local() || v4.octets().starts_with(&[172, 17]),
        Ok(std::net::IpAddr::V6(v6)) => v6.is_unicast_link_local(),
        // Not an address: nothing that comes over a network.
        Err(_) => true,
    }
}

/// The resource that a check is made on when a call names a secret that is not there, by name. As one that has letters at the
/// end of its ARN which nobody knows: policies for `NAME-??????` and `NAME-*` match, so that who may see it learns that it is
/// not there.
pub(crate) fn arn_of_missing_secret(
    partition: portcullis_core::Partition,
    region: &portcullis_core::Region,
    account: &portcullis_core::AccountId,
    name: &str,
) -> String {
    format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-??????")
}

/// When a token of registry clients ends that temporary credentials asked for, given when those end. With them: ECR's page says
/// twelve hours of all tokens, but what nobody may do any more should not go on under another name.
pub(crate) fn registry_token_ends_with(session: Timestamp) -> Option<Timestamp> {
    Some(session)
}
