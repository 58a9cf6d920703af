//! `portcullis quickstart`: the whole mission in small, with real parts.

mod ending;
mod identities;
mod inside;
mod mfa;
mod policies;
mod roles;
mod stage;
mod tasks;
mod tell;
mod theft;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use portcullis_agent::EngineChoice;

use stage::Stage;
use tell::Tale;

/// Options of `portcullis quickstart`.
#[derive(Debug, Args)]
pub struct Options {
    /// What runs the containers
    #[arg(long, value_enum, default_value_t = Engine::Auto)]
    engine: Engine,
    /// Leave everything running afterwards and print the lines to export for the AWS CLI
    #[arg(long)]
    keep: bool,
    /// Print JSON instead of prose
    #[arg(long)]
    json: bool,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: SocketAddr,
    /// Docker Engine to use, unix:///path
    #[arg(long, env = "DOCKER_HOST")]
    docker_host: Option<String>,
}

/// What runs the containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Docker if it is reachable and we are root, else processes
    Auto,
    /// Docker Engine
    Docker,
    /// Child processes
    Process,
}

impl From<Engine> for EngineChoice {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Auto => Self::Auto,
            Engine::Docker => Self::Docker,
            Engine::Process => Self::Process,
        }
    }
}

/// Plays the story; the exit status is 0 only if every step was as expected.
pub async fn run(options: Options) -> Result<ExitCode> {
    crate::start_log("error");
    let mut tale = Tale::new(options.json);
    let mut stage = Stage::set(&options, &tale).await?;
    let played = tokio::select! {
        played = play(&mut stage, &mut tale) => played,
        _ = crate::interrupted() => Err(anyhow::anyhow!("interrupted; everything is taken down")),
    };
    if let Err(error) = &played {
        tale.step("go on with the story", format!("{error:#}"), "", false);
    }
    tale.end()?;
    if options.keep {
        stage.keep(&tale).await?;
    }
    stage.strike().await?;
    Ok(if tale.is_happy() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn play(stage: &mut Stage, tale: &mut Tale) -> Result<()> {
    let richard = identities::act(stage, tale).await?;
    let roles = roles::act(stage, tale, &richard).await?;
    let task = tasks::act(stage, tale, &richard).await?;
    inside::act(stage, tale, &roles, &task).await?;
    mfa::act(stage, tale, &richard).await?;
    ending::act(stage, tale, &task).await
}
