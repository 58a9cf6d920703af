//! GetSecretValue beside GetCallerIdentity of the same server: what looking up a secret, asking its key and opening its value
//! cost.

use std::time::Duration;

use anyhow::Result;
use portcullis_api::iam;
use portcullis_api::secretsmanager as secrets;

use super::WARM_UP;
use crate::load::{self, Plan};
use crate::stats::{median, percent, rate};
use crate::subject::{Client, Subject, Workshop, root_key, still_there};
use crate::table::{Row, Verdict};
use crate::work::Work;

const TURNS: usize = 5;
const RUN: Duration = Duration::from_millis(500);
const RATIO_MIN: f64 = 0.6;
const SECRET: &str = "app/db";

/// Measures GetSecretValue and GetCallerIdentity in turns at 1, 16 and 64 connections.
pub async fn measure(workshop: &Workshop) -> Result<Vec<Row>> {
    let data = workshop.folder.path().join("secrets");
    let mut subject = Subject::start(workshop, Some(&data)).await?;
    make_secret(&subject).await?;
    let mut rows = Vec::new();
    for connections in [1, 16, 64] {
        eprintln!("  GetSecretValue, {connections} connections");
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            let identity = calls_a_second(&subject, Work::GetCallerIdentity, connections).await?;
            let secret = Work::GetSecretValue {
                secret: SECRET.to_owned(),
            };
            turns.push((calls_a_second(&subject, secret, connections).await?, identity));
        }
        rows.push(row(connections, &turns));
    }
    still_there(&mut subject.process)?;
    Ok(rows)
}

/// A secret under the service's own key, which the developer may read.
async fn make_secret(subject: &Subject) -> Result<()> {
    let mut root = Client::open(subject.address, root_key()).await?;
    let create = secrets::CreateSecretRequest {
        name: SECRET.to_owned(),
        secret_string: Some(r#"{"username":"app","password":"correct horse battery staple"}"#.to_owned()),
        ..Default::default()
    };
    root.call::<secrets::op::CreateSecret>(&create).await?;
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "arn:aws:secretsmanager:*:*:secret:app/*"}]});
    let put = iam::PutUserPolicyRequest {
        user_name: "bench".to_owned(),
        policy_name: "secrets".to_owned(),
        policy_document: policy.to_string(),
    };
    root.call::<iam::op::PutUserPolicy>(&put).await?;
    Ok(())
}

async fn calls_a_second(subject: &Subject, work: Work, connections: usize) -> Result<f64> {
    let plan = Plan {
        address: subject.address,
        key: subject.key.clone(),
        connections,
        work: vec![work],
        unique_requests: 0,
        warm_up: WARM_UP,
        run: RUN,
    };
    Ok(load::run(&plan).await?.all_well()?.rate())
}

fn row(connections: usize, turns: &[(f64, f64)]) -> Row {
    let of = |of: fn(&(f64, f64)) -> f64| median(turns.iter().map(of).collect());
    let ratio = of(|(secret, identity)| secret / identity);
    Row {
        figure: format!("GetSecretValue, {connections} conn."),
        ours: format!("{} ({})", rate(of(|turn| turn.0)), percent(ratio)),
        reference: format!("{} GetCallerIdentity", rate(of(|turn| turn.1))),
        target: ">= 60 %",
        verdict: Verdict::of(ratio >= RATIO_MIN),
    }
}
