//! A server, an agent that is a process of its own, and an engine that both we and the agent talk to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_api::ecs;

use crate::process::Process;
use crate::subject::{Client, Subject, Workshop};
use crate::work::{REGION, task_definition};

/// The cluster all tasks are of.
pub const CLUSTER: &str = "docker";
/// The family of a task in Docker's default network.
pub const FAMILY: &str = "docker";
/// The image of all containers.
pub const IMAGE: &str = "portcullis/bench:1";
/// What it is made of.
pub const BUSYBOX: &str = "/usr/bin/busybox";
/// What the agent logs.
const LOG: &str = "agent.log";
/// Longest wait for one thing to happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tasks one DescribeTasks or RunTask may name.
const TASKS_PER_CALL: (usize, usize) = (100, 10);

/// What is needed to run tasks.
pub struct Scene {
    /// The server.
    pub subject: Subject,
    /// Of the developer.
    pub client: Client,
    /// The agent.
    pub agent: Process,
    /// What the agent logs.
    pub log: PathBuf,
    /// Tasks that run.
    tasks: Vec<String>,
}

impl Scene {
    /// Starts everything; the agent is connected then.
    pub async fn open(workshop: &Workshop, folder: &Path, docker_host: &str) -> Result<Self> {
        make_image(folder)?;
        let subject = Subject::start(workshop, Some(&folder.join("server"))).await?;
        let mut client = subject.client().await?;
        let cluster = ecs::CreateClusterRequest {
            cluster_name: Some(CLUSTER.to_owned()),
            ..Default::default()
        };
        client.call::<ecs::op::CreateCluster>(&cluster).await?;
        let definition = task_definition(FAMILY, IMAGE);
        client
            .call::<ecs::op::RegisterTaskDefinition>(&definition)
            .await?;
        let log = folder.join(LOG);
        let agent = Process::start_tied(&agent(workshop, folder, &subject, docker_host))?;
        let mut scene = Self {
            subject,
            client,
            agent,
            log,
            tasks: Vec::new(),
        };
        scene.connected().await.with_context(|| scene.said())?;
        Ok(scene)
    }

    /// The end of what the agent logged.
    pub fn said(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(3).collect();
        format!("the agent said last: {}", lines.join(" | "))
    }

    async fn connected(&mut self) -> Result<()> {
        let request = ecs::ListContainerInstancesRequest {
            cluster: Some(CLUSTER.to_owned()),
            ..Default::default()
        };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.agent.is_running()? {
            let listed = self
                .client
                .call::<ecs::op::ListContainerInstances>(&request)
                .await?;
            let arns = listed.container_instance_arns.unwrap_or_default();
            if !arns.is_empty() && self.is_connected(arns).await? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the agent did not connect")
    }

    async fn is_connected(&mut self, arns: Vec<String>) -> Result<bool> {
        let request = ecs::DescribeContainerInstancesRequest {
            cluster: Some(CLUSTER.to_owned()),
            container_instances: arns,
            ..Default::default()
        };
        let reply = self
            .client
            .call::<ecs::op::DescribeContainerInstances>(&request)
            .await?;
        let mut instances = reply.container_instances.into_iter().flatten();
        Ok(instances.any(|instance| instance.agent_connected == Some(true)))
    }

    /// Starts so many tasks, ten a call; their ARNs.
    pub async fn run(&mut self, request: &ecs::RunTaskRequest, count: usize) -> Result<Vec<String>> {
        let mut arns = Vec::new();
        while arns.len() < count {
            let request = ecs::RunTaskRequest {
                count: Some(i32::try_from((count - arns.len()).min(TASKS_PER_CALL.1))?),
                ..request.clone()
            };
            let reply = self.client.call::<ecs::op::RunTask>(&request).await?;
            let placed: Vec<_> = reply
                .tasks
                .into_iter()
                .flatten()
                .filter_map(|task| task.task_arn)
                .collect();
            ensure!(!placed.is_empty(), "RunTask found no place: {:?}", reply.failures);
            self.tasks.extend(placed.iter().cloned());
            arns.extend(placed);
        }
        Ok(arns)
    }

    /// Waits until all are in a status, looking this often.
    pub async fn wait(&mut self, arns: &[String], wanted: &str, look_every: Duration) -> Result<()> {
        let mut waiting = arns.to_vec();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let asked: Vec<_> = waiting.iter().take(TASKS_PER_CALL.0).cloned().collect();
            let request = ecs::DescribeTasksRequest {
                cluster: Some(CLUSTER.to_owned()),
                tasks: asked,
                ..Default::default()
            };
            let reply = self.client.call::<ecs::op::DescribeTasks>(&request).await?;
            for task in reply.tasks.into_iter().flatten() {
                match task.last_status.as_deref() {
                    Some(status) if status == wanted => {
                        waiting.retain(|arn| Some(arn) != task.task_arn.as_ref())
                    }
                    Some("STOPPED") => bail!("a task stopped: {:?}, {}", task.stopped_reason, self.said()),
                    _ => {}
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(look_every).await;
        }
        bail!(
            "{} tasks were not {wanted} in time; {}",
            waiting.len(),
            self.said()
        )
    }

    /// Stops tasks and waits for their end.
    pub async fn stop(&mut self, arns: &[String]) -> Result<()> {
        for arn in arns {
            let request = ecs::StopTaskRequest {
                cluster: Some(CLUSTER.to_owned()),
                task: arn.clone(),
                ..Default::default()
            };
            self.client.call::<ecs::op::StopTask>(&request).await?;
        }
        self.tasks.retain(|task| !arns.contains(task));
        self.wait(arns, "STOPPED", Duration::from_millis(20)).await
    }

    /// Stops what runs, and the agent.
    pub async fn close(mut self) -> Result<()> {
        let tasks = std::mem::take(&mut self.tasks);
        if tasks.is_empty() {
            return self.agent.end();
        }
        // The server closes a connection that was silent for long.
        self.client = self.subject.client().await?;
        self.stop(&tasks).await?;
        self.agent.end()
    }
}

/// `portcullis agent`, its log in a file. As plain Docker does, it takes images from the host where they are there.
fn agent(workshop: &Workshop, folder: &Path, subject: &Subject, docker_host: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>\"$AGENT_LOG\""]);
    command.arg(&workshop.program).arg("agent");
    command.args(["--cluster", CLUSTER, "--region", REGION, "--engine", "docker"]);
    command.args(["--endpoint", &format!("http://{}", subject.address)]);
    command.args(["--docker-host", docker_host]);
    command.arg("--state-dir").arg(folder.join("agent"));
    command.env("AGENT_LOG", folder.join(LOG));
    command.env("PORTCULLIS_LOG", "warn,portcullis_agent::network=info");
    command.env("AWS_ACCESS_KEY_ID", &subject.key.id);
    command.env("AWS_SECRET_ACCESS_KEY", &subject.key.secret);
    command.env("ECS_IMAGE_PULL_BEHAVIOR", "prefer-cached");
    command.env("ECS_CONTAINER_STOP_TIMEOUT", "1s");
    command.stdin(Stdio::null());
    command
}

/// An image of one static program; nothing is downloaded.
fn make_image(folder: &Path) -> Result<()> {
    let root = folder.join("image");
    std::fs::create_dir_all(root.join("bin"))?;
    for name in ["busybox", "sleep"] {
        std::fs::copy(BUSYBOX, root.join("bin").join(name))?;
    }
    let archive = folder.join("image.tar");
    let status = Command::new("tar")
        .arg("-cf")
        .arg(&archive)
        .arg("-C")
        .arg(&root)
        .arg("bin")
        .status()?;
    ensure!(status.success(), "the image could not be packed");
    docker(&["import", &archive.to_string_lossy(), IMAGE])?;
    Ok(())
}

/// A `docker run` of the image in the background.
pub fn docker_run() -> Command {
    let mut command = Command::new("docker");
    command.args(["run", "--detach", "--memory", "16m", IMAGE, "sleep", "600"]);
    command
}

/// What a `docker` command prints.
pub fn docker(arguments: &[&str]) -> Result<String> {
    output(Command::new("docker").args(arguments))
}

/// What a command prints that must succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().context("the docker command cannot be started")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "docker failed: {complaint}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
