//! The network objects that an `awsvpcConfiguration` names: they must be there, all in one VPC (ecs.md 9).

use portcullis_api::ecs as api;

use crate::services::ec2::Place;
use crate::services::ec2::for_tasks::{NetworkFault, network};
use crate::services::ecs::errors::EcsError;
use crate::services::ecs::names::Scope;
use crate::world::Snapshot;

/// Refuses subnets and security groups that are not there, or not in one VPC; answers the zones of the subnets. For what
/// has been held against the task definition already.
pub(in crate::services::ecs) fn check_network_objects(
    view: &Snapshot,
    scope: Scope<'_>,
    given: Option<&api::NetworkConfiguration>,
) -> Result<Vec<String>, EcsError> {
    let Some(given) = given.and_then(|given| given.awsvpc_configuration.as_ref()) else {
        return Ok(Vec::new());
    };
    let place = Place {
        region: scope.region,
        account: scope.account,
    };
    let groups = given.security_groups.as_deref().unwrap_or_default();
    network(view, place, &given.subnets, groups)
        .map(|found| found.subnets.into_iter().map(|(_, zone)| zone).collect())
        .map_err(EcsError::from)
}

impl From<NetworkFault> for EcsError {
    fn from(fault: NetworkFault) -> Self {
        match fault {
            NetworkFault::Subnet(id, why) => Self::SubnetUnknown { id, why },
            NetworkFault::SecurityGroup(id, why) => Self::SecurityGroupUnknown { id, why },
            NetworkFault::OtherSubnet(id) => Self::SubnetOfOtherVpc(id),
            NetworkFault::OtherSecurityGroup(id) => Self::SecurityGroupOfOtherVpc(id),
        }
    }
}
