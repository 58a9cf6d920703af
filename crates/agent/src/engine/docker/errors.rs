//! Docker's errors in the words ECS reports (agent.md 8).

use std::time::Duration;

use bollard::errors::Error;

use super::super::EngineError;

/// The stage of a container's life that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    PullManifest,
    Pull,
    Create,
    Start,
    Stop,
    Inspect,
    Remove,
    CreateVolume,
    InspectVolume,
    RemoveVolume,
}

impl Stage {
    /// AWS's name of the failure.
    fn error_name(self) -> &'static str {
        match self {
            Self::PullManifest => "CannotPullImageManifestError",
            Self::Pull => "CannotPullContainerError",
            Self::Create => "CannotCreateContainerError",
            Self::Start => "CannotStartContainerError",
            Self::Stop => "CannotStopContainerError",
            Self::Inspect => "CannotInspectContainerError",
            Self::Remove => "CannotRemoveContainerError",
            Self::CreateVolume => "CannotCreateVolumeError",
            Self::InspectVolume => "CannotInspectVolumeError",
            Self::RemoveVolume => "CannotRemoveVolumeError",
        }
    }

    fn pulls(self) -> bool {
        matches!(self, Self::PullManifest | Self::Pull)
    }
}

/// What Docker said, or that it said nothing.
pub(super) fn at(stage: Stage, error: &Error) -> EngineError {
    match answer(error) {
        Some(message) => EngineError::Refused(format!(
            "{}: {}{message}",
            name(stage, message),
            advice(stage, message)
        )),
        None => EngineError::Unreachable(error.to_string()),
    }
}

/// A pull that the registry refused has a name of its own, by registry.
fn name(stage: Stage, message: &str) -> &'static str {
    let refused = [
        "no basic auth credentials",
        "pull access denied",
        "unauthorized",
        "denied: User",
    ];
    if stage.pulls() && message.contains("ecr:") {
        return "CannotPullECRContainerError";
    }
    if stage == Stage::Pull && refused.iter().any(|words| message.contains(words)) {
        return "CannotPullContainerAuthError";
    }
    stage.error_name()
}

/// A stage took too long; the text is the genuine agent's.
pub(super) fn timed_out(state: &str, limit: Duration) -> EngineError {
    EngineError::TimedOut(format!(
        "DockerTimeoutError: Could not transition to {state}; timed out after waiting {}",
        go_duration(limit)
    ))
}

/// A duration as Go prints it: `3m0s`, `1h0m0s`, `45s`.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, m, s) => format!("{h}h{m}m{s}s"),
    }
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
    if !stage.pulls() {
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
            timed_out("started", Duration::from_secs(180)),
            timed_out("pulled", Duration::from_secs(2 * 60 * 60)),
            timed_out("created", Duration::from_secs(45)),
            at(
                Stage::PullManifest,
                &daemon("Get \"https://r/v2/\": no such host"),
            ),
            at(Stage::Pull, &daemon("pull access denied for x")),
            at(Stage::CreateVolume, &daemon("no such driver")),
            at(Stage::Stop, &Error::RequestTimeoutError),
        ]
        .iter()
        .map(ToString::to_string)
        .collect();
        insta::assert_debug_snapshot!(texts);
    }
}
