//! Agents that report for tasks that are not theirs, that nobody knows, or for another instance: refused, on record, and
//! nothing of it counts.

use portcullis_api::ecs;
use portcullis_control::world::records::ecs::LastStatus;

use super::region::Region;
use super::{CLUSTER, id_of, key_of};
use crate::harness::{ACCOUNT, Client};

impl Region {
    /// One agent lies about another one's task or instance.
    pub(super) async fn lie(&mut self) {
        // What happens in one millisecond stands in CloudTrail in no order.
        self.server.clock.advance_seconds(1);
        let at = self.dice.below(self.agents.len());
        let own = id_of(&self.agents[at].instance.arn).to_owned();
        let before = self.view();
        let tasks = before.ecs.tasks.iter().map(|(_, task)| task);
        let others: Vec<_> = tasks
            .filter(|task| {
                task.last != LastStatus::Stopped && task.is_placed() && task.container_instance != own
            })
            .collect();
        if others.is_empty() {
            return;
        }
        let task = others[self.dice.below(others.len())];
        let liar = self.agents[at].instance.client.clone();
        let arn = task.arn.to_string();
        let host = before
            .ecs
            .container_instances
            .get(&key_of(&task.container_instance));
        let host = host.unwrap().arn.to_string();
        let (action, refused) = match self.dice.below(5) {
            0 => ("SubmitTaskStateChange", report(&liar, arn, "STOPPED").await),
            1 => ("SubmitTaskStateChange", report(&liar, arn, "RUNNING").await),
            2 => ("SubmitContainerStateChange", report_container(&liar, arn).await),
            3 => ("RegisterContainerInstance", register(&liar, host).await),
            _ => {
                let nobodys = arn.replace(&task.id, &"0".repeat(32));
                let refused = report(&liar, nobodys, "STOPPED").await;
                assert!(refused.starts_with("InvalidParameterException: "), "{refused}");
                ("SubmitTaskStateChange", refused)
            }
        };
        let not_theirs = format!("is not authorized to perform: ecs:{action} on resource: ");
        let is_unknown = refused.starts_with("InvalidParameterException: ");
        let is_refused = refused.contains(&not_theirs)
            && refused.ends_with("because another principal registered the container instance");
        assert!(is_unknown || is_refused, "a lie was taken: {refused}");
        self.is_on_record(at, action, is_unknown).await;
        let after = self.view();
        let key = key_of(&task.id);
        assert_eq!(
            Some(task),
            after.ecs.tasks.get(&key),
            "a lie changed task {}",
            task.id
        );
        self.summary.lies += 1;
    }

    async fn is_on_record(&self, liar: usize, action: &str, is_unknown: bool) {
        let newest = self.server.records().await.swap_remove(0);
        let name = &self.agents[liar].name;
        assert_eq!(newest["eventName"], action);
        assert_eq!(
            newest["userIdentity"]["arn"],
            format!("arn:aws:iam::{ACCOUNT}:user/{name}")
        );
        let code = if is_unknown {
            "InvalidParameterException"
        } else {
            "AccessDenied"
        };
        assert_eq!(newest["errorCode"], code, "{newest:#}");
    }
}

async fn report(liar: &Client, task: String, status: &str) -> String {
    let request = ecs::SubmitTaskStateChangeRequest {
        cluster: Some(CLUSTER.to_owned()),
        task: Some(task),
        status: Some(status.to_owned()),
        ..Default::default()
    };
    liar.err::<ecs::op::SubmitTaskStateChange>(&request).await
}

async fn report_container(liar: &Client, task: String) -> String {
    let request = ecs::SubmitContainerStateChangeRequest {
        cluster: Some(CLUSTER.to_owned()),
        task: Some(task),
        container_name: Some("app".to_owned()),
        status: Some("STOPPED".to_owned()),
        ..Default::default()
    };
    liar.err::<ecs::op::SubmitContainerStateChange>(&request).await
}

async fn register(liar: &Client, instance: String) -> String {
    let request = ecs::RegisterContainerInstanceRequest {
        cluster: Some(CLUSTER.to_owned()),
        container_instance_arn: Some(instance),
        ..Default::default()
    };
    liar.err::<ecs::op::RegisterContainerInstance>(&request).await
}
