//! Our agent on Docker Engine, a process of its own as operators start it, beside plain `docker run` of the same image.

mod idle;
mod interfaces;
mod scene;
mod starts;

use std::path::Path;

use anyhow::Result;

use crate::subject::Workshop;
use crate::table::{Row, Verdict};

use scene::{BUSYBOX, Scene};

/// What is measured in a scene of its own.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// Starts of tasks.
    Starts,
    /// Network interfaces of tasks.
    Interfaces,
    /// What the agent needs while nothing happens.
    Idle,
}

impl Part {
    /// By the name of its group.
    pub fn of(group: &str) -> Self {
        match group {
            "interfaces" => Self::Interfaces,
            "idle" => Self::Idle,
            _ => Self::Starts,
        }
    }
}

/// Measures it, or says why not.
pub async fn measure(workshop: &Workshop, docker_host: Option<&str>, part: Part) -> Result<Vec<Row>> {
    let Some(docker_host) = docker_host else {
        return Ok(left_out(
            part,
            "no DOCKER_HOST; run: cargo xtask docker-room cargo xtask bench",
        ));
    };
    if !rustix::process::geteuid().is_root() {
        return Ok(left_out(part, "the agent needs root for Docker"));
    }
    if !Path::new(BUSYBOX).exists() {
        return Ok(left_out(part, "there is no static busybox to make an image of"));
    }
    let folder = workshop.folder.path().join(format!("{part:?}"));
    let mut scene = Scene::open(workshop, &folder, docker_host).await?;
    let measured = match part {
        Part::Starts => starts::measure(&mut scene).await,
        Part::Interfaces => interfaces::measure(&mut scene).await,
        Part::Idle => idle::measure(&mut scene).await,
    };
    // Whatever happened: no container outlives the measurement.
    let closed = scene.close().await;
    let rows = measured?;
    closed?;
    Ok(rows)
}

fn left_out(part: Part, why: &str) -> Vec<Row> {
    let (figure, target) = match part {
        Part::Starts => ("RunTask to RUNNING on Docker", starts::TARGET),
        Part::Interfaces => ("set-up of a task's network interface", interfaces::TARGET),
        Part::Idle => ("agent with idle tasks", idle::TARGET),
    };
    vec![Row {
        figure: figure.to_owned(),
        ours: format!("- ({why})"),
        reference: "-".to_owned(),
        target,
        verdict: Verdict::LeftOut,
    }]
}
