//! Network interfaces that tasks do not get, or that nobody but ECS may touch.

use std::convert::Infallible;

use portcullis_api::ec2::op as ec2;
use portcullis_api::ecs::op;
use portcullis_control::schedule::interfaces::{self, Keeper};
use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::{LastStatus, Task};
use serde_json::json;

use super::interfaces::Net;
use super::tasks::{id_of, text};
use super::{err, ok};

const FORBIDDEN: &str = "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment disabled in subnet";

#[tokio::test]
async fn without_its_policy_ecs_makes_no_interface_and_the_task_fails_to_start() {
    let net = Net::set().await;
    net.let_ecs(false).await;
    let arn = net.run_one(json!({})).await;
    net.stage.settle().await;
    let task = net.task(&arn).await;
    assert_eq!(
        (
            &task["lastStatus"],
            &task["stopCode"],
            &task["attachments"][0]["status"]
        ),
        (&json!("STOPPED"), &json!("TaskFailedToStart"), &json!("DELETED"))
    );
    assert_eq!(
        task["stoppedReason"],
        format!("{FORBIDDEN} '{}': UnauthorizedOperation", net.subnet)
    );
    assert!(net.interfaces().await.is_empty());
    assert_eq!(
        net.calls().await,
        ["CreateNetworkInterface Client.UnauthorizedOperation"]
    );
}

#[tokio::test]
async fn a_subnet_that_is_full_is_told_in_the_reason() {
    let net = Net::set().await;
    for _ in 0..6 {
        net.run(json!({ "count": 2, "overrides": { "cpu": "128", "memory": "16" } }))
            .await;
    }
    net.stage.settle().await;
    let stopped = json!({ "cluster": "c", "desiredStatus": "STOPPED" });
    let stopped = ok::<op::ListTasks>(&net.stage.server.root, stopped).await;
    let [one] = stopped["taskArns"].as_array().unwrap().as_slice() else {
        panic!("{stopped}");
    };
    assert_eq!(
        net.task(&text(one)).await["stoppedReason"],
        format!("{FORBIDDEN} '{}': InsufficientFreeAddressesInSubnet", net.subnet)
    );
    assert_eq!(net.interfaces().await.len(), 11);
}

#[tokio::test]
async fn a_task_stopped_before_its_interface_is_made_ends_at_once() {
    let net = Net::set().await;
    let arn = net.run_one(json!({})).await;
    let stopped = net.stop(&arn).await;
    assert_eq!(
        (&stopped["lastStatus"], &stopped["desiredStatus"]),
        (&json!("PROVISIONING"), &json!("STOPPED"))
    );
    net.stage.settle().await;
    let task = net.task(&arn).await;
    assert_eq!(
        (&task["lastStatus"], &task["stopCode"]),
        (&json!("STOPPED"), &json!("UserInitiated"))
    );
    assert!(net.interfaces().await.is_empty());
}

#[tokio::test]
async fn an_interface_that_ecs_may_not_delete_stays_and_is_tried_again() {
    let net = Net::set().await;
    let arn = net.run_one(json!({})).await;
    net.stage.settle().await;
    net.submit(&arn, "RUNNING").await;
    net.stop(&arn).await;
    net.submit(&arn, "STOPPED").await;
    net.let_ecs(false).await;
    let gate = net.stage.server.gate.clone();
    let mut keeper = Keeper::default();
    keeper.settle(&gate).await;
    let task = net.task(&arn).await;
    assert_eq!(
        (&task["lastStatus"], &task["attachments"][0]["status"]),
        (&json!("DEPROVISIONING"), &json!("DETACHED"))
    );
    assert_eq!(net.interfaces().await.len(), 1);
    let tried = |calls: Vec<String>| calls.iter().filter(|call| call.starts_with("Detach")).count();
    assert_eq!(tried(net.calls().await), 1);
    let at = keeper.wakes_at().unwrap();
    // Not before its time, and more and more seldom.
    keeper.settle(&gate).await;
    assert_eq!(tried(net.calls().await), 1);
    net.stage
        .server
        .clock
        .advance_seconds(at.seconds_since(net.stage.server.root.now()));
    keeper.settle(&gate).await;
    assert_eq!(tried(net.calls().await), 2);
    net.let_ecs(true).await;
    net.stage.server.clock.advance_seconds(60);
    keeper.settle(&gate).await;
    assert_eq!(net.task(&arn).await["lastStatus"], "STOPPED");
    assert!(net.interfaces().await.is_empty() && keeper.wakes_at().is_none());
}

#[tokio::test]
async fn what_ecs_made_nobody_else_takes_away_or_changes() {
    let net = Net::set().await;
    let root = &net.stage.server.root;
    net.run_one(json!({})).await;
    interfaces::settle(&net.stage.server.gate).await;
    let interface = net.interfaces().await.pop().unwrap();
    let id = text(&interface["NetworkInterfaceId"]);
    let managed = "AuthFailure: You do not have permission to access the specified resource.";
    assert_eq!(
        err::<ec2::DeleteNetworkInterface>(root, json!({ "NetworkInterfaceId": id })).await,
        format!("InvalidParameterValue: Network interface '{id}' is currently in use.")
    );
    let detach = json!({ "AttachmentId": interface["Attachment"]["AttachmentId"], "Force": true });
    assert_eq!(err::<ec2::DetachNetworkInterface>(root, detach).await, managed);
    let change = json!({ "NetworkInterfaceId": id, "Description": { "Value": "mine" } });
    assert_eq!(
        err::<ec2::ModifyNetworkInterfaceAttribute>(root, change).await,
        managed
    );
    let permit =
        json!({ "NetworkInterfaceId": id, "AwsAccountId": "111122223333", "Permission": "INSTANCE-ATTACH" });
    assert_eq!(
        err::<ec2::CreateNetworkInterfacePermission>(root, permit).await,
        managed
    );
}

#[tokio::test]
async fn a_token_finds_the_interface_again_that_nobody_wrote_down() {
    let net = Net::set().await;
    let arn = net.run_one(json!({})).await;
    net.stage.settle().await;
    let made = net.interfaces().await;
    // As if the server had ended between EC2's answer and ECS's note of it.
    let forget = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
        let key = format!("us-east-1/c/{}", id_of(&arn));
        let mut task = Task::clone(tx.view().ecs.tasks.get(&key).unwrap());
        task.last = LastStatus::Provisioning;
        task.interface.as_mut().unwrap().made = None;
        tx.put(task);
        Ok(())
    };
    net.stage.server.gate.world().write(forget).await.unwrap();
    net.stage.settle().await;
    let found = net.interfaces().await;
    assert_eq!((found.len(), made.len()), (1, 1));
    assert_eq!(found[0]["NetworkInterfaceId"], made[0]["NetworkInterfaceId"]);
    net.stop(&arn).await;
    net.submit(&arn, "STOPPED").await;
    net.stage.settle().await;
    assert!(net.interfaces().await.is_empty());
}
