//! Rules of the policy language that live around the decision - in the gate, IAM, STS and ECS - one test each.

mod answers;
pub(crate) mod context;
mod ecs;
mod open_points;
mod passing;
mod sizes;
mod writes;

use portcullis_api::{iam, sts};
use portcullis_wire::{Operation, json};
use serde_json::Value;

use crate::harness::{ACCOUNT, Client, Server};

/// A call with its members as JSON that must succeed; answers the members of the reply.
async fn ok<O: Operation>(client: &Client, input: Value) -> Value {
    json::to_value(&client.ok::<O>(&json::from_value(&input).unwrap()).await)
}

/// A call with its members as JSON that must fail: `CODE: text`.
async fn err<O: Operation>(client: &Client, input: Value) -> String {
    client.err::<O>(&json::from_value(&input).unwrap()).await
}

/// A call with its members as JSON; whether it succeeds.
async fn may<O: Operation>(client: &Client, input: Value) -> bool {
    client.call::<O>(&json::from_value(&input).unwrap()).await.is_ok()
}

/// An identity policy of one statement.
fn document(statement: &Value) -> String {
    serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// An ARN of ECS in the tests' account and region.
fn arn(resource: &str) -> String {
    format!("arn:aws:ecs:us-east-1:{ACCOUNT}:{resource}")
}

/// A role with an inline policy, trusted as told; its ARN.
async fn role(server: &Server, name: &str, trust: &Value, policy: &str) -> String {
    let create = serde_json::json!({ "RoleName": name, "AssumeRolePolicyDocument": document(trust) });
    let made = ok::<iam::op::CreateRole>(&server.root, create).await;
    let put = serde_json::json!({ "RoleName": name, "PolicyName": "p", "PolicyDocument": policy });
    ok::<iam::op::PutRolePolicy>(&server.root, put).await;
    made["Role"]["Arn"].as_str().unwrap().to_owned()
}

/// A trust statement for a principal of this account.
fn trusting(principal: &str, actions: &Value) -> Value {
    serde_json::json!({ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": actions })
}

/// A client with the credentials of a reply.
pub(crate) fn session(client: &Client, credentials: Option<sts::Credentials>) -> Client {
    let c = credentials.unwrap();
    client.with(&c.access_key_id, &c.secret_access_key, Some(&c.session_token))
}

/// A client that has assumed a role.
async fn assumed(client: &Client, input: Value) -> Client {
    let input: sts::AssumeRoleRequest = json::from_value(&input).unwrap();
    let reply = client.ok::<sts::op::AssumeRole>(&input).await;
    session(client, reply.credentials)
}
