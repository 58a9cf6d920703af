//! A control plane small enough for a test: checks every signature, records every call, and speaks what it is told
//! on ACS and TCS.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use portcullis_core::{Secret, SystemClock};
use portcullis_wire::sigv4::{Presented, SigningKey};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

pub const SECRET: &str = "canary-instance-secret";
pub const REGION: &str = "us-west-2";
pub const INSTANCE: &str =
    "arn:aws:ecs:us-west-2:111122223333:container-instance/probe/0123456789abcdef0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(20);

/// What happened at the control plane.
#[derive(Debug)]
pub enum Seen {
    /// An API call.
    Call { operation: String, body: Value },
    /// ACS was opened with this query.
    Opened { query: String, acs: Box<Acs> },
    /// A TCS frame, its JSON part.
    Telemetry(Value),
}

/// An open ACS websocket, control-plane side.
#[derive(Debug)]
pub struct Acs(WebSocketStream<TokioIo<Upgraded>>);

impl Acs {
    pub async fn send(&mut self, kind: &str, message: Value) {
        let frame = json!({"type": kind, "message": message}).to_string();
        self.0.send(Message::text(frame)).await.unwrap();
    }

    /// The next frame.
    pub async fn receive(&mut self) -> Value {
        let message = tokio::time::timeout(PATIENCE, self.0.next())
            .await
            .expect("the agent sends nothing");
        serde_json::from_str(message.unwrap().unwrap().to_text().unwrap()).unwrap()
    }

    pub async fn close(mut self) {
        self.0.close(None).await.unwrap();
    }
}

/// How RegisterContainerInstance is answered.
#[derive(Debug, Clone, Copy, Default)]
pub enum Registration {
    #[default]
    Echo,
    ForgetAttributes,
    Refuse,
}

/// A call of another service than ECS, or of what AWS does not have.
#[derive(Debug)]
pub struct Question {
    /// Access key id.
    pub by: String,
    pub region: String,
    pub service: String,
    /// The operation, or method and path.
    pub asked: String,
    pub body: Value,
}

/// Status and body for a question.
pub type Services = Arc<dyn Fn(&Question) -> (u16, String) + Send + Sync>;

#[derive(Debug)]
pub struct Plane {
    pub url: String,
    seen: mpsc::UnboundedReceiver<Seen>,
    held: Vec<Seen>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Plane {
    pub async fn start(registration: Registration) -> Self {
        Self::with_services(
            registration,
            Arc::new(|question| panic!("nobody answers {question:?}")),
        )
        .await
    }

    /// With other services than ECS.
    pub async fn with_services(registration: Registration, services: Services) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, seen) = mpsc::unbounded_channel();
        let server = Arc::new(Server {
            url: url.clone(),
            registration,
            services,
            seen: Mutex::new(sender),
        });
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let server = Arc::clone(&server);
                        async move { Ok::<_, Infallible>(server.serve(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                });
            }
        });
        Self {
            url,
            seen,
            held: Vec::new(),
            accepting,
        }
    }

    /// Nobody listens any more.
    pub async fn leave(self) {
        self.accepting.abort();
        let _ = self.accepting.await;
    }

    /// Forgets what was seen so far.
    #[cfg(feature = "docker-tests")]
    pub fn forget(&mut self) {
        while self.seen.try_recv().is_ok() {}
        self.held.clear();
    }

    /// The first thing seen that `pick` wants; others wait for their turn.
    async fn expect<T>(&mut self, what: &str, pick: impl Fn(Seen) -> Result<T, Seen>) -> T {
        for index in 0..self.held.len() {
            match pick(self.held.remove(index)) {
                Ok(found) => return found,
                Err(other) => self.held.insert(index, other),
            }
        }
        loop {
            let next = tokio::time::timeout(PATIENCE, self.seen.recv()).await;
            match pick(
                next.unwrap_or_else(|_| panic!("no {what}; seen: {:?}", self.held))
                    .unwrap(),
            ) {
                Ok(found) => return found,
                Err(other) => self.held.push(other),
            }
        }
    }

    /// The body of the next call of that operation.
    pub async fn call(&mut self, name: &str) -> Value {
        self.expect(name, |seen| match seen {
            Seen::Call { operation, body } if operation == name => Ok(body),
            other => Err(other),
        })
        .await
    }

    /// The next STOPPED. A RUNNING whose acknowledgement a killed agent did not note may come before it once more.
    pub async fn stopped(&mut self) -> Value {
        loop {
            let change = self.call("SubmitTaskStateChange").await;
            if change["status"] == "STOPPED" {
                return change;
            }
        }
    }

    /// The next opening of ACS.
    pub async fn acs(&mut self) -> (String, Acs) {
        self.expect("ACS", |seen| match seen {
            Seen::Opened { query, acs } => Ok((query, *acs)),
            other => Err(other),
        })
        .await
    }

    /// The next TCS frame of that type.
    pub async fn telemetry(&mut self, kind: &str) -> Value {
        self.expect(kind, |seen| match seen {
            Seen::Telemetry(frame) if frame["type"] == kind => Ok(frame["message"].clone()),
            other => Err(other),
        })
        .await
    }
}

struct Server {
    url: String,
    registration: Registration,
    services: Services,
    seen: Mutex<mpsc::UnboundedSender<Seen>>,
}

type Reply = Response<Full<Bytes>>;

impl Server {
    fn saw(&self, seen: Seen) {
        let _ = self.seen.lock().unwrap().send(seen);
    }

    async fn serve(self: &Arc<Self>, mut request: Request<Incoming>) -> Reply {
        if request.headers().contains_key("upgrade") {
            let upgrade = hyper::upgrade::on(&mut request);
            let (parts, _) = request.into_parts();
            verify(&parts, b"");
            let accept = derive_accept_key(parts.headers["sec-websocket-key"].as_bytes());
            let server = Arc::clone(self);
            tokio::spawn(async move { server.websocket(parts, upgrade.await.unwrap()).await });
            let switching = Response::builder()
                .status(101)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket");
            return switching
                .header("sec-websocket-accept", accept)
                .body(Full::default())
                .unwrap();
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        verify(&parts, &body);
        if let Some(reply) = self.service(&parts, &body) {
            return reply;
        }
        let target = parts.headers["x-amz-target"].to_str().unwrap();
        let operation = target
            .strip_prefix("AmazonEC2ContainerServiceV20141113.")
            .unwrap()
            .to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let reply = self.answer(&operation, &body);
        self.saw(Seen::Call { operation, body });
        reply
    }

    /// Other services than ECS, and builds of the agent: what the test has for them.
    fn service(&self, parts: &http::request::Parts, body: &[u8]) -> Option<Reply> {
        let (region, service) = scope(parts);
        if service == "ecs" && !parts.uri.path().starts_with("/portcullis/") {
            return None;
        }
        let target = parts.headers.get("x-amz-target");
        let asked = match target {
            Some(target) => {
                let target = target.to_str().unwrap();
                target.rsplit('.').next().unwrap().to_owned()
            }
            None => format!("{} {}", parts.method, parts.uri),
        };
        let question = Question {
            by: signer(parts),
            region,
            service,
            asked: asked.clone(),
            body: serde_json::from_slice(body).unwrap_or_default(),
        };
        let (status, answer) = (self.services)(&question);
        self.saw(Seen::Call {
            operation: asked,
            body: json!({"by": question.by, "region": question.region, "service": question.service, "body": question.body}),
        });
        Some(
            Response::builder()
                .status(status)
                .body(Full::from(answer))
                .unwrap(),
        )
    }

    fn answer(&self, operation: &str, body: &Value) -> Reply {
        let (status, answer) = match (operation, self.registration) {
            ("RegisterContainerInstance", Registration::Refuse) => (
                400,
                json!({"__type": "ClientException", "message": "Cluster not found."}),
            ),
            ("RegisterContainerInstance", registration) => {
                let mut attributes = body["attributes"].as_array().unwrap().clone();
                if matches!(registration, Registration::ForgetAttributes) {
                    attributes.clear();
                }
                attributes.push(json!({"name": "ecs.availability-zone", "value": "us-west-2a"}));
                (
                    200,
                    json!({"containerInstance": {"containerInstanceArn": INSTANCE, "attributes": attributes}}),
                )
            }
            ("DiscoverPollEndpoint", _) => (
                200,
                json!({"endpoint": format!("{}/acs", self.url), "telemetryEndpoint": format!("{}/tcs/", self.url)}),
            ),
            _ => (200, json!({"acknowledgment": "ok"})),
        };
        let reply = Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.1");
        reply.body(Full::from(answer.to_string())).unwrap()
    }

    async fn websocket(&self, parts: http::request::Parts, upgraded: Upgraded) {
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        if parts.uri.path() == "/acs/ws" {
            let query = parts.uri.query().unwrap_or_default().to_owned();
            self.saw(Seen::Opened {
                query,
                acs: Box::new(Acs(socket)),
            });
            return;
        }
        let offer = json!({"type": "PortcullisAuditOffer", "message": {"recordsMax": 10}});
        let _ = socket.send(Message::text(offer.to_string())).await;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let frame = telemetry(&parts, &text);
            let first = &frame["message"]["first"];
            if frame["type"] == "PortcullisAuditRequest" {
                let ack = json!({"type": "AckPortcullisAudit", "message": {"first": first}});
                let _ = socket.send(Message::text(ack.to_string())).await;
            }
            self.saw(Seen::Telemetry(frame));
        }
    }
}

/// Headers, a blank line, JSON; the signature covers the websocket's URL and the JSON.
fn telemetry(opened: &http::request::Parts, text: &str) -> Value {
    let (headers, json) = text.split_once("\r\n\r\n").unwrap();
    let mut request = Request::get(opened.uri.clone());
    for line in headers.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    verify(&request.body(()).unwrap().into_parts().0, json.as_bytes());
    serde_json::from_str(json).unwrap()
}

fn scope(parts: &http::request::Parts) -> (String, String) {
    let presented = Presented::parse(parts).unwrap();
    (
        presented.scope.region.to_string(),
        presented.scope.service.to_string(),
    )
}

fn signer(parts: &http::request::Parts) -> String {
    Presented::parse(parts).unwrap().access_key_id.to_string()
}

/// The instance's key, or that of a role (rig.rs).
fn verify(parts: &http::request::Parts, body: &[u8]) {
    use portcullis_core::Clock as _;
    let presented = Presented::parse(parts).unwrap();
    let (region, service) = scope(parts);
    presented.check(&service, SystemClock.now()).unwrap();
    let secret = match signer(parts).as_str() {
        "AKIDINSTANCE" => SECRET.to_owned(),
        role => format!("canary-sk-{role}"),
    };
    let key = SigningKey::derive(&Secret::new(secret), &presented.scope.date, &region, &service);
    match service.as_str() {
        "s3" => {
            let payload = parts.headers["x-amz-content-sha256"].to_str().unwrap();
            presented.verify_for_s3(&key, parts, payload).unwrap();
        }
        _ => presented.verify(&key, parts, body).unwrap(),
    }
}
