//! What somebody inside the task could carry away: its credentials, and the address they came from. The last act
//! shows what they are worth once the task has stopped.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures_util::StreamExt as _;
use portcullis_agent::EngineKind;

use super::stage::Stage;
use super::tasks::Task;
use crate::client::Credentials;
use crate::{demo_task, image};

/// The loot.
pub struct Loot {
    /// The task's credentials.
    pub credentials: Credentials,
    /// Where they came from.
    pub url: String,
    /// What the endpoint wants to see besides; process engine only.
    pub authorization: Option<String>,
}

/// Takes the credentials from inside the task.
pub async fn steal(stage: &Stage, task: &Task) -> Result<Loot> {
    match stage.agent()?.engine {
        EngineKind::Docker => from_container(stage, task).await,
        EngineKind::Process => from_process().await,
    }
}

async fn from_container(stage: &Stage, task: &Task) -> Result<Loot> {
    let docker = image::connect(stage.docker_host())?;
    let label = format!("com.amazonaws.ecs.task-arn={}", task.arn);
    let filters = HashMap::from([("label".to_owned(), vec![label])]);
    let options = ListContainersOptionsBuilder::new().filters(&filters).build();
    let found = docker.list_containers(Some(options)).await?;
    let id = found
        .into_iter()
        .find_map(|container| container.id)
        .context("the task has no container")?;
    let environment = environment_of(&docker, &id).await?;
    let relative = environment
        .get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .context("the task has no credentials")?;
    let command = vec![
        image::PROGRAM.to_owned(),
        "demo-task".to_owned(),
        "--steal".to_owned(),
    ];
    let document = output_of(&docker, &id, command).await?;
    Ok(Loot {
        credentials: demo_task::parse(&document)?,
        url: format!("{}{relative}", demo_task::TASK_ADDRESS),
        authorization: None,
    })
}

async fn environment_of(docker: &Docker, id: &str) -> Result<BTreeMap<String, String>> {
    let container = docker.inspect_container(id, None).await?;
    let pairs = container.config.and_then(|config| config.env).unwrap_or_default();
    Ok(pairs
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect())
}

async fn output_of(docker: &Docker, id: &str, command: Vec<String>) -> Result<String> {
    let options = CreateExecOptions {
        cmd: Some(command),
        attach_stdout: Some(true),
        ..Default::default()
    };
    let exec = docker.create_exec(id, options).await?;
    let StartExecResults::Attached { mut output, .. } = docker.start_exec(&exec.id, None).await? else {
        anyhow::bail!("Docker did not attach to the command");
    };
    let mut text = String::new();
    while let Some(chunk) = output.next().await {
        text.push_str(&chunk?.to_string());
    }
    Ok(text)
}

/// A child process keeps no secrets from its own user: its environment can be read and used.
async fn from_process() -> Result<Loot> {
    let environment = task_environment().context("the task's process was not found")?;
    let url = environment
        .get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        .context("the task has no credentials")?
        .clone();
    let authorization = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").cloned();
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let output = tokio::process::Command::new(program)
        .args(["demo-task", "--steal"])
        .env_clear()
        .envs(&environment)
        .stdin(Stdio::null())
        .output()
        .await?;
    let document = String::from_utf8(output.stdout).context("the credentials document is no text")?;
    Ok(Loot {
        credentials: demo_task::parse(&document)?,
        url,
        authorization,
    })
}

/// The environment of the demo task: of our child that runs it.
fn task_environment() -> Option<BTreeMap<String, String>> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let task = processes.into_iter().find(|process| is_demo_task(process, own))?;
    let bytes = fs::read(task.join("environ")).ok()?;
    let pairs = bytes
        .split(|byte| *byte == 0)
        .filter_map(|pair| std::str::from_utf8(pair).ok());
    Some(
        pairs
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
    )
}

fn is_demo_task(process: &Path, parent: u32) -> bool {
    let read = |name: &str| fs::read_to_string(process.join(name)).unwrap_or_default();
    let is_child = read("status")
        .lines()
        .any(|line| line == format!("PPid:\t{parent}"));
    is_child && read("cmdline").split('\0').nth(1) == Some("demo-task")
}
