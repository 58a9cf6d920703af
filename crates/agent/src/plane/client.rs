//! One signed call.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use portcullis_api::ecs::op::RegisterContainerInstance;
use portcullis_api::ecs::{RegisterContainerInstanceRequest, RegisterContainerInstanceResponse};
use portcullis_core::{Clock, Random, Timestamp, hex};
use portcullis_wire::sigv4::Signer;
use portcullis_wire::{ClientError, Operation, decode_reply, encode_request};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::backoff::between;
use super::{InstanceCredentialsProvider, KeyHolder};
use crate::AgentError;
use crate::credentials::RoleCredentials;

const SIGNING_NAME: &str = "ecs";
const CALL_TIME_MAX: Duration = Duration::from_secs(15);
/// How long a request to S3 may take that has a body: a part of 5 MiB passes a line of 44 KB/s in two minutes.
const S3_TIME_MAX: Duration = Duration::from_secs(120);
/// A connection asked for while the network was cut is asked for again rather than waited for: the kernel repeats its request
/// after 1, 3 and 7 seconds, then ever later.
const CONNECTING_TIME_MAX: Duration = Duration::from_secs(4);
const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// A server that is away is looked for this often, by chance up to twice as long: agents do not all come back in one moment.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Where every registry client asks first, without a name: refused at once and in no record.
const UNRECORDED_PATH: &str = "/v2/";
/// A server that is back is left alone for up to this part of what is left of the pause, and no longer than
/// [`SPREAD_MAX`]: one that was started again is asked by thousands of agents.
const SPREAD: f64 = 0.25;
/// Agents agree with a server that can be reached again within 10 s.
const SPREAD_MAX: Duration = Duration::from_secs(4);
/// Largest part of a build (docs/agent-updates.md).
const BUILD_PART_BYTES_MAX: usize = 4 * 1024 * 1024;
/// What the agent's key proves to be given a build.
const GET_AGENT_BUILD: &str = "GetAgentBuild";

/// Of an empty body.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// How the agent names itself.
pub(crate) const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signing<'a> {
    /// The container instance, for ECS.
    Instance,
    /// The container instance, for the service of that signing name.
    InstanceFor(&'static str),
    /// Nobody: the agent's key alone proves who calls.
    Nobody,
    /// A task, for the service of that signing name.
    Task(&'a RoleCredentials, &'static str),
    /// A role of a task, for a service, in a region.
    Role(&'a RoleCredentials, &'static str, &'a str),
    /// The container instance, likewise.
    InstanceIn(&'static str, &'a str),
}

/// A call that came to nothing.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The control plane did not answer, or not in time.
    #[error("the control plane does not answer: {0}")]
    Unreachable(String),
    /// It answered an error.
    #[error(transparent)]
    Refused(#[from] ClientError),
}

/// What a request may take.
#[derive(Debug, Clone, Copy)]
struct Most {
    reply_bytes: usize,
    time: Duration,
}

impl Most {
    fn reply(reply_bytes: usize) -> Self {
        Self {
            reply_bytes,
            time: CALL_TIME_MAX,
        }
    }
}

/// The control plane, as the container instance sees it.
#[derive(Debug, Clone)]
pub(crate) struct ControlPlane {
    url: Uri,
    region: String,
    credentials: Arc<InstanceCredentialsProvider>,
    clock: Arc<dyn Clock>,
    key: Option<Arc<KeyHolder>>,
}

impl ControlPlane {
    /// The control plane at `url`.
    pub(crate) fn new(
        url: &str,
        region: &str,
        credentials: Arc<InstanceCredentialsProvider>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AgentError> {
        let parsed: Uri = url
            .parse()
            .map_err(|_| AgentError::Setting(format!("`{url}` is not a URL")))?;
        if parsed.scheme() != Some(&Scheme::HTTP) || parsed.authority().is_none() {
            return Err(AgentError::Setting(format!(
                "the control plane's address must be http://host:port, not `{url}`"
            )));
        }
        Ok(Self {
            url: parsed,
            region: region.to_owned(),
            credentials,
            clock,
            key: None,
        })
    }

    /// Proves with this key who calls.
    pub(crate) fn with_key(mut self, key: KeyHolder) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    /// The agent is this container instance's.
    pub(crate) fn speak_for(&self, instance: &str) {
        if let Some(key) = &self.key {
            key.speak_for(instance);
        }
    }

    /// The public half of the key.
    pub(crate) fn public_key(&self) -> Option<String> {
        self.key.as_ref().map(|key| key.public())
    }

    /// The key.
    pub(super) fn key(&self) -> Option<&KeyHolder> {
        self.key.as_deref()
    }

    /// The time by which requests are signed.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Calls an operation that nobody signs, with a proof of the agent's key as `holder`.
    pub(super) async fn call_by_key<O: Operation>(
        &self,
        holder: &str,
        input: &O::Input,
    ) -> Result<O::Output, CallError> {
        let request = encode_request::<O>(input);
        let mut headers = request.headers;
        let host = self.host();
        headers.extend(
            self.key()
                .map(|key| key.proof_as(holder, O::META.name, &host, &request.body)),
        );
        let (status, body) = self.post(Signing::Nobody, "/", headers, request.body).await?;
        Ok(decode_reply::<O>(status, &body)?)
    }

    /// Registers: the first time as the holder of the registration's own token.
    pub(super) async fn register(
        &self,
        input: &RegisterContainerInstanceRequest,
    ) -> Result<RegisterContainerInstanceResponse, CallError> {
        let request = encode_request::<RegisterContainerInstance>(input);
        let mut headers = request.headers;
        let holder = input
            .container_instance_arn
            .as_ref()
            .or(input.client_token.as_ref());
        if let Some((key, holder)) = self.key().zip(holder) {
            let name = RegisterContainerInstance::META.name;
            headers.push(key.header());
            headers.push(key.proof_as(holder, name, &self.host(), &request.body));
        }
        let (status, body) = self.post(Signing::Instance, "/", headers, request.body).await?;
        Ok(decode_reply::<RegisterContainerInstance>(status, &body)?)
    }

    fn host(&self) -> String {
        self.url.authority().map(ToString::to_string).unwrap_or_default()
    }

    /// Calls an operation as the container instance.
    pub(crate) async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, CallError> {
        self.call_as::<O>(Signing::Instance, input).await
    }

    /// Calls an operation.
    pub(crate) async fn call_as<O: Operation>(
        &self,
        signing: Signing<'_>,
        input: &O::Input,
    ) -> Result<O::Output, CallError> {
        let request = encode_request::<O>(input);
        let mut headers = request.headers;
        if matches!(signing, Signing::Instance) {
            let key = self.key();
            let proof = key.and_then(|key| key.proof(O::META.name, &self.host(), &request.body));
            headers.extend(proof);
        }
        let (status, body) = self.post(signing, "/", headers, request.body).await?;
        Ok(decode_reply::<O>(status, &body)?)
    }

    /// Makes a signed request: the status and the body.
    pub(crate) async fn post(
        &self,
        signing: Signing<'_>,
        path: &str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<(u16, Bytes), CallError> {
        let request = (Method::POST, path);
        let answer = self.request(
            request,
            signing,
            headers,
            body.into(),
            Most::reply(REPLY_BYTES_MAX),
        );
        Ok(taken_apart(answer.await?))
    }

    /// Part of a build of the agent, with a proof of the agent's key.
    pub(crate) async fn agent_build(&self, path: &str) -> Result<(u16, Bytes), CallError> {
        let key = self.key();
        let proof = key.and_then(|key| key.proof(GET_AGENT_BUILD, &self.host(), b""));
        let request = (Method::GET, path);
        let headers = proof.into_iter().collect();
        let instance = Signing::Instance;
        let answer = self.request(
            request,
            instance,
            headers,
            Bytes::new(),
            Most::reply(BUILD_PART_BYTES_MAX),
        );
        Ok(taken_apart(answer.await?))
    }

    async fn request(
        &self,
        (method, path): (Method, &str),
        signing: Signing<'_>,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
        most: Most,
    ) -> Result<Response<Bytes>, CallError> {
        let unreachable = |error: &dyn std::fmt::Display| CallError::Unreachable(error.to_string());
        let mut message = Request::new(());
        *message.method_mut() = method;
        *message.uri_mut() = path.parse().map_err(|error| unreachable(&error))?;
        let (mut parts, ()) = message.into_parts();
        let authority = self.host();
        let agent = format!("Portcullis ECS Agent - v{AGENT_VERSION} (linux)");
        let fixed = [
            ("host", authority),
            (USER_AGENT.as_str(), agent),
            (CONTENT_LENGTH.as_str(), body.len().to_string()),
        ];
        for (name, value) in fixed.into_iter().chain(headers) {
            let value = HeaderValue::try_from(value).map_err(|error| unreachable(&error))?;
            parts.headers.insert(HeaderName::from_static(name), value);
        }
        self.sign_as(signing, &mut parts, &body)
            .map_err(|error| unreachable(&error))?;
        let exchange = exchange(
            &self.url,
            Request::from_parts(parts, Full::new(body)),
            most.reply_bytes,
        );
        match tokio::time::timeout(most.time, exchange).await {
            Err(_) => Err(unreachable(&format_args!(
                "no reply within {} s",
                most.time.as_secs()
            ))),
            Ok(Err(error)) => Err(unreachable(&error)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }

    /// An object of S3.
    pub(crate) async fn object(
        &self,
        signing: Signing<'_>,
        path: &str,
        bytes_max: usize,
    ) -> Result<(u16, Bytes), CallError> {
        let request = (Method::GET, path);
        let payload = ("x-amz-content-sha256", EMPTY_SHA256.to_owned());
        let answer = self.request(
            request,
            signing,
            vec![payload],
            Bytes::new(),
            Most::reply(bytes_max),
        );
        Ok(taken_apart(answer.await?))
    }

    /// Another request to S3, with a body that is signed.
    pub(crate) async fn ask_s3(
        &self,
        signing: Signing<'_>,
        request: (Method, &str),
        body: Bytes,
    ) -> Result<Response<Bytes>, CallError> {
        let payload = ("x-amz-content-sha256", hex(&Sha256::digest(&body)));
        let most = Most {
            time: S3_TIME_MAX,
            ..Most::reply(REPLY_BYTES_MAX)
        };
        self.request(request, signing, vec![payload], body, most).await
    }

    /// How it answers to anybody who reads a path.
    pub(crate) async fn look(&self, path: &str, bytes_max: usize) -> Result<u16, CallError> {
        let request = (Method::GET, path);
        let answered = self.request(
            request,
            Signing::Nobody,
            Vec::new(),
            Bytes::new(),
            Most::reply(bytes_max),
        );
        answered.await.map(|answer| answer.status().as_u16())
    }

    /// The region it is asked in.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// Waits for a pause to pass, but no longer than something gives hope: somebody listens where nobody was reached before, or
    /// the instance has new credentials. A server that is there, and refuses or is slow, is spared for the whole pause.
    pub(crate) async fn rest(&self, pause: Duration, random: &dyn Random) {
        let until = Instant::now() + pause;
        let is_back = async {
            self.comes_back(random).await;
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(between(Duration::ZERO, spread(left), random)).await;
        };
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.credentials.replaced() => {}
            () = is_back => {}
        }
    }

    /// Resolves when the server answers after it did not.
    async fn comes_back(&self, random: &dyn Random) {
        if self.answers().await {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(between(LOOK_AGAIN_AFTER, LOOK_AGAIN_AFTER, random)).await;
            if self.answers().await {
                return;
            }
        }
    }

    /// Whether it says anything: a balancer before it takes connections while it is away.
    async fn answers(&self) -> bool {
        let most = Most {
            time: CONNECTING_TIME_MAX,
            ..Most::reply(REPLY_BYTES_MAX)
        };
        let request = (Method::GET, UNRECORDED_PATH);
        let answered = self.request(request, Signing::Nobody, Vec::new(), Bytes::new(), most);
        answered.await.is_ok()
    }

    /// Its address.
    pub(crate) fn url(&self) -> &Uri {
        &self.url
    }

    /// Signs as the container instance, for now.
    pub(crate) fn sign(&self, parts: &mut Parts, body: &[u8]) -> Result<(), AgentError> {
        self.sign_as(Signing::Instance, parts, body)
    }

    /// Signs, for now.
    pub(crate) fn sign_as(
        &self,
        signing: Signing<'_>,
        parts: &mut Parts,
        body: &[u8],
    ) -> Result<(), AgentError> {
        let instance;
        let region = match signing {
            Signing::Role(_, _, region) | Signing::InstanceIn(_, region) => region,
            _ => &self.region,
        };
        let (access_key_id, secret_access_key, session_token, service) = match signing {
            Signing::Instance | Signing::InstanceFor(_) | Signing::InstanceIn(..) => {
                let service = match signing {
                    Signing::InstanceFor(service) | Signing::InstanceIn(service, _) => service,
                    _ => SIGNING_NAME,
                };
                instance = self.credentials.current();
                let token = instance.session_token.as_ref();
                (
                    &instance.access_key_id,
                    &instance.secret_access_key,
                    token,
                    service,
                )
            }
            Signing::Nobody => return Ok(()),
            Signing::Task(keys, service) | Signing::Role(keys, service, _) => {
                let token = Some(&keys.session_token);
                (&keys.access_key_id, &keys.secret_access_key, token, service)
            }
        };
        let signer = Signer {
            access_key_id,
            secret_access_key,
            session_token,
            region,
            service,
        };
        signer
            .sign(parts, body, self.clock.now())
            .map_err(|error| AgentError::Credentials(error.to_string()))
    }
}

/// How long agents that found their server again are apart, with that much left of their pause.
fn spread(left: Duration) -> Duration {
    left.mul_f64(SPREAD).min(SPREAD_MAX)
}

fn taken_apart(answer: Response<Bytes>) -> (u16, Bytes) {
    (answer.status().as_u16(), answer.into_body())
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    url: &Uri,
    request: Request<Full<Bytes>>,
    reply_bytes_max: usize,
) -> Result<Response<Bytes>, Failure> {
    let stream = connect(url).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, reply_bytes_max).collect().await?.to_bytes();
        Ok::<_, Failure>(Response::from_parts(parts, body))
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

/// A connection to the host and port of a URL.
pub(super) async fn connect(url: &Uri) -> std::io::Result<TcpStream> {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let connecting = TcpStream::connect((host, url.port_u16().unwrap_or(80)));
    let stream = tokio::time::timeout(CONNECTING_TIME_MAX, connecting).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use portcullis_core::{Secret, SystemClock};

    use super::*;
    use crate::{CredentialsSource, InstanceCredentials};

    #[test]
    fn only_plain_http_addresses_are_taken() {
        let credentials = InstanceCredentials {
            access_key_id: "AK".into(),
            secret_access_key: Secret::new("sk"),
            session_token: None,
        };
        let provider =
            Arc::new(InstanceCredentialsProvider::new(CredentialsSource::Static(credentials)).unwrap());
        let new = |url| ControlPlane::new(url, "us-east-1", Arc::clone(&provider), Arc::new(SystemClock));
        assert!(new("http://127.0.0.1:4566").is_ok());
        for bad in ["https://127.0.0.1", "127.0.0.1:4566", "", "http://"] {
            assert!(matches!(new(bad), Err(AgentError::Setting(_))), "{bad}");
        }
    }

    #[test]
    fn agents_come_back_apart_but_within_4_seconds() {
        for (left, apart) in [(0, 0), (2, 500), (8, 2_000), (16, 4_000), (120, 4_000)] {
            assert_eq!(
                spread(Duration::from_secs(left)),
                Duration::from_millis(apart),
                "{left}"
            );
        }
    }
}
