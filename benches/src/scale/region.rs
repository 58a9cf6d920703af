//! A region in this process: gate, world and scheduler as the server has them, called with signed requests.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use portcullis_api::ecs;
use portcullis_control::accounts::{Accounts, Doors};
use portcullis_control::bootstrap::{self, IamQuotas, LongTermKey};
use portcullis_control::gate::{Gate, Peer};
use portcullis_control::services;
use portcullis_control::world::World;
use portcullis_control::world::records::ecs::ContainerInstance;
use portcullis_core::{Secret, SeededRandom, SystemClock};
use portcullis_store::{Store, open_in_memory};
use portcullis_wire::{Operation, decode_reply, encode_request};

use super::store::Forgetful;
use super::{Moment, Took};
use crate::work::{Key, sign};

/// The one cluster.
pub const CLUSTER: &str = "c";
const ACCOUNT: &str = "123456789012";
const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];
/// What each instance brings.
const INSTANCE_CPU: i32 = 32_768;
const INSTANCE_MIB: i32 = 131_072;
/// What agents say of themselves.
const CAPABILITIES: [&str; 10] = [
    "com.amazonaws.ecs.capability.task-iam-role",
    "com.amazonaws.ecs.capability.docker-remote-api.1.17",
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.19",
    "com.amazonaws.ecs.capability.docker-remote-api.1.21",
    "com.amazonaws.ecs.capability.docker-remote-api.1.25",
    "com.amazonaws.ecs.capability.docker-remote-api.1.29",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "ecs.capability.container-health-check",
    "ecs.capability.container-ordering",
];

/// A region with one account.
pub struct Region {
    /// Its doors.
    pub accounts: Arc<Accounts>,
    /// What is behind the first account's gate.
    pub world: Arc<World>,
    /// A gate of its own for the scheduler's loop.
    pub gate: Arc<Gate>,
    /// Root's key.
    pub key: Key,
}

impl Region {
    /// An empty one. Its documents are written out and dropped: in a server they are on the disk, not in memory.
    pub async fn open() -> Result<Self> {
        let clock = Arc::new(SystemClock);
        let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1)))?;
        let store: Arc<dyn Store> = Arc::new(Forgetful::over(opened.store));
        let random = Arc::new(SeededRandom::new(2));
        let world = World::open(ACCOUNT.parse()?, store, opened.vault, clock, random)?;
        let root = LongTermKey::chosen("AKIAROOT".to_owned(), Secret::new("root-secret"))
            .map_err(|error| anyhow!("the key is not one: {error}"))?;
        bootstrap::account(&world, Some(root), |_| Ok(()))
            .await
            .map_err(|error| anyhow!("the account cannot be made: {error}"))?;
        let world = Arc::new(world);
        let doors = |world| Doors::of(Gate::new(world, services::operations()));
        let accounts = Accounts::open(Arc::clone(&world), Box::new(doors))?;
        Ok(Self {
            accounts: Arc::new(accounts),
            gate: Arc::new(Gate::new(Arc::clone(&world), services::operations())),
            world,
            key: Key {
                id: "AKIAROOT".to_owned(),
                secret: "root-secret".to_owned(),
            },
        })
    }

    /// A call as it comes from outside: signed, decoded, decided, carried out, recorded, answered.
    pub async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output> {
        Ok(self.timed::<O>(input).await?.0)
    }

    /// The same with the time the server took: that the caller takes to sign and to read the answer is not in it.
    pub async fn timed<O: Operation>(&self, input: &O::Input) -> Result<(O::Output, Took)> {
        let request = encode_request::<O>(input);
        let mut builder = http::Request::post("http://127.0.0.1/");
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (mut parts, ()) = builder.body(())?.into_parts();
        sign(&mut parts, &request.body, &self.key, O::META.service.name)?;
        let peer = Peer {
            address: "127.0.0.1".to_owned(),
            tls: None,
        };
        let began = Moment::now();
        let reply = self.accounts.serve(&parts, &request.body, peer).await;
        let took = began.elapsed();
        let output = decode_reply::<O>(reply.status, &reply.body);
        let output = output.map_err(|error| anyhow!("{}: {error}", O::META.name))?;
        Ok((output, took))
    }

    /// Lets services start so many tasks a minute: what is measured is the loop, not how long it waits.
    pub async fn let_launch(&self, tasks: usize) -> Result<()> {
        let mut quotas = IamQuotas::default();
        quotas
            .set_of_ecs(&format!(
                "service-launches-per-minute={}",
                tasks.saturating_mul(10)
            ))
            .map_err(|error| anyhow!("the quota is not one: {error}"))?;
        bootstrap::iam_quotas(&self.world, quotas)
            .await
            .map_err(|error| anyhow!("the quota cannot be set: {error}"))
    }

    /// The cluster, and instances in three zones whose agents are there.
    pub async fn fill(&self, instances: usize) -> Result<()> {
        let cluster = ecs::CreateClusterRequest {
            cluster_name: Some(CLUSTER.to_owned()),
            ..Default::default()
        };
        self.call::<ecs::op::CreateCluster>(&cluster).await?;
        for number in 0..instances {
            let request = registration(number);
            self.call::<ecs::op::RegisterContainerInstance>(&request).await?;
        }
        let change = |tx: &mut portcullis_control::world::Tx<'_>| -> Result<(), std::convert::Infallible> {
            let rows: Vec<_> = tx
                .view()
                .ecs
                .container_instances
                .iter()
                .map(|(_, row)| Arc::clone(row))
                .collect();
            for row in rows {
                tx.put(ContainerInstance {
                    agent_connected: true,
                    ..ContainerInstance::clone(&row)
                });
            }
            Ok(())
        };
        self.world
            .write(change)
            .await
            .context("agents cannot be connected")
    }
}

fn registration(number: usize) -> ecs::RegisterContainerInstanceRequest {
    let integer = |name: &str, value: i32| ecs::Resource {
        name: Some(name.to_owned()),
        r#type: Some("INTEGER".to_owned()),
        integer_value: Some(value),
        ..Default::default()
    };
    let ports = ecs::Resource {
        name: Some("PORTS".to_owned()),
        r#type: Some("STRINGSET".to_owned()),
        string_set_value: Some(
            ["22", "2375", "2376", "51678", "51679"]
                .map(str::to_owned)
                .to_vec(),
        ),
        ..Default::default()
    };
    let zone = ZONES.get(number % ZONES.len()).copied().unwrap_or_default();
    let identity = serde_json::json!({
        "instanceId": format!("i-{number:017x}"), "instanceType": "m7i.8xlarge", "availabilityZone": zone,
        "imageId": "ami-0123456789abcdef0",
    });
    let attribute = |name: &str| ecs::Attribute {
        name: name.to_owned(),
        ..Default::default()
    };
    ecs::RegisterContainerInstanceRequest {
        cluster: Some(CLUSTER.to_owned()),
        instance_identity_document: Some(identity.to_string()),
        total_resources: Some(vec![
            integer("CPU", INSTANCE_CPU),
            integer("MEMORY", INSTANCE_MIB),
            ports,
        ]),
        attributes: Some(CAPABILITIES.map(attribute).to_vec()),
        ..Default::default()
    }
}
