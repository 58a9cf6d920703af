//! ECS through the gate.

mod authorization;
mod capacity_providers;
mod clusters;
mod container_instances;
mod daemon_definitions;
mod daemons;
mod interfaces;
mod interfaces_agents;
mod interfaces_refused;
mod keys;
mod live_matrix;
mod provisioning;
mod service_events;
mod services;
mod services_digests;
mod services_history;
mod services_hosts;
mod services_life;
mod services_rooms;
mod services_rules;
mod services_task_sets;
mod settings;
mod stage;
mod tags;
mod task_definitions;
mod tasks;
mod tasks_execute;
mod tasks_life;
mod tasks_placing;
mod tasks_protection;
mod tasks_refused;

pub use tasks::Scene;

use portcullis_wire::{Operation, json};
use serde_json::Value;

use crate::agent::Instance;
use crate::harness::{ACCOUNT, Client};

/// A call with its members as JSON that must succeed; answers the members of the reply.
async fn ok<O: Operation>(client: &Client, input: Value) -> Value {
    json::to_value(&client.ok::<O>(&json::from_value(&input).unwrap()).await)
}

/// A call of an agent with its members as JSON that must succeed.
async fn as_agent<O: Operation>(agent: &Instance, input: Value) -> Value {
    let input = json::from_value(&input).unwrap();
    json::to_value(&agent.call::<O>(&input).await.unwrap())
}

/// A call with its members as JSON that must fail: `CODE: text`.
async fn err<O: Operation>(client: &Client, input: Value) -> String {
    client.err::<O>(&json::from_value(&input).unwrap()).await
}

/// An ARN of ECS in the tests' account and region.
fn arn(resource: &str) -> String {
    format!("arn:aws:ecs:us-east-1:{ACCOUNT}:{resource}")
}

/// A policy that allows an action where one condition holds.
fn allow_if(action: &str, operator: &str, key: &str, value: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": action,
            "Resource": "*",
            "Condition": { operator: { key: value } },
        }],
    })
    .to_string()
}
