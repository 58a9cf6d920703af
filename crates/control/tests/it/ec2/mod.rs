//! EC2's network objects through the gate.

mod authorization;
mod beginning;
mod forms;
mod groups;
mod networks;
mod routing;
mod shown;
mod tasks;

use portcullis_wire::{Operation, json};
use serde_json::Value;

use crate::harness::Client;

/// A call with its members as JSON that must succeed; answers the members of the reply.
async fn ok<O: Operation>(client: &Client, input: Value) -> Value {
    json::to_value(&client.ok::<O>(&json::from_value(&input).unwrap()).await)
}

/// A call with its members as JSON that must fail: `CODE: text`.
async fn err<O: Operation>(client: &Client, input: Value) -> String {
    client.err::<O>(&json::from_value(&input).unwrap()).await
}

/// A text at a path of a reply.
fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap().to_owned()
}

/// A new VPC; its id.
async fn vpc(client: &Client, cidr: &str) -> String {
    let made =
        ok::<portcullis_api::ec2::op::CreateVpc>(client, serde_json::json!({ "CidrBlock": cidr })).await;
    text(&made, "/Vpc/VpcId")
}

/// A new subnet; its id.
async fn subnet(client: &Client, vpc: &str, cidr: &str) -> String {
    let input = serde_json::json!({ "VpcId": vpc, "CidrBlock": cidr });
    let made = ok::<portcullis_api::ec2::op::CreateSubnet>(client, input).await;
    text(&made, "/Subnet/SubnetId")
}

/// A new security group; its id.
async fn group(client: &Client, vpc: &str, name: &str) -> String {
    let input = serde_json::json!({ "VpcId": vpc, "GroupName": name, "Description": "d" });
    let made = ok::<portcullis_api::ec2::op::CreateSecurityGroup>(client, input).await;
    text(&made, "/GroupId")
}
