//! An engine that does not answer is waited for.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{ContainerRef, EngineError};

/// Between tries while the engine does not answer, or will not do it.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Tries until the engine answers.
pub(crate) async fn patiently<'a, T>(
    container: &ContainerRef,
    mut attempt: impl FnMut() -> BoxFuture<'a, Result<T, EngineError>>,
) -> Result<T, EngineError> {
    loop {
        match attempt().await {
            Err(EngineError::Unreachable(error)) => pause(container, &error).await,
            result => return result,
        }
    }
}

/// Before it is tried again.
pub(crate) async fn pause(container: &ContainerRef, error: &str) {
    tracing::warn!(
        container = container.docker_name,
        error,
        "the engine could not do it; trying again"
    );
    tokio::time::sleep(RETRY_PAUSE).await;
}
