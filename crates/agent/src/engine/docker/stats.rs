//! What a container uses, in Docker's own words: its document is handed on as it is, which a typed client would not do.

use bollard::ClientVersion;
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::super::EngineError;

/// A document is a few thousand bytes, more with many disks.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Asks for statistics.
#[derive(Debug)]
pub(super) struct Statistics {
    socket: String,
    version: ClientVersion,
}

impl Statistics {
    /// Of the engine behind `unix://socket`, which speaks this version.
    pub(super) fn new(host: &str, version: ClientVersion) -> Self {
        Self {
            socket: host.trim_start_matches("unix://").to_owned(),
            version,
        }
    }

    /// One look at a container.
    pub(super) async fn of(&self, runtime_id: &str) -> Result<Value, EngineError> {
        let unreachable = |error: Failure| EngineError::Unreachable(error.to_string());
        let (status, body) = self.ask(runtime_id).await.map_err(unreachable)?;
        if status != 200 {
            let text = format!("no statistics of {runtime_id}: HTTP {status}");
            return Err(EngineError::Refused(text));
        }
        serde_json::from_slice(&body).map_err(|error| EngineError::Refused(error.to_string()))
    }

    /// Without a first look of its own Docker answers at once.
    async fn ask(&self, runtime_id: &str) -> Result<(u16, Bytes), Failure> {
        let ClientVersion {
            major_version,
            minor_version,
        } = self.version;
        let path = format!(
            "/v{major_version}.{minor_version}/containers/{runtime_id}/stats?stream=false&one-shot=true"
        );
        let request = Request::get(path)
            .header("host", "docker")
            .body(Empty::<Bytes>::new())?;
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let response = sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect();
            Ok::<_, Failure>((status, body.await?.to_bytes()))
        };
        tokio::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            ended = connection => {
                ended?;
                answer.await
            }
        }
    }
}
