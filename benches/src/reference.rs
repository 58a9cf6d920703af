//! The reference: a bare hyper server that verifies the same signatures and does nothing else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, Result};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis_core::{Clock as _, Secret, SystemClock};
use portcullis_wire::sigv4::{Presented, Scope, SigningKey};
use tokio::net::TcpListener;

use crate::compare::Target;
use crate::process::{Process, free_address, ourselves};
use crate::subject::connect;
use crate::work::Key;

const ID: &str = "PORTCULLIS_BENCH_KEY_ID";
const SECRET: &str = "PORTCULLIS_BENCH_SECRET";

/// A running reference server.
pub struct Reference {
    process: Process,
    address: SocketAddr,
    key: Key,
}

impl Reference {
    /// Starts one that knows one key, and waits until it listens.
    pub async fn start(key: &Key) -> Result<Self> {
        let address = free_address()?;
        let process = Process::start_tied(&command(key, address)?)?;
        connect(address).await?;
        Ok(Self {
            process,
            address,
            key: key.clone(),
        })
    }

    /// The server as one side of a comparison.
    pub fn target(&self) -> Target<'_> {
        Target {
            process: &self.process,
            address: self.address,
            key: &self.key,
        }
    }
}

/// The command that starts one.
pub fn command(key: &Key, address: SocketAddr) -> Result<Command> {
    let mut command = ourselves("reference")?;
    command
        .arg(address.to_string())
        .env(ID, &key.id)
        .env(SECRET, &key.secret)
        .stdin(Stdio::null());
    Ok(command)
}

/// The reference process: serves until it is killed.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the binary's configuration: the key must not stand in a list of processes"
)]
pub fn child(address: &str) -> Result<()> {
    let known = Known {
        id: std::env::var(ID).context("the reference needs a key")?,
        secret: Secret::new(std::env::var(SECRET).context("the reference needs a secret")?),
        keys: RwLock::default(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(address.parse()?, Arc::new(known)))
}

struct Known {
    id: String,
    secret: Secret,
    /// Derived keys of the scopes seen.
    keys: RwLock<HashMap<Scope, SigningKey>>,
}

async fn serve(address: SocketAddr, known: Arc<Known>) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let known = Arc::clone(&known);
        let service = service_fn(move |request| {
            let known = Arc::clone(&known);
            async move { Ok::<_, Infallible>(known.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl Known {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let verified = match body.collect().await {
            Ok(body) => self.verify(&parts, &body.to_bytes()),
            Err(_) => None,
        };
        let mut response = Response::new(Full::new(Bytes::from_static(b"{}")));
        if verified.is_none() {
            *response.status_mut() = http::StatusCode::FORBIDDEN;
        }
        response
    }

    fn verify(&self, parts: &http::request::Parts, body: &[u8]) -> Option<()> {
        let presented = Presented::parse(parts).ok()?;
        presented
            .check(&presented.scope.service, SystemClock.now())
            .ok()?;
        if presented.access_key_id != self.id {
            return None;
        }
        presented.verify(&self.key(&presented.scope), parts, body).ok()
    }

    fn key(&self, scope: &Scope) -> SigningKey {
        if let Some(key) = self
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(scope)
        {
            return key.clone();
        }
        let key = SigningKey::derive(&self.secret, &scope.date, &scope.region, &scope.service);
        self.keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(scope.clone(), key.clone());
        key
    }
}
