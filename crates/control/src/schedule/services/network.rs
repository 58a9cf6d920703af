//! The networks of `awsvpc` tasks: before it places any, ECS asks EC2 for their subnets and security groups, as its
//! service-linked role.

use portcullis_api::ec2::op::{DescribeSecurityGroups, DescribeSubnets};
use portcullis_api::ec2::{DescribeSecurityGroupsRequest, DescribeSubnetsRequest};
use portcullis_api::ecs::{AwsVpcConfiguration, NetworkConfiguration};

use crate::gate::Gate;
use crate::gate::by_itself::{ByItselfError, ECS_SCHEDULER, OwnSessions};
use crate::world::records::ecs::Service;

/// What EC2 says of the networks of a service, by the configuration asked about: the zones of its subnets, or why tasks
/// cannot have it.
pub(super) type Answers = Vec<(NetworkConfiguration, Result<Vec<String>, String>)>;

/// The scheduler's sessions, by region.
#[derive(Debug, Default)]
pub(super) struct Sessions(OwnSessions);

impl Sessions {
    /// Asks about every network of a service.
    pub async fn ask(&mut self, gate: &Gate, service: &Service) -> Answers {
        let mut answers = Answers::new();
        for network in networks(service) {
            let Some(configuration) = &network.awsvpc_configuration else {
                continue;
            };
            let answer = self.zones(gate, service, configuration).await;
            answers.push((network, answer));
        }
        answers
    }

    async fn zones(
        &mut self,
        gate: &Gate,
        service: &Service,
        network: &AwsVpcConfiguration,
    ) -> Result<Vec<String>, String> {
        let caller = self
            .0
            .caller(gate, ECS_SCHEDULER, &service.region, &service.arn)
            .await
            .map_err(|error| error.to_string())?;
        let region = &service.region;
        let groups = network.security_groups.as_deref().unwrap_or_default();
        if !groups.is_empty() {
            let request = DescribeSecurityGroupsRequest {
                group_ids: Some(groups.to_vec()),
                ..DescribeSecurityGroupsRequest::default()
            };
            gate.call_by_itself::<DescribeSecurityGroups>(ECS_SCHEDULER, &caller, region, &request)
                .await
                .map_err(|error| retrieving("security group", groups, &error))?;
        }
        let request = DescribeSubnetsRequest {
            subnet_ids: Some(network.subnets.clone()),
            ..DescribeSubnetsRequest::default()
        };
        let found = gate
            .call_by_itself::<DescribeSubnets>(ECS_SCHEDULER, &caller, region, &request)
            .await
            .map_err(|error| retrieving("subnet", &network.subnets, &error))?;
        let zones = found.subnets.into_iter().flatten();
        Ok(zones.filter_map(|subnet| subnet.availability_zone).collect())
    }
}

/// The networks of a service's tasks, each once.
fn networks(service: &Service) -> Vec<NetworkConfiguration> {
    let deployed = service
        .deployments
        .iter()
        .map(|one| &one.chosen.network_configuration);
    let all = deployed.chain(
        service
            .task_sets
            .iter()
            .map(|one| &one.chosen.network_configuration),
    );
    let mut networks: Vec<NetworkConfiguration> = Vec::new();
    for network in all.flatten() {
        if !networks.contains(network) {
            networks.push(network.clone());
        }
    }
    networks
}

/// AWS's words for what EC2 does not answer (ecs.md 9).
fn retrieving(what: &str, ids: &[String], error: &ByItselfError) -> String {
    match error {
        ByItselfError::NoRole | ByItselfError::NotAsked => error.to_string(),
        ByItselfError::Refused(refused) => format!(
            "Error retrieving {what} information for [{}]: {} (ErrorCode: {})",
            ids.join(", "),
            refused.message(),
            refused.code()
        ),
    }
}
