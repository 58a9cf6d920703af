//! A server in memory, with a clock that stands still and randomness from a seed, and clients that sign.

use std::sync::Arc;

use http::Request;
use http_body_util::BodyExt as _;
use portcullis_api::{cloudtrail, iam};
use portcullis_control::accounts::{Accounts, Doors};
use portcullis_control::agents::hosts;
use portcullis_control::bootstrap::{self, LongTermKey};
use portcullis_control::gate::{Gate, Peer};
use portcullis_control::services;
use portcullis_control::world::World;
use portcullis_control::world::records::ecs::Standing;
use portcullis_core::{AccountId, Clock as _, FixedClock, Secret, SeededRandom, SystemRandom, Timestamp};
use portcullis_store::{Opened, open_in_memory};
use portcullis_wire::agent_proof::{AgentKey, KEY_HEADER, PROOF_HEADER, Subject};
use portcullis_wire::sigv4::Signer;
use portcullis_wire::{ClientError, Operation, Reply};

/// The account of every test.
pub const ACCOUNT: &str = "123456789012";
/// The region clients sign for unless told.
pub const REGION: &str = "us-east-1";
/// When every test begins.
pub const BEGINNING: &str = "2026-11-22T00:00:00Z";

/// What requests that go straight to the gate have as `Host`.
pub const HOST: &str = "127.0.0.1:4566";

/// A server in memory.
pub struct Server {
    /// Its accounts.
    pub accounts: Arc<Accounts>,
    /// The gate of the first account.
    pub gate: Arc<Gate>,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// A client of the root user.
    pub root: Client,
}

/// Signs and sends requests straight to the gate.
#[derive(Clone)]
pub struct Client {
    accounts: Arc<Accounts>,
    clock: Arc<FixedClock>,
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Secret,
    /// The token of temporary credentials.
    pub token: Option<Secret>,
    /// The region to sign for.
    pub region: String,
    /// Where the request seems to come from.
    pub peer: Peer,
}

impl Server {
    /// A fresh account in memory.
    pub async fn start() -> Self {
        Self::start_with(|gate| gate).await
    }

    /// A fresh account in memory, behind a gate of another kind.
    pub async fn start_with(kind: impl Fn(Gate) -> Gate + Send + Sync + 'static) -> Self {
        let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
        let opened = open_in_memory(clock.clone(), Arc::new(SeededRandom::new(1))).unwrap();
        Self::over_with(opened, clock, 1, kind).await
    }

    /// The account in a store.
    pub async fn over(opened: Opened, clock: Arc<FixedClock>) -> Self {
        Self::over_with(opened, clock, 1, |gate| gate).await
    }

    /// The same account after a restart: what is drawn then, by another seed, is new.
    pub async fn over_again(opened: Opened, clock: Arc<FixedClock>, seed: u64) -> Self {
        Self::over_with(opened, clock, seed, |gate| gate).await
    }

    /// The account in a store, behind a gate of some kind.
    pub async fn over_with(
        opened: Opened,
        clock: Arc<FixedClock>,
        seed: u64,
        kind: impl Fn(Gate) -> Gate + Send + Sync + 'static,
    ) -> Self {
        let account: AccountId = ACCOUNT.parse().unwrap();
        let random = Arc::new(SeededRandom::new(seed));
        let world = World::open(account, opened.store, opened.vault, clock.clone(), random).unwrap();
        Self::of(world, clock, kind).await
    }

    /// A fresh account in memory that keeps its images and objects elsewhere.
    #[cfg(feature = "s3")]
    pub async fn keeping(blobs: portcullis_blobs::Blobs, clock: Arc<FixedClock>) -> Self {
        let random = Arc::new(SeededRandom::new(1));
        let opened = open_in_memory(clock.clone(), random.clone()).unwrap();
        let account: AccountId = ACCOUNT.parse().unwrap();
        let world = World::open(account, opened.store, opened.vault, clock.clone(), random).unwrap();
        let logs = portcullis_logs::Logs::in_memory(clock.clone(), portcullis_logs::Options::default());
        let world = world.with_stores(Arc::new(blobs), Arc::new(logs));
        Self::of(world, clock, |gate| gate).await
    }

    async fn of(
        world: World,
        clock: Arc<FixedClock>,
        kind: impl Fn(Gate) -> Gate + Send + Sync + 'static,
    ) -> Self {
        let key = LongTermKey::chosen("AKIAROOT".to_owned(), Secret::new("root-secret")).unwrap();
        bootstrap::account(&world, Some(key.clone()), |_| Ok(()))
            .await
            .unwrap();
        let doors = move |world| Doors::of(kind(Gate::new(world, services::operations())));
        let accounts = Arc::new(Accounts::open(Arc::new(world), Box::new(doors)).unwrap());
        let root = Client {
            accounts: accounts.clone(),
            clock: clock.clone(),
            access_key_id: key.access_key_id().to_owned(),
            secret: key.secret().clone(),
            token: None,
            region: REGION.to_owned(),
            peer: Peer {
                address: "203.0.113.7".to_owned(),
                tls: None,
            },
        };
        let gate = accounts.first().gate.clone();
        Self {
            accounts,
            gate,
            clock,
            root,
        }
    }

    /// A new user with one inline policy, or none when `policy` is empty.
    pub async fn user(&self, name: &str, policy: &str) -> Client {
        let create = iam::CreateUserRequest {
            user_name: name.to_owned(),
            ..Default::default()
        };
        self.root.ok::<iam::op::CreateUser>(&create).await;
        if !policy.is_empty() {
            self.allow(name, "p", policy).await;
        }
        let create = iam::CreateAccessKeyRequest {
            user_name: Some(name.to_owned()),
        };
        let key = self.root.ok::<iam::op::CreateAccessKey>(&create).await.access_key;
        self.root.with(&key.access_key_id, &key.secret_access_key, None)
    }

    /// Puts an inline policy on a user.
    pub async fn allow(&self, user: &str, name: &str, policy: &str) {
        let put = iam::PutUserPolicyRequest {
            user_name: user.to_owned(),
            policy_name: name.to_owned(),
            policy_document: policy.to_owned(),
        };
        self.root.ok::<iam::op::PutUserPolicy>(&put).await;
    }

    /// The records of the region, newest first, as JSON.
    pub async fn records(&self) -> Vec<serde_json::Value> {
        self.root.records().await
    }
}

impl Client {
    /// The same with other credentials.
    pub fn with(&self, access_key_id: &str, secret: &str, token: Option<&str>) -> Self {
        Self {
            access_key_id: access_key_id.to_owned(),
            secret: Secret::new(secret),
            token: token.map(Secret::new),
            ..self.clone()
        }
    }

    /// The same with the root user's key.
    pub fn as_root(&self) -> Self {
        self.with("AKIAROOT", "root-secret", None)
    }

    /// The same signing for another region.
    pub fn region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// Makes a call.
    pub async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, ClientError> {
        let reply = self.send::<O>(input).await;
        let headers: http::HeaderMap = http::Response::<Vec<u8>>::from(reply.clone())
            .into_parts()
            .0
            .headers;
        portcullis_wire::decode_answer::<O>(reply.status, &headers, &reply.body)
    }

    /// Sends a form as it is, signed for a service: status and body.
    pub async fn send_form(&self, service: &str, form: &str) -> (u16, String) {
        let builder = Request::builder()
            .method("POST")
            .uri("http://127.0.0.1:4566/")
            .header("content-type", "application/x-www-form-urlencoded");
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        self.sign(service, &mut parts, form.as_bytes(), self.clock.now());
        let reply = self
            .accounts
            .serve(&parts, form.as_bytes(), self.peer.clone())
            .await;
        (reply.status, String::from_utf8(reply.body).unwrap())
    }

    /// Makes a call as an agent that has a key and calls itself `holder`.
    pub async fn call_with_key<O: Operation>(
        &self,
        key: &AgentKey,
        holder: &str,
        input: &O::Input,
    ) -> Result<O::Output, ClientError> {
        let body = portcullis_wire::encode_request::<O>(input).body;
        let subject = Subject::new(holder, O::META.name, HOST, &body);
        let proof = key.prove(&subject, self.now(), &SystemRandom);
        let headers = [
            (KEY_HEADER, key.public().to_string()),
            (PROOF_HEADER, proof.to_string()),
        ];
        let reply = self.send_with::<O>(input, &headers).await;
        portcullis_wire::decode_reply::<O>(reply.status, &reply.body)
    }

    /// A call that nobody signs, with a proof of a key as `holder`; the raw reply.
    pub async fn unsigned<O: Operation>(&self, proof: &str, input: &O::Input) -> Reply {
        let request = portcullis_wire::encode_request::<O>(input);
        let mut builder = Request::builder()
            .method(request.method)
            .uri(format!("http://{HOST}{}", request.path))
            .header("host", HOST)
            .header(PROOF_HEADER, proof);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        self.accounts
            .serve(&parts, &request.body, self.peer.clone())
            .await
    }

    /// A proof for such a call.
    pub fn proof<O: Operation>(&self, key: &AgentKey, holder: &str, input: &O::Input) -> String {
        let body = portcullis_wire::encode_request::<O>(input).body;
        let subject = Subject::new(holder, O::META.name, HOST, &body);
        key.prove(&subject, self.now(), &SystemRandom).to_string()
    }

    /// Whether an instance's agent waits for an operator.
    pub fn waits(&self, instance: &str) -> bool {
        let view = self.accounts.first().gate.world().view();
        let mut rows = view.ecs.container_instances.iter().map(|(_, row)| row);
        let row = rows.find(|row| row.arn.as_str() == instance).unwrap();
        row.agent.standing() == Standing::Waiting
    }

    /// An operator's word for the agent of a container instance.
    pub async fn approve(&self, instance: &str, source: &str) -> (u16, String) {
        let view = self.accounts.first().gate.world().view();
        let mut rows = view.ecs.container_instances.iter().map(|(_, row)| row);
        let row = rows.find(|row| row.arn.as_str() == instance);
        let key = row.and_then(|row| row.agent.key.clone());
        self.approve_key(instance, source, key.as_deref()).await
    }

    /// An operator's word for the agent that has this key, or none.
    pub async fn approve_key(&self, instance: &str, source: &str, key: Option<&str>) -> (u16, String) {
        let body = serde_json::json!({ "containerInstance": instance, "source": source, "agentKey": key });
        self.hosts("POST", "", body.to_string().as_bytes()).await
    }

    /// A request of an operator about hosts: status and body.
    pub async fn hosts(&self, method: &str, query: &str, body: &[u8]) -> (u16, String) {
        let uri = format!("http://{HOST}{}{query}", hosts::PATH);
        let builder = Request::builder().method(method).uri(uri);
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        self.sign("portcullis", &mut parts, body, self.clock.now());
        let gate = &self.accounts.first().gate;
        let response = hosts::serve(gate, &parts, body, self.peer.clone()).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// Makes a call and answers the raw reply.
    pub async fn send<O: Operation>(&self, input: &O::Input) -> Reply {
        self.send_with::<O>(input, &[]).await
    }

    /// The same with more headers.
    pub async fn send_with<O: Operation>(&self, input: &O::Input, headers: &[(&str, String)]) -> Reply {
        let request = portcullis_wire::encode_request::<O>(input);
        let mut builder = Request::builder()
            .method(request.method)
            .uri(format!("http://{HOST}{}", request.path));
        for (name, value) in request.headers.iter().chain(headers) {
            builder = builder.header(*name, value);
        }
        let (mut parts, ()) = builder.body(()).unwrap().into_parts();
        self.sign(
            O::META.service.signing_name,
            &mut parts,
            &request.body,
            self.clock.now(),
        );
        self.accounts
            .serve(&parts, &request.body, self.peer.clone())
            .await
    }

    /// The records of the account and region, newest first, as JSON.
    pub async fn records(&self) -> Vec<serde_json::Value> {
        let request = cloudtrail::LookupEventsRequest::default();
        let reply = self.ok::<cloudtrail::op::LookupEvents>(&request).await;
        let texts = reply
            .events
            .into_iter()
            .flatten()
            .filter_map(|event| event.cloud_trail_event);
        texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
    }

    /// The server's time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Signs a request by hand.
    pub fn sign(&self, service: &str, parts: &mut http::request::Parts, body: &[u8], now: Timestamp) {
        let signer = Signer {
            access_key_id: &self.access_key_id,
            secret_access_key: &self.secret,
            session_token: self.token.as_ref(),
            region: &self.region,
            service,
        };
        signer.sign(parts, body, now).unwrap();
    }

    /// A call that must succeed.
    pub async fn ok<O: Operation>(&self, input: &O::Input) -> O::Output {
        match self.call::<O>(input).await {
            Ok(output) => output,
            Err(error) => panic!("{}: {error}", O::META.name),
        }
    }

    /// A call that must fail: `CODE: text`, without the authorization id that every refusal must carry.
    pub async fn err<O: Operation>(&self, input: &O::Input) -> String {
        match self.call::<O>(input).await {
            Ok(_) => panic!("{} succeeded", O::META.name),
            Err(error) => without_authorization_id(&error.to_string()).0,
        }
    }
}

/// A text without its authorization id, and that id. Every refusal has one (R174).
pub fn without_authorization_id(text: &str) -> (String, Option<String>) {
    // EC2's refusals end with what sts:DecodeAuthorizationMessage decodes (R177).
    let text = text
        .split_once(". Encoded authorization failure message: ")
        .map_or(text, |(before, _)| before);
    let Some((before, after)) = text.split_once(". Go to https://") else {
        assert!(
            !text.contains(" is not authorized to perform: "),
            "there is no authorization id in: {text}"
        );
        return (text.to_owned(), None);
    };
    let (_, id) = after.rsplit_once(' ').unwrap();
    let (region, _) = after
        .split_once(".console.aws.amazon.com/iam/home?region=")
        .unwrap();
    let whole = portcullis_policy::with_authorization_id(before, region, id);
    assert_eq!(text, whole);
    assert!(
        id.bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase()),
        "{id}"
    );
    (before.to_owned(), Some(id.to_owned()))
}

/// An identity policy with one Allow statement.
pub fn allow(action: &str, resource: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resource }]
    })
    .to_string()
}
