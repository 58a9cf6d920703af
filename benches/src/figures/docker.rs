//! RunTask to RUNNING on Docker Engine, beside `docker run` of the same image.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use portcullis_agent::{Config, CredentialsSource, EngineChoice, InstanceCredentials, Seams, Status};
use portcullis_api::ecs;
use portcullis_core::{Secret, SystemClock, SystemRandom};
use tokio::sync::watch;

use crate::stats::median;
use crate::subject::{Client, Subject, Workshop};
use crate::table::{Row, Verdict};
use crate::work::{REGION, run_task, task_definition};

const TURNS: usize = 7;
const RATIO_MAX: f64 = 1.2;
const CLUSTER: &str = "docker";
const FAMILY: &str = "docker";
const IMAGE: &str = "portcullis/bench:1";
const BUSYBOX: &str = "/usr/bin/busybox";
/// Longest wait for one thing to happen.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Measures it, or says why not.
pub async fn measure(workshop: &Workshop, docker_host: Option<&str>) -> Result<Vec<Row>> {
    let why_not = if docker_host.is_none() {
        Some("no DOCKER_HOST; run: cargo xtask docker-room cargo xtask bench")
    } else if !rustix::process::geteuid().is_root() {
        Some("the agent needs root for Docker")
    } else if !Path::new(BUSYBOX).exists() {
        Some("there is no static busybox to make an image of")
    } else {
        None
    };
    Ok(vec![match why_not {
        Some(why) => row(format!("- ({why})"), "-".to_owned(), Verdict::LeftOut),
        None => run(workshop, docker_host).await?,
    }])
}

fn row(ours: String, reference: String, verdict: Verdict) -> Row {
    Row {
        figure: "RunTask to RUNNING on Docker".to_owned(),
        ours,
        reference,
        target: "<= 1.2 x docker run",
        verdict,
    }
}

async fn run(workshop: &Workshop, docker_host: Option<&str>) -> Result<Row> {
    make_image(workshop.folder.path())?;
    let subject = Subject::start(workshop, Some(&workshop.folder.path().join("docker"))).await?;
    let mut client = subject.client().await?;
    let cluster = ecs::CreateClusterRequest {
        cluster_name: Some(CLUSTER.to_owned()),
        ..Default::default()
    };
    client.call::<ecs::op::CreateCluster>(&cluster).await?;
    client
        .call::<ecs::op::RegisterTaskDefinition>(&task_definition(FAMILY, IMAGE))
        .await?;
    let (stop, stopped) = watch::channel(false);
    let (status, mut seen) = watch::channel(Status::default());
    let seams = Seams {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    };
    let config = agent(workshop, &subject, docker_host)?;
    let agent = tokio::spawn(portcullis_agent::run(config, seams, status, stopped));
    let connected = tokio::time::timeout(PATIENCE, portcullis_agent::connected(&mut seen)).await;
    connected
        .context("the agent did not connect")?
        .context("the agent ended")?;
    let measured = turns(&mut client).await;
    stop.send_replace(true);
    agent.await??;
    let (ours, theirs, ratio) = measured?;
    Ok(row(
        format!("{ours:.0} ms ({ratio:.2} x)"),
        format!("{theirs:.0} ms (docker run --detach)"),
        Verdict::of(ratio <= RATIO_MAX),
    ))
}

fn agent(workshop: &Workshop, subject: &Subject, docker_host: Option<&str>) -> Result<Config> {
    let credentials = CredentialsSource::Static(InstanceCredentials {
        access_key_id: subject.key.id.clone(),
        secret_access_key: Secret::new(subject.key.secret.clone()),
        session_token: None,
    });
    let endpoint = format!("http://{}", subject.address);
    let state = workshop.folder.path().join("agent");
    let mut config = Config::new(CLUSTER, REGION.parse()?, endpoint, credentials, state);
    config.engine = EngineChoice::Docker;
    config.docker_host = docker_host.map(str::to_owned);
    config.stop_tasks_on_shutdown = true;
    config.stop_timeout = Duration::from_secs(1);
    Ok(config)
}

async fn turns(client: &mut Client) -> Result<(f64, f64, f64)> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let reference = docker_run()?;
        let task = run_to_running(client).await?;
        ratios.push(task / reference);
        ours.push(task);
        theirs.push(reference);
    }
    Ok((median(ours), median(theirs), median(ratios)))
}

/// Milliseconds of `docker run --detach`, whose container is removed again.
fn docker_run() -> Result<f64> {
    let began = Instant::now();
    let id = docker(&["run", "--detach", "--memory", "16m", IMAGE, "sleep", "600"])?;
    let took = began.elapsed();
    docker(&["rm", "--force", id.trim()])?;
    Ok(took.as_secs_f64() * 1000.0)
}

/// Milliseconds from RunTask to RUNNING, as its caller sees it.
async fn run_to_running(client: &mut Client) -> Result<f64> {
    let began = Instant::now();
    let reply = client
        .call::<ecs::op::RunTask>(&run_task(CLUSTER, FAMILY))
        .await?;
    let task = reply
        .tasks
        .into_iter()
        .flatten()
        .next()
        .and_then(|task| task.task_arn);
    let task = task.with_context(|| format!("RunTask found no place: {:?}", reply.failures))?;
    wait(client, &task, "RUNNING").await?;
    let took = began.elapsed();
    let stop = ecs::StopTaskRequest {
        cluster: Some(CLUSTER.to_owned()),
        task: task.clone(),
        ..Default::default()
    };
    client.call::<ecs::op::StopTask>(&stop).await?;
    wait(client, &task, "STOPPED").await?;
    Ok(took.as_secs_f64() * 1000.0)
}

async fn wait(client: &mut Client, task: &str, wanted: &str) -> Result<()> {
    let request = ecs::DescribeTasksRequest {
        cluster: Some(CLUSTER.to_owned()),
        tasks: vec![task.to_owned()],
        ..Default::default()
    };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let reply = client.call::<ecs::op::DescribeTasks>(&request).await?;
        let task = reply
            .tasks
            .into_iter()
            .flatten()
            .next()
            .context("the task is gone")?;
        match task.last_status.as_deref() {
            Some(status) if status == wanted => return Ok(()),
            Some("STOPPED") => bail!("the task stopped: {:?}", task.stopped_reason),
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
    bail!("the task was not {wanted} within {} s", PATIENCE.as_secs())
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

fn docker(arguments: &[&str]) -> Result<String> {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .context("the docker command cannot be started")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "docker {} failed: {complaint}",
        arguments.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
