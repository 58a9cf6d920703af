//! Docker's errors in the words ECS reports (agent.md 8).

use bollard::errors::Error;

use super::super::EngineError;

/// The stage of a container's life that failed; AWS reports `Cannot<Stage>ContainerError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Pull,
    Create,
    Start,
    Stop,
    Inspect,
    Remove,
}

/// What Docker said, or that it said nothing.
pub(super) fn at(stage: Stage, error: &Error) -> EngineError {
    match answer(error) {
        Some(message) => EngineError::Refused(format!(
            "Cannot{stage:?}ContainerError: {}{message}",
            advice(stage, message)
        )),
        None => EngineError::Unreachable(error.to_string()),
    }
}

/// A stage took too long; the text is the genuine agent's, with Go's form of a duration.
pub(super) fn timed_out(state: &str, minutes: u64) -> EngineError {
    EngineError::Refused(format!(
        "DockerTimeoutError: Could not transition to {state}; timed out after waiting {minutes}m0s"
    ))
}

/// HTTP status of the daemon's answer.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn answer(error: &Error) -> Option<&str> {
    match error {
        Error::DockerResponseServerError { message, .. } => Some(message),
        Error::DockerStreamError { error } => Some(error),
        Error::InvalidURIError { .. } | Error::HttpClientError { .. } => Some("invalid reference format"),
        _ => None,
    }
}

const DAEMON: &str = "Error response from daemon: ";

fn advice(stage: Stage, message: &str) -> String {
    if stage != Stage::Pull {
        return DAEMON.to_owned();
    }
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let check = if has(&["is not authorized to perform: ecr:BatchGetImage"]) {
        " Check that the role has the permissions to pull images from the registry."
    } else if has(&["manifest unknown", "not found", "does not exist"]) {
        " Check whether the image exists."
    } else if has(&["dial tcp", "request canceled", "i/o timeout", "no such host"]) {
        " Check your network configuration."
    } else {
        return DAEMON.to_owned();
    };
    format!("The task can\u{2019}t pull the image.{check} {DAEMON}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(message: &str) -> Error {
        Error::DockerResponseServerError {
            status_code: 500,
            message: message.to_owned(),
        }
    }

    #[test]
    fn agent_8_reasons_are_worded_as_ecs_words_them() {
        let texts: Vec<_> = [
            at(Stage::Start, &daemon("failed to create shim task: no such file")),
            at(Stage::Pull, &daemon("manifest unknown: manifest unknown")),
            at(
                Stage::Pull,
                &daemon("Get \"https://r/v2/\": dial tcp: lookup r: no route"),
            ),
            at(
                Stage::Pull,
                &daemon("denied: User: x is not authorized to perform: ecr:BatchGetImage on resource"),
            ),
            at(
                Stage::Pull,
                &Error::DockerStreamError {
                    error: "something else".into(),
                },
            ),
            timed_out("started", 3),
            at(Stage::Stop, &Error::RequestTimeoutError),
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        insta::assert_debug_snapshot!(texts);
    }
}
