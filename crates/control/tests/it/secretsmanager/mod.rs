//! Secrets Manager through the gate.

mod access;
mod life;
mod model;
mod reading;

use portcullis_api::secretsmanager::op;
use portcullis_wire::Operation;
use serde_json::{Value, json};

use crate::harness::Client;

/// The input that a client's JSON says.
pub fn input<O: Operation>(input: &Value) -> O::Input {
    portcullis_wire::json::from_value(input).unwrap()
}

/// A call that must succeed; the reply as JSON.
pub async fn ok<O: Operation>(client: &Client, call: Value) -> Value {
    let reply = client.ok::<O>(&input::<O>(&call)).await;
    portcullis_wire::json::to_value(&reply)
}

/// A call that must fail: `CODE: text`.
pub async fn err<O: Operation>(client: &Client, call: Value) -> String {
    client.err::<O>(&input::<O>(&call)).await
}

/// A token that is long enough.
pub fn token(name: &str) -> String {
    format!("{name:-<32}")
}

/// A secret with a text; its ARN.
pub async fn secret(client: &Client, name: &str, text: &str) -> String {
    let made = ok::<op::CreateSecret>(client, json!({ "Name": name, "SecretString": text })).await;
    made["ARN"].as_str().unwrap().to_owned()
}

/// The text of a secret's version with a label.
pub async fn text(client: &Client, id: &str, stage: &str) -> Value {
    let call = json!({ "SecretId": id, "VersionStage": stage });
    ok::<op::GetSecretValue>(client, call).await["SecretString"].clone()
}
