//! Opening a websocket to the control plane (agent.md 5.2).

use std::time::Duration;

use http::{HeaderValue, Method, Request, Uri};
use serde_json::Value;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::ControlPlane;
use super::client::{Signing, connect};

/// An open websocket.
pub(crate) type Socket = WebSocketStream<TcpStream>;

const OPENING_TIME_MAX: Duration = Duration::from_secs(15);
/// A frame of the control plane may hold the payload of many tasks.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Why no websocket was opened.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The instance was deregistered: the genuine agent tries again after an hour.
    #[error("the container instance is no longer registered: {0}")]
    Inactive(String),
    /// Another error of the service.
    #[error("{code}: {message}")]
    Service {
        /// Name of the exception.
        code: String,
        /// Its text.
        message: String,
    },
    /// No answer, or none that can be read.
    #[error("no websocket: {0}")]
    Unreachable(String),
}

/// Opens `{endpoint}/ws?{query}`, signed over the empty payload and proven by the agent's key for `operation`. The URI it was opened with signs TCS frames.
pub(crate) async fn open(
    plane: &ControlPlane,
    operation: &'static str,
    endpoint: &str,
    query: &[(&str, String)],
) -> Result<(Socket, Uri), Refusal> {
    let unreachable = |error: &dyn std::fmt::Display| Refusal::Unreachable(error.to_string());
    let uri = socket_uri(endpoint, query)
        .ok_or_else(|| unreachable(&format_args!("`{endpoint}` is not an http address")))?;
    let socket = open_at(plane, Signing::Instance, Some(operation), &uri).await?;
    Ok((socket, uri))
}

/// Opens the websocket at a path of the control plane.
pub(crate) async fn open_path(
    plane: &ControlPlane,
    signing: Signing<'_>,
    path: &str,
) -> Result<Socket, Refusal> {
    let authority = plane
        .url()
        .authority()
        .map(ToString::to_string)
        .unwrap_or_default();
    let uri: Result<Uri, _> = format!("ws://{authority}{path}").parse();
    let uri = uri.map_err(|error| Refusal::Unreachable(error.to_string()))?;
    open_at(plane, signing, None, &uri).await
}

/// `operation` is what the agent's key proves that the socket is for.
async fn open_at(
    plane: &ControlPlane,
    signing: Signing<'_>,
    operation: Option<&'static str>,
    uri: &Uri,
) -> Result<Socket, Refusal> {
    let unreachable = |error: &dyn std::fmt::Display| Refusal::Unreachable(error.to_string());
    let (mut parts, ()) = Request::builder()
        .method(Method::GET)
        .uri(uri.clone())
        .body(())
        .map_err(|error| unreachable(&error))?
        .into_parts();
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    let proof = plane
        .key()
        .zip(operation)
        .and_then(|(key, operation)| key.proof(operation, &host, b""));
    if let Some((name, value)) = proof {
        let value = HeaderValue::try_from(value).map_err(|error| unreachable(&error))?;
        parts.headers.insert(name, value);
    }
    plane
        .sign_as(signing, &mut parts, b"")
        .map_err(|error| unreachable(&error))?;
    let key = HeaderValue::try_from(generate_key()).map_err(|error| unreachable(&error))?;
    parts
        .headers
        .insert("connection", HeaderValue::from_static("Upgrade"));
    parts
        .headers
        .insert("upgrade", HeaderValue::from_static("websocket"));
    parts
        .headers
        .insert("sec-websocket-version", HeaderValue::from_static("13"));
    parts.headers.insert("sec-websocket-key", key);
    let opening = async {
        let stream = connect(uri).await.map_err(|error| unreachable(&error))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let opened = client_async_with_config(Request::from_parts(parts, ()), stream, Some(config)).await;
        opened.map(|(socket, _)| socket).map_err(refusal)
    };
    tokio::time::timeout(OPENING_TIME_MAX, opening)
        .await
        .map_err(|error| unreachable(&error))?
}

/// http becomes ws; keys of the query are sorted.
fn socket_uri(endpoint: &str, query: &[(&str, String)]) -> Option<Uri> {
    let rest = endpoint.strip_prefix("http://")?;
    let slash = if rest.ends_with('/') { "" } else { "/" };
    let mut query: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect();
    query.sort_unstable();
    format!("ws://{rest}{slash}ws?{}", query.join("&")).parse().ok()
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

fn refusal(error: SocketError) -> Refusal {
    let SocketError::Http(response) = error else {
        return Refusal::Unreachable(error.to_string());
    };
    let status = response.status();
    match response.body().as_deref().and_then(exception) {
        Some((code, message)) if code == "InactiveInstanceException" => Refusal::Inactive(message),
        Some((code, message)) => Refusal::Service { code, message },
        None => Refusal::Unreachable(format!("HTTP {status}")),
    }
}

/// `{"<Exception>":"text"}`, `{"type":..,"message":{"message":..}}`, or the JSON protocol's own form.
fn exception(body: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    let code = text(value.get("type")).or_else(|| text(value.get("__type")));
    if let Some(code) = code {
        let message = value
            .get("message")
            .map(|message| message.get("message").unwrap_or(message));
        let name = code.rsplit('#').next().unwrap_or(&code).to_owned();
        return Some((name, text(message).unwrap_or_default()));
    }
    let (name, message) = value
        .as_object()?
        .iter()
        .find(|(name, _)| name.ends_with("Exception"))?;
    Some((name.clone(), text(Some(message)).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_5_2_the_query_is_sorted_and_a_slash_put_in() {
        let query = [("seqNum", "1".to_owned()), ("agentHash", "a/b c".to_owned())];
        for endpoint in ["http://127.0.0.1:8000/acs", "http://127.0.0.1:8000/acs/"] {
            let uri = socket_uri(endpoint, &query).unwrap().to_string();
            assert_eq!(uri, "ws://127.0.0.1:8000/acs/ws?agentHash=a%2Fb%20c&seqNum=1");
        }
        assert!(socket_uri("ftp://x", &query).is_none());
    }

    #[test]
    fn agent_5_2_refusals_are_read_in_every_form() {
        for body in [
            r#"{"InactiveInstanceException":"gone"}"#,
            r#"{"type":"InactiveInstanceException","message":{"message":"gone"}}"#,
            r#"{"__type":"x#InactiveInstanceException","message":"gone"}"#,
        ] {
            assert_eq!(
                exception(body.as_bytes()),
                Some(("InactiveInstanceException".into(), "gone".into())),
                "{body}"
            );
        }
        assert_eq!(exception(b"nothing"), None);
    }
}
