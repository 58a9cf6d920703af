//! A small AWS client: what the quickstart and the demo task call the server with, over the wire like anybody.

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use portcullis_core::{Clock as _, Region, Secret, SystemClock};
use portcullis_wire::sigv4::Signer;
use portcullis_wire::{ClientError, Operation};

/// What records and audit logs show.
const USER_AGENT: &str = concat!("portcullis/", env!("CARGO_PKG_VERSION"));

/// Calls one endpoint with one set of credentials.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    endpoint: String,
    region: Region,
    credentials: Credentials,
}

/// A key to sign with.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// `AKIA...` or `ASIA...`.
    pub access_key_id: String,
    /// Signs; never sent.
    pub secret: Secret,
    /// Present with temporary credentials.
    pub token: Option<Secret>,
}

impl Credentials {
    /// Credentials of these parts.
    pub fn new(access_key_id: impl Into<String>, secret: Secret, token: Option<Secret>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret,
            token,
        }
    }
}

/// A service's error.
#[derive(Debug)]
pub struct Refusal {
    /// AWS's code.
    pub code: String,
    /// AWS's text.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// What a call came back with.
#[derive(Debug)]
pub struct Answer<T> {
    /// The reply or the service's error.
    pub result: Result<T, Refusal>,
    /// The id the server gave the call.
    pub request_id: String,
}

impl Client {
    /// A client for `endpoint`, such as `http://127.0.0.1:4566`.
    pub fn new(endpoint: &str, region: Region, credentials: Credentials) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self {
            http,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            region,
            credentials,
        }
    }

    /// The same endpoint with other credentials.
    pub fn with(&self, credentials: Credentials) -> Self {
        Self {
            credentials,
            ..self.clone()
        }
    }

    /// Makes a call. Fails only when there is no answer at all.
    pub async fn call<O: Operation>(&self, input: &O::Input) -> Result<Answer<O::Output>> {
        let request = portcullis_wire::encode_request::<O>(input);
        let mut builder = Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.endpoint, request.path))
            .header("user-agent", USER_AGENT);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (mut parts, ()) = builder.body(())?.into_parts();
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret_access_key: &self.credentials.secret,
            session_token: self.credentials.token.as_ref(),
            region: self.region.as_str(),
            service: O::META.service.signing_name,
        };
        signer.sign(&mut parts, &request.body, SystemClock.now())?;
        let signed = Request::from_parts(parts, Full::new(Bytes::from(request.body)));
        let response = self
            .http
            .request(signed)
            .await
            .with_context(|| format!("no answer from {} (does the server run there?)", self.endpoint))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let request_id = headers.get("x-amzn-requestid").and_then(|id| id.to_str().ok());
        let request_id = request_id.unwrap_or_default().to_owned();
        let body = response.into_body().collect().await?.to_bytes();
        let result = match portcullis_wire::decode_answer::<O>(status, &headers, &body) {
            Ok(output) => Ok(output),
            Err(ClientError::Service { code, message, .. }) => Err(Refusal { code, message }),
            Err(error) => return Err(error.into()),
        };
        Ok(Answer { result, request_id })
    }

    /// Makes a call that must succeed.
    pub async fn expect<O: Operation>(&self, input: &O::Input) -> Result<O::Output> {
        match self.call::<O>(input).await?.result {
            Ok(output) => Ok(output),
            Err(refusal) => bail!("{} failed: {refusal}", O::META.name),
        }
    }

    /// A signed GET of something that is no operation; the answer's body is still to come. `last_event_id` says where
    /// server-sent events go on.
    pub async fn open(
        &self,
        service: &str,
        path_and_query: &str,
        last_event_id: Option<&str>,
    ) -> Result<Response<Incoming>> {
        let mut builder =
            Request::get(format!("{}{path_and_query}", self.endpoint)).header("user-agent", USER_AGENT);
        if let Some(id) = last_event_id {
            builder = builder.header("last-event-id", id);
        }
        let (mut parts, ()) = builder.body(())?.into_parts();
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret_access_key: &self.credentials.secret,
            session_token: self.credentials.token.as_ref(),
            region: self.region.as_str(),
            service,
        };
        signer.sign(&mut parts, b"", SystemClock.now())?;
        let signed = Request::from_parts(parts, Full::new(Bytes::new()));
        let response = self.http.request(signed).await;
        response.with_context(|| format!("no answer from {} (does the server run there?)", self.endpoint))
    }

    /// A signed POST of JSON to something that is no operation.
    pub async fn send(&self, service: &str, path: &str, body: String) -> Result<Response<Incoming>> {
        let builder = Request::post(format!("{}{path}", self.endpoint))
            .header("user-agent", USER_AGENT)
            .header("content-type", "application/json");
        let (mut parts, ()) = builder.body(())?.into_parts();
        let signer = Signer {
            access_key_id: &self.credentials.access_key_id,
            secret_access_key: &self.credentials.secret,
            session_token: self.credentials.token.as_ref(),
            region: self.region.as_str(),
            service,
        };
        signer.sign(&mut parts, body.as_bytes(), SystemClock.now())?;
        let signed = Request::from_parts(parts, Full::new(Bytes::from(body)));
        let response = self.http.request(signed).await;
        response.with_context(|| format!("no answer from {} (does the server run there?)", self.endpoint))
    }

    /// The `Date` of whatever the server answers to somebody it does not know.
    pub async fn date(&self) -> Result<Option<String>> {
        let request = Request::get(format!("{}/", self.endpoint)).header("user-agent", USER_AGENT);
        let response = self.http.request(request.body(Full::new(Bytes::new()))?).await;
        let response = response.with_context(|| format!("no answer from {}", self.endpoint))?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        Ok(date.map(str::to_owned))
    }

    /// A plain GET, for the credentials endpoint; the status and the body.
    pub async fn get(&self, url: &str, authorization: Option<&str>) -> Result<(u16, String)> {
        let mut builder = Request::get(url).header("user-agent", USER_AGENT);
        if let Some(token) = authorization {
            builder = builder.header("authorization", token);
        }
        let response = self.http.request(builder.body(Full::new(Bytes::new()))?).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
