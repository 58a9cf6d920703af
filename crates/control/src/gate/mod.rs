//! The one gate. Every call walks one way: who are you, what do you want, may you, do it, write it down.

pub mod agent_claim;
pub(crate) mod along;
mod aside;
pub mod assume;
pub mod authenticate;
pub mod authorize;
pub(crate) mod by_itself;
pub mod call;
pub mod caller;
pub mod context;
pub mod encoded_message;
pub mod environment;
pub mod error;
mod keys;
mod last_use;
pub(crate) mod ledger;
pub(crate) mod on_behalf;
pub mod operation;
pub mod operations;
mod origin;
pub(crate) mod own_door;
pub(crate) mod passing;
pub mod policies;
pub mod reasons;
pub mod record;
mod redact;
pub(crate) mod registry_token;
pub mod session;
pub(crate) mod streaming;
pub mod throttle;
pub(crate) mod unsigned;

use std::sync::Arc;

use http::request::Parts;
use portcullis_core::{Random, uuid};
use portcullis_store::{Change, Txn};
use portcullis_wire::{Payload, Reply, RequestError, Route, Service};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::agents;
use crate::exec::{self, Desk};
use crate::federation::{Authorities, Federation, outbound};
use crate::services::ssm::parameters::PublicParameters;
use crate::upstream::Upstreams;
use crate::world::records::ecs::AlertKind;
use crate::world::records::federation::OutboundFederation;
use crate::world::{Snapshot, Tx, World};
use environment::Environment;
use operations::Operations;

use agent_claim::AgentClaim;
use along::Along;
use authenticate::{Authenticated, Verifier};
use call::{Call, OtherPictures};
use error::ServiceError;
use keys::SigningKeys;
use operation::{Answer, Check, Decoded, Granted, NotMade, Prepared, Row};
use reasons::{Limits, Reason, Reasons};
use record::{Outcome, Recipient};

/// Where a request came from.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address that `aws:SourceIp` shows.
    pub address: String,
    /// What TLS agreed on, if the connection speaks it.
    pub tls: Option<Tls>,
}

/// What a TLS handshake agreed on, in the names CloudTrail uses.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// Such as `TLS_AES_128_GCM_SHA256`.
    pub cipher: String,
}

/// The gate of one server.
#[derive(Debug)]
pub struct Gate {
    world: Arc<World>,
    operations: Operations,
    environment: Environment,
    keys: SigningKeys,
    reasons: Arc<Reasons>,
    federation: Federation,
    throttle: Option<throttle::Throttle>,
    task_session_seconds: i64,
    live_tails: Arc<Semaphore>,
}

/// How many sessions of Live Tail an account may have at a time.
const LIVE_TAILS_MAX: usize = 15;

impl Gate {
    /// A gate before `world`, through which these operations can be reached.
    pub fn new(world: Arc<World>, operations: Operations) -> Self {
        let reasons = Arc::new(Reasons::new(
            Arc::clone(world.store()),
            Arc::clone(world.vault()),
            Arc::clone(world.clock()),
            Arc::clone(world.random()),
            Limits::default(),
        ));
        let environment = Environment {
            reasons: Arc::clone(&reasons),
            vault: Arc::clone(world.vault()),
            random: Arc::clone(world.random()),
            store: Arc::clone(world.store()),
            guesses: Arc::clone(world.guesses()),
            uses: Arc::clone(world.uses()),
            blobs: Arc::clone(world.blobs()),
            images: Arc::clone(world.images()),
            logs: Arc::clone(world.logs()),
            log_keys: Arc::default(),
            public_parameters: Arc::default(),
            exec: Arc::new(Desk::new(exec::Limits::default())),
            upstreams: Arc::default(),
        };
        Self {
            world,
            operations,
            environment,
            keys: SigningKeys::default(),
            reasons,
            federation: Federation::default(),
            throttle: None,
            task_session_seconds: assume::TASK_SESSION_SECONDS,
            live_tails: Arc::new(Semaphore::new(LIVE_TAILS_MAX)),
        }
    }

    /// A place for one more session of Live Tail, if there is one.
    pub(crate) fn live_tail_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.live_tails).try_acquire_owned().ok()
    }

    /// Publishes other parameters than the built-in ones.
    #[must_use]
    pub fn with_public_parameters(mut self, parameters: Arc<PublicParameters>) -> Self {
        self.environment.public_parameters = parameters;
        self
    }

    /// Lets the registry read these other ones.
    #[must_use]
    pub fn with_upstreams(mut self, upstreams: Arc<Upstreams>) -> Self {
        self.environment.upstreams = upstreams;
        self
    }

    /// The other registries that may be read.
    pub(crate) fn upstreams(&self) -> &Arc<Upstreams> {
        &self.environment.upstreams
    }

    /// What operations use beside the picture.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Lets callers make as many calls as AWS lets them, and no more (ecs.md 13).
    #[must_use]
    pub fn with_throttling(mut self, throttle: throttle::Throttle) -> Self {
        self.throttle = Some(throttle);
        self
    }

    /// Gives tasks credentials that live this long, at most [`assume::TASK_SESSION_SECONDS`].
    #[must_use]
    pub fn with_task_session_seconds(mut self, seconds: i64) -> Self {
        self.task_session_seconds = seconds.min(assume::TASK_SESSION_SECONDS);
        self
    }

    /// Verifies identity providers' tokens with these certificate authorities.
    #[must_use]
    pub fn with_authorities(mut self, authorities: Authorities) -> Self {
        self.federation = Federation::new(authorities);
        self
    }

    /// What the account publishes for those who verify its tokens: discovery document and keys. For anybody: there is no
    /// secret in them, and an issuer is named by an id nobody guesses.
    pub fn federation_document(&self, path: &str) -> Option<String> {
        let (id, below) = path.strip_prefix(outbound::PATH)?.split_once('/')?;
        let view = self.world.view();
        let federation = view.outbound_federation.get(OutboundFederation::KEY)?;
        if federation.id != id {
            return None;
        }
        outbound::document(federation, below).map(|document| document.to_string())
    }

    /// Gives Execute Command other times.
    #[must_use]
    pub fn with_exec_limits(mut self, limits: exec::Limits) -> Self {
        self.environment.exec = Arc::new(Desk::new(limits));
        self
    }

    /// The channels and sessions of Execute Command.
    pub(crate) fn exec(&self) -> &Arc<Desk> {
        &self.environment.exec
    }

    /// The state behind the gate.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// Remembers allowed calls for [`why`](Self::why) as well, not only refused ones. Costs a little on every call.
    pub fn explain_allowed_too(&self) {
        self.reasons.keep_allowed_too();
    }

    /// Why the checks of a recent refused call were decided as they were; empty when it is too long ago.
    pub fn why(&self, request_id: &str) -> Vec<Reason> {
        self.reasons.of(request_id)
    }

    /// Writes down what calls have left to be written. Blocks for the store; for an orderly end, when no call runs any
    /// more.
    pub fn settle(&self) {
        self.reasons.settle();
    }

    /// Serves one request, from its bytes to the reply's.
    pub async fn serve(&self, parts: &Parts, body: &[u8], peer: Peer) -> Reply {
        self.serve_of(self, parts, body, peer).await
    }

    /// The same for a request about this account's resources whose caller's account is perhaps another one: `home` verifies
    /// who it is.
    pub(crate) async fn serve_of(&self, home: &Self, parts: &Parts, body: &[u8], peer: Peer) -> Reply {
        let request_id = uuid(self.world.random().as_ref());
        let route = match portcullis_wire::route(portcullis_api::SERVICES, parts, body) {
            Ok(route) => route,
            Err(error) => return error.reply(&request_id),
        };
        match self.admit(home, &route, parts, body, peer, &request_id).await {
            Ok((answer, _)) => answer.encode(&request_id),
            Err(error) => portcullis_wire::encode_error(route.service, &error.reply(), &request_id),
        }
    }

    /// Serves a request whose answer goes on after its operation: the call that was let in, or the whole reply to one that
    /// was not.
    pub(crate) async fn admitted(&self, parts: &Parts, body: &[u8], peer: Peer) -> Result<Call, Reply> {
        let request_id = uuid(self.world.random().as_ref());
        let route = portcullis_wire::route(portcullis_api::SERVICES, parts, body);
        let route = route.map_err(|error| error.reply(&request_id))?;
        let admitted = self.admit(self, &route, parts, body, peer, &request_id).await;
        let refused =
            |error: ServiceError| portcullis_wire::encode_error(route.service, &error.reply(), &request_id);
        admitted.map(|(_, call)| call).map_err(refused)
    }

    async fn admit(
        &self,
        home: &Self,
        route: &Route<'_>,
        parts: &Parts,
        body: &[u8],
        peer: Peer,
        request_id: &str,
    ) -> Result<(Answer, Call), ServiceError> {
        let who = if unsigned::takes_no_signature(route) {
            self.by_token(route, parts).await?
        } else {
            home.authenticate(&home.world.view(), route.service, parts, body)?
        };
        let view = self.world.view();
        let mut call = self.call(who, route.service, route.operation, parts, peer, request_id);
        call.agent = AgentClaim::read(parts, body);
        let outcome = match self.throttle_call(&call) {
            Ok(()) => self.decode_and_run(&view, &call, route.payload).await,
            Err(error) => {
                let row = self.operations.get(call.service.name, call.operation);
                let writes = row.is_some_and(|row| row.writes);
                self.record(&call, writes, None, &Outcome::Refused(&error)).await;
                Err(error)
            }
        };
        self.sound_alarm(&call, outcome.as_ref().err()).await;
        if let Err(error) = &outcome {
            tracing::debug!(caller = %call.caller.arn(), operation = call.operation, %error, "refused");
        }
        outcome.map(|answer| (answer, call))
    }

    /// Verifies who sent a request; also for requests that are no operation, such as websocket upgrades.
    pub fn authenticate(
        &self,
        view: &Snapshot,
        service: &'static Service,
        parts: &Parts,
        body: &[u8],
    ) -> Result<Authenticated, ServiceError> {
        Verifier {
            world: &self.world,
            view,
            keys: &self.keys,
        }
        .authenticate(service, parts, body)
    }

    /// Whether a request whose body is not there yet may be who it says, as far as its head tells.
    pub(crate) fn check_claim(&self, service: &'static Service, parts: &Parts) -> Result<(), ServiceError> {
        let view = self.world.view();
        let verifier = Verifier {
            world: &self.world,
            view: &view,
            keys: &self.keys,
        };
        verifier.check_claim(service, parts)
    }

    /// The facts of a call.
    pub fn call(
        &self,
        who: Authenticated,
        service: &'static Service,
        operation: &'static str,
        parts: &Parts,
        peer: Peer,
        request_id: &str,
    ) -> Call {
        let header = |name: &str| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        Call {
            account: self.world.view().account.clone(),
            caller: who.caller,
            region: who.region,
            service,
            operation,
            now: self.world.clock().now(),
            request_id: request_id.to_owned(),
            source_ip: peer.address,
            user_agent: header("user-agent"),
            referer: header("referer"),
            tls: peer.tls,
            host: header("host"),
            agent: None,
            others: OtherPictures::default(),
            along: Along::default(),
        }
    }

    /// The facts of a websocket upgrade, which has no body.
    pub fn upgrade_call(
        &self,
        who: Authenticated,
        service: &'static Service,
        operation: &'static str,
        parts: &Parts,
        peer: Peer,
        request_id: &str,
    ) -> Call {
        let mut call = self.call(who, service, operation, parts, peer, request_id);
        call.agent = AgentClaim::read(parts, b"");
        call
    }

    /// Decides checks that belong to no operation of a model, such as `ecs:Poll`, and records the refusal.
    pub async fn check(&self, call: &Call, checks: &[Check]) -> Result<(), ServiceError> {
        let view = self.world.view();
        self.note_attempt(call, None);
        let decided = authorize::authorize(&view, call, checks);
        self.note_checks(call, checks, decided.as_ref().ok());
        let decided = self.reasons.note(&view, call, checks, decided).map(|_| ());
        if let Err(error) = &decided {
            self.record(call, true, None, &Outcome::Refused(error)).await;
        }
        self.sound_alarm(call, decided.as_ref().err()).await;
        decided
    }

    /// Tells the operators of a caller who was refused because it acted as somebody else's agent.
    async fn sound_alarm(&self, call: &Call, error: Option<&ServiceError>) {
        let Some((error, arn)) = error.and_then(|error| Some((error, error.trespass()?))) else {
            return;
        };
        let kind = AlertKind::AgentIdentityRefused;
        agents::alarm::raise(&self.world, call, arn, kind, error.message()).await;
    }

    /// Whether what `call` was allowed still is, and its credentials still good, for what goes on after it: a connection, a
    /// session. As of now, which is none of the caller's matter. No record, no reasons.
    pub fn still_allows(&self, call: &Call, checks: &[Check]) -> bool {
        let (view, now) = (self.world.view(), self.world.clock().now());
        // ECS renews a task's credentials as long as the task runs: what is the task's alone goes on with them.
        let is_renewed = checks.iter().any(Check::is_of_task);
        if !call.caller.is_alive(&view, call.now) || (call.caller.is_expired(now) && !is_renewed) {
            return false;
        }
        let others = OtherPictures::default();
        let call = Call {
            now,
            others,
            ..call.clone()
        };
        authorize::authorize(&view, &call, checks).is_ok()
    }

    async fn decode_and_run(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        payload: Payload<'_>,
    ) -> Result<Answer, ServiceError> {
        let row = self.operations.get(call.service.name, call.operation);
        self.run(view, call, row, payload).await
    }

    async fn run(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        row: Option<&Row>,
        payload: Payload<'_>,
    ) -> Result<Answer, ServiceError> {
        self.note_attempt(call, row);
        let prepared = prepare(row, call, payload);
        let prepared = prepared.and_then(|(row, decoded)| {
            self.throttle_launch(call, decoded.as_ref())?;
            Ok((row, decoded))
        });
        let outcome = match prepared {
            Ok((row, decoded)) if row.acts => self.act(view, call, row, decoded.as_ref()).await,
            Ok((row, decoded)) if row.writes => self.change(view, call, decoded.as_ref()).await,
            Ok((row, decoded)) => self.look(view, call, row, decoded.as_ref()).await,
            Err(error) => Err(error),
        };
        call.others.forget();
        let action = row.and_then(|row| row.actions.first()).copied();
        let outcome = outcome.map_err(|error| self.reasons.refused_by_rule(view, call, action, error));
        if let Err(error) = &outcome {
            let writes = row.is_some_and(|row| row.writes);
            if !row.is_some_and(|row| row.is_data_event) {
                self.record(call, writes, None, &Outcome::Refused(error)).await;
            }
        }
        outcome
    }

    fn throttle_call(&self, call: &Call) -> Result<(), ServiceError> {
        self.throttle
            .as_ref()
            .map_or(Ok(()), |throttle| throttle.call(call))
    }

    /// What only the input tells: how many tasks are to be launched where.
    fn throttle_launch(&self, call: &Call, decoded: &dyn Decoded) -> Result<(), ServiceError> {
        let throttle = self.throttle.as_ref();
        let launching = throttle.filter(|_| throttle::Throttle::is_launch(call));
        launching.map_or(Ok(()), |throttle| throttle.launch(call, &decoded.parameters()))
    }

    /// An operation that changes nothing: decided and answered from one picture.
    async fn look(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        row: &Row,
        decoded: &dyn Decoded,
    ) -> Result<Answer, ServiceError> {
        let granted = self.grant(view, call, decoded)?;
        if let Some(bringing) = decoded.bring(&granted, self, call)
            && let Some(brought) = bringing.await?
        {
            return self.look_again(call, row, decoded, brought.as_ref()).await;
        }
        if !row.is_data_event {
            call.along.begin();
        }
        self.answer_by(view, call, row, decoded, &granted, None).await
    }

    /// The same by the picture of now, which has what was brought for the operation.
    async fn look_again(
        &self,
        call: &Call,
        row: &Row,
        decoded: &dyn Decoded,
        brought: &Prepared,
    ) -> Result<Answer, ServiceError> {
        call.others.forget();
        let view = self.world.view();
        let granted = self.grant(&view, call, decoded)?;
        self.answer_by(&view, call, row, decoded, &granted, Some(brought))
            .await
    }

    /// Reads what was granted, and puts it on record.
    async fn answer_by(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        row: &Row,
        decoded: &dyn Decoded,
        granted: &Granted,
        brought: Option<&Prepared>,
    ) -> Result<Answer, ServiceError> {
        let answer = decoded
            .read(granted, brought, view, &self.environment, call)
            .ok_or_else(|| ServiceError::internal(call.service))??;
        self.record_done(call, granted, row, decoded, answer.as_ref())
            .await;
        Ok(answer)
    }

    /// An operation whose effect lies beside the picture: decided by one picture, then done.
    async fn act(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        row: &Row,
        decoded: &dyn Decoded,
    ) -> Result<Answer, ServiceError> {
        let granted = self.grant(view, call, decoded)?;
        let acting = decoded.act(&granted, view, &self.environment, call);
        let answer = acting
            .ok_or_else(|| ServiceError::internal(call.service))?
            .await?;
        self.record_done(call, &granted, row, decoded, answer.as_ref())
            .await;
        Ok(answer)
    }

    /// Writes the record of a call that left the picture as it was; of data events there is none.
    async fn record_done(
        &self,
        call: &Call,
        granted: &Granted,
        row: &Row,
        decoded: &dyn Decoded,
        answer: &dyn operation::Answered,
    ) {
        if row.is_data_event {
            return;
        }
        let outcome = Outcome::Answered(&|| answer.members());
        let shared = shared_event_id(call, granted, self.world.random().as_ref());
        let recipient = Recipient {
            account: &call.account,
            shared: shared.as_deref(),
            resources: &granted.shown_resources,
        };
        let parameters = decoded.parameters();
        if !granted.other_accounts.is_empty() {
            self.record_elsewhere(call, granted, (row.writes, recipient), &parameters, answer);
        }
        self.record_for(call, recipient, row.writes, Some(parameters), &outcome)
            .await;
    }

    /// What an operation does between its decision and the writers' queue.
    async fn before_writing(
        &self,
        granted: &Granted,
        view: &Snapshot,
        call: &Call,
        decoded: &dyn Decoded,
    ) -> Result<Option<Box<Prepared>>, ServiceError> {
        if let Some(acting) = decoded.act_first(granted, view, &self.environment, call) {
            return acting.await.map(Some);
        }
        if !decoded.takes_long() {
            return Ok(None);
        }
        let _turn = aside::turn().await;
        aside::run(|| decoded.prepare(granted, view, &self.environment, call))
    }

    /// An operation that changes state. Decided before the writers' queue, so that the refused never enter it, and
    /// again inside when somebody else changed the picture: nothing may come between decision and effect.
    async fn change(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        decoded: &dyn Decoded,
    ) -> Result<Answer, ServiceError> {
        let mut granted = self.grant(view, call, decoded)?;
        let prepared = self.before_writing(&granted, view, call, decoded).await?;
        let seams = record::Seams {
            random: self.world.random().as_ref(),
            vault: self.world.vault(),
        };
        let parameters = decoded.parameters();
        let elsewhere = (!granted.other_accounts.is_empty()).then(|| parameters.clone());
        let mut shared = None;
        let run = |tx: &mut Tx<'_>| -> Result<Answer, ServiceError> {
            if tx.view().sequence != view.sequence + 1 {
                call.others.forget();
                let checks = decoded.require(tx.view(), &self.environment, call)?;
                granted = authorize::authorize(tx.view(), call, &checks).map_err(|error| {
                    let view = Arc::new(tx.view().clone());
                    self.reasons.refused(&view, call, &checks, error)
                })?;
            }
            let answer = decoded
                .write(&granted, prepared.as_deref(), tx, call)
                .ok_or_else(|| ServiceError::internal(call.service))??;
            let members = || answer.members();
            let outcome = Outcome::Answered(&members);
            shared = shared_event_id(call, &granted, tx.random);
            let resources = record::used_by(call, &granted.shown_resources, &members);
            let recipient = Recipient {
                account: &call.account,
                shared: shared.as_deref(),
                resources: &resources,
            };
            let event = record::event(call, recipient, true, Some(parameters), &outcome, seams);
            tx.append(event.key, event.document);
            Ok(answer)
        };
        let changed = self.world.write(run).await;
        if let (Ok(answer), Some(parameters)) = (&changed, elsewhere) {
            let recipient = Recipient {
                account: &call.account,
                shared: shared.as_deref(),
                resources: &granted.shown_resources,
            };
            self.record_elsewhere(call, &granted, (true, recipient), &parameters, answer.as_ref());
        }
        if let Err(error) = &changed
            && let Some(prepared) = prepared.as_deref()
            && let why = NotMade::of(error)
            && let Some(undoing) = decoded.take_back(&granted, prepared, &self.environment, call, why)
        {
            undoing.await;
        }
        changed.map_err(|error| ledger::not_made(call, error))
    }

    /// A change that belongs to no operation of a model, whose checks were decided: state and record in one transaction.
    pub(crate) async fn change_on_record(
        &self,
        call: &Call,
        parameters: Value,
        change: impl FnMut(&mut Tx<'_>) -> Result<Value, ServiceError>,
    ) -> Result<Value, ServiceError> {
        ledger::change_on_record(&self.world, call, parameters, change).await
    }

    fn grant(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        decoded: &dyn Decoded,
    ) -> Result<operation::Granted, ServiceError> {
        let checks = decoded.require(view, &self.environment, call)?;
        let decided = authorize::authorize(view, call, &checks);
        self.note_checks(call, &checks, decided.as_ref().ok());
        self.reasons.note(view, call, &checks, decided)
    }

    /// Writes the record of a call into the histories of the other accounts whose resources it used; given whether it
    /// changed anything, and the record's own recipient.
    fn record_elsewhere(
        &self,
        call: &Call,
        granted: &operation::Granted,
        (writes, own): (bool, Recipient<'_>),
        parameters: &Value,
        answer: &dyn operation::Answered,
    ) {
        let view = self.world.view();
        let members = || answer.members();
        for account in &granted.other_accounts {
            let Some(store) = view.neighbours().store(account) else {
                continue;
            };
            let seams = record::Seams {
                random: self.world.random().as_ref(),
                vault: self.world.vault(),
            };
            let outcome = Outcome::Answered(&members);
            let recipient = Recipient { account, ..own };
            let event = record::event(call, recipient, writes, Some(parameters.clone()), &outcome, seams);
            let txn = Txn::of(vec![Change::put(event.key, event.document)]).relaxed();
            if let Err(error) = store.commit(txn) {
                tracing::error!(%error, %account, operation = call.operation, "an event was not kept");
            }
        }
    }

    /// Writes the record of a call that changed nothing: in order with all others, without waiting for the disk.
    pub(crate) async fn record(
        &self,
        call: &Call,
        writes: bool,
        parameters: Option<Value>,
        outcome: &Outcome<'_>,
    ) {
        self.record_for(call, Recipient::caller(call), writes, parameters, outcome)
            .await;
    }

    async fn record_for(
        &self,
        call: &Call,
        recipient: Recipient<'_>,
        writes: bool,
        parameters: Option<Value>,
        outcome: &Outcome<'_>,
    ) {
        ledger::record(&self.world, call, recipient, writes, parameters, outcome).await;
    }
}

/// Services' calls and those on resources of other accounts are in several histories.
fn shared_event_id(call: &Call, granted: &operation::Granted, random: &dyn Random) -> Option<String> {
    let is_shared = !granted.other_accounts.is_empty() || call.caller.service_principal().is_some();
    is_shared.then(|| uuid(random))
}

/// What can be said of a call before anything is decided: whether there is such an operation, whether these
/// credentials may ever call it, and whether the input is well-formed.
fn prepare<'a>(
    row: Option<&'a Row>,
    call: &Call,
    payload: Payload<'_>,
) -> Result<(&'a Row, Box<dyn Decoded>), ServiceError> {
    let row = row.ok_or_else(|| ServiceError::unsupported(call.service, call.operation))?;
    session::limits(call)?;
    let decoded = row
        .decode(payload)
        .map_err(|error| malformed(call.service, &error))?;
    Ok((row, decoded))
}

fn malformed(service: &'static Service, error: &RequestError) -> ServiceError {
    ServiceError::from_reply(error.reply(service))
}
