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

/// Measures it, or says why not.
pub async fn measure(workshop: &Workshop, docker_host: Option<&str>) -> Result<Vec<Row>> {
    let why_not = if docker_host.is_none() {
        "no DOCKER_HOST; run: cargo xtask docker-room cargo xtask bench --only docker"
    } else if !rustix::process::geteuid().is_root() {
        "the agent needs root for Docker"
    } else if !Path::new(BUSYBOX).exists() {
        "there is no static busybox to make an image of"
    } else {
        let mut scene = Scene::open(workshop, docker_host.unwrap_or_default()).await?;
        let measured = all(&mut scene).await;
        // Whatever happened: no container outlives the measurement.
        let closed = scene.close().await;
        let rows = measured?;
        closed?;
        return Ok(rows);
    };
    Ok(vec![Row {
        figure: "RunTask to RUNNING on Docker".to_owned(),
        ours: format!("- ({why_not})"),
        reference: "-".to_owned(),
        target: starts::ONE_TARGET,
        verdict: Verdict::LeftOut,
    }])
}

async fn all(scene: &mut Scene) -> Result<Vec<Row>> {
    let mut rows = vec![starts::one(scene).await?, starts::hundred(scene).await?];
    rows.push(interfaces::measure(scene).await?);
    rows.extend(idle::measure(scene).await?);
    Ok(rows)
}
