//! Which engine it is to be.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::docker::DockerEngine;
use super::process::{PROCESS_ENGINE_NOTICE, ProcessEngine};
use super::{Engine, EngineEvent};
use crate::checkpoint::{Checkpoint, Identity};
use crate::{AgentError, Config, EngineChoice, EngineKind, Seams};

const ENGINE_EVENTS_MAX: usize = 1024;

/// What is left to choose: a task has one engine to its end. Another would not know its containers, nor keep up what
/// protects them, while they run on.
pub(crate) fn engine_of_tasks(
    choice: EngineChoice,
    identity: &Identity,
    checkpoint: &Checkpoint,
) -> Result<EngineChoice, AgentError> {
    let Some(before) = identity.engine() else {
        return Ok(choice);
    };
    if !checkpoint.has_unfinished()? {
        return Ok(choice);
    }
    let (same, name) = match before {
        EngineKind::Docker => (EngineChoice::Docker, "docker"),
        EngineKind::Process => (EngineChoice::Process, "process"),
    };
    if choice == EngineChoice::Auto || choice == same {
        return Ok(same);
    }
    Err(AgentError::Setting(format!(
        "tasks of the {name} engine are not over; start with `--engine {name}`, stop them, and change the engine then"
    )))
}

/// The engine, its events, and the lines to show the operator.
pub(crate) async fn choose_engine(
    config: &Config,
    seams: &Seams,
) -> Result<(Arc<dyn Engine>, mpsc::Receiver<EngineEvent>, Vec<String>), AgentError> {
    let (events, receiver) = mpsc::channel(ENGINE_EVENTS_MAX);
    let docker = match config.engine {
        EngineChoice::Process => Err("it was not asked for".to_owned()),
        _ if !rustix::process::geteuid().is_root() => Err("this agent does not run as root".to_owned()),
        _ => {
            DockerEngine::connect(
                config.docker_host.as_deref(),
                &config.images,
                &config.containers,
                Arc::clone(&seams.clock),
                events.clone(),
            )
            .await
        }
    };
    match docker {
        Ok(docker) => Ok((Arc::new(docker), receiver, Vec::new())),
        Err(problem) if config.engine == EngineChoice::Docker => Err(AgentError::Docker(problem)),
        Err(problem) => {
            let mut notices = vec![PROCESS_ENGINE_NOTICE.to_owned()];
            if config.engine == EngineChoice::Auto {
                notices.push(format!("Docker is not used: {problem}"));
            }
            for notice in &notices {
                tracing::warn!("{notice}");
            }
            let engine = ProcessEngine::new(&config.state_dir, Arc::clone(&seams.clock), events)
                .only(config.only_command.clone());
            Ok((Arc::new(engine), receiver, notices))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::model::Known;
    use crate::task::plan::tests::{container, task};

    const AUTO: EngineChoice = EngineChoice::Auto;
    const DOCKER: EngineChoice = EngineChoice::Docker;
    const PROCESS: EngineChoice = EngineChoice::Process;

    fn registered(endpoint_port: Option<u16>) -> Identity {
        Identity {
            container_instance_arn: Some("arn:aws:ecs:us-west-2:111122223333:container-instance/a".into()),
            endpoint_port,
            ..Identity::default()
        }
    }

    /// What is left of each choice.
    fn left(identity: &Identity, checkpoint: &Checkpoint) -> [Option<EngineChoice>; 3] {
        [AUTO, DOCKER, PROCESS].map(|choice| engine_of_tasks(choice, identity, checkpoint).ok())
    }

    #[test]
    fn tasks_that_are_not_over_keep_their_engine() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint::open(folder.path()).unwrap();
        let (on_docker, on_processes) = (registered(None), registered(Some(40_000)));
        let any = [Some(AUTO), Some(DOCKER), Some(PROCESS)];
        assert_eq!(left(&on_docker, &checkpoint), any, "there is no task");
        let mut saved = task(vec![container("app", true, &[]), container("side", false, &[])]);
        for (known, doubtful, is_over) in [
            (Known::None, false, false),
            (Known::Running, false, false),
            (Known::Stopped, true, false),
            (Known::Stopped, false, true),
        ] {
            let [app, side] = &mut saved.containers[..] else {
                panic!("two containers");
            };
            (app.known, app.doubtful, side.known) = (known, doubtful, Known::Stopped);
            checkpoint.save_task(&saved).unwrap();
            assert_eq!(
                left(&Identity::default(), &checkpoint),
                any,
                "nobody knows of which"
            );
            let expected = [
                [Some(DOCKER), Some(DOCKER), None],
                [Some(PROCESS), None, Some(PROCESS)],
            ];
            let expected = if is_over { [any, any] } else { expected };
            assert_eq!(
                [left(&on_docker, &checkpoint), left(&on_processes, &checkpoint)],
                expected,
                "{known:?}"
            );
        }
        saved.containers[0].known = Known::Running;
        checkpoint.save_task(&saved).unwrap();
        let error = engine_of_tasks(PROCESS, &on_docker, &checkpoint).unwrap_err();
        assert!(
            error.is_final() && error.to_string().contains("`--engine docker`"),
            "{error}"
        );
    }
}
