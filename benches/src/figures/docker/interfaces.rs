//! What it takes to give awsvpc tasks their own interfaces, as the agent logs it: from the pause container that runs to
//! the interface that is ready.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use portcullis_api::{ec2, ecs};

use super::scene::{CLUSTER, IMAGE, Scene};
use crate::stats::median;
use crate::subject::{Client, root_key};
use crate::table::{Row, Verdict};
use crate::work::{run_task, task_definition};

/// What has to be reached.
pub const TARGET: &str = "<= 50 ms a task";
const TASKS: usize = 10;
const TOOK_MAX_MS: f64 = 50.0;
const FAMILY: &str = "awsvpc";
/// What the agent says of each, and after it how long it took.
const LINE: &str = "task network is set up";
const TOOK: &str = "took=";

/// Ten tasks, one after the other; then ten at once.
pub async fn measure(scene: &mut Scene) -> Result<Vec<Row>> {
    let subnet = subnet(scene).await?;
    let definition = ecs::RegisterTaskDefinitionRequest {
        network_mode: Some("awsvpc".to_owned()),
        ..task_definition(FAMILY, IMAGE)
    };
    scene
        .client
        .call::<ecs::op::RegisterTaskDefinition>(&definition)
        .await?;
    let vpc = ecs::AwsVpcConfiguration {
        subnets: vec![subnet],
        ..Default::default()
    };
    let request = ecs::RunTaskRequest {
        network_configuration: Some(ecs::NetworkConfiguration {
            awsvpc_configuration: Some(vpc),
        }),
        ..run_task(CLUSTER, FAMILY)
    };
    let mut all = Vec::new();
    for _ in 0..TASKS {
        let arns = scene.run(&request, 1).await?;
        scene.wait(&arns, "RUNNING", Duration::from_millis(5)).await?;
        all.extend(arns);
    }
    let alone = times(scene)?;
    let arns = scene.run(&request, TASKS).await?;
    scene.wait(&arns, "RUNNING", Duration::from_millis(5)).await?;
    let crowded = times(scene)?.split_off(alone.len().min(TASKS));
    all.extend(arns);
    scene.stop(&all).await?;
    ensure!(
        alone.len() == TASKS && crowded.len() == TASKS,
        "the agent did not log every set-up"
    );
    let (alone, crowded) = (median(alone), median(crowded));
    Ok(vec![Row {
        figure: "set-up of a task's network interface".to_owned(),
        ours: format!("{alone:.1} ms; {crowded:.1} ms with {TASKS} at once"),
        reference: "-".to_owned(),
        target: TARGET,
        verdict: Verdict::of(alone <= TOOK_MAX_MS),
    }])
}

async fn subnet(scene: &Scene) -> Result<String> {
    let mut root = Client::open(scene.subject.address, root_key()).await?;
    let vpc = ec2::CreateVpcRequest {
        cidr_block: Some("10.0.0.0/16".to_owned()),
        ..Default::default()
    };
    let made = root.call::<ec2::op::CreateVpc>(&vpc).await?.vpc;
    let subnet = ec2::CreateSubnetRequest {
        vpc_id: made.and_then(|vpc| vpc.vpc_id).context("a VPC without an id")?,
        cidr_block: Some("10.0.0.0/24".to_owned()),
        ..Default::default()
    };
    let made = root.call::<ec2::op::CreateSubnet>(&subnet).await?.subnet;
    made.and_then(|subnet| subnet.subnet_id)
        .context("a subnet without an id")
}

/// Milliseconds of every set-up so far.
fn times(scene: &Scene) -> Result<Vec<f64>> {
    let log = std::fs::read_to_string(&scene.log)?;
    let lines = log.lines().filter(|line| line.contains(LINE));
    let words = lines.filter_map(|line| line.split(TOOK).nth(1)?.split_whitespace().next());
    words.map(milliseconds).collect()
}

/// `4.2ms`, `1.2s` or `730µs`, as Rust writes durations.
fn milliseconds(text: &str) -> Result<f64> {
    let units = [("ms", 1.0), ("µs", 0.001), ("ns", 0.000_001), ("s", 1000.0)];
    let mut numbers = units.iter().filter_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(number * factor)
    });
    numbers.next().with_context(|| format!("`{text}` is no duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_logged() {
        for (text, expected) in [("4.5ms", 4.5), ("2s", 2000.0), ("500µs", 0.5)] {
            assert_eq!(milliseconds(text).unwrap(), expected);
        }
        assert!(milliseconds("soon").is_err());
    }
}
