//! Who can be reached, and the sessions there are. In memory: channels and sessions do not outlive the server.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{Random, Secret, Timestamp, hex_id, secret_access_key, uuid};
use portcullis_wire::session::document::{
    AgentTask, Document as _, HEEDS_INPUTS, INTERACTIVE_COMMANDS, OpenChannel as Opening, OrderCommands,
    OrderDocument, OrderProperties, SCHEMA_VERSION, SessionInputs, SessionOrder,
};
use portcullis_wire::session::{AgentMessage, MessageType, PayloadType, flags};
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;

use super::{Container, Permission, Socket};

/// Sessions a container may have at a time (ecs.md 9).
pub(crate) const SESSIONS_MAX: usize = 2;
/// Orders on their way to a host.
const ORDERS_MAX: usize = 4;
/// Digits of a session's id, as AWS has them.
const SESSION_ID_DIGITS: usize = 17;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A session in which nothing is said ends after this long (ecs.md 9).
    pub idle: Duration,
    /// Both ends of a session must be there after this long, and a token is good for as long.
    pub pending: Duration,
    /// How often it is checked whether a session's container still runs, and a channel's role still may.
    pub check: Duration,
    /// A host from which nothing comes for this long, no answer to a ping either, is gone.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(20 * 60),
            pending: Duration::from_secs(60),
            check: Duration::from_secs(1),
            silence: Duration::from_secs(90),
        }
    }
}

/// The channels and sessions of one account.
pub(crate) struct Desk {
    /// How long things may take.
    pub limits: Limits,
    state: Mutex<State>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    /// Tokens of control channels that are to be opened.
    tokens: HashMap<Container, (Secret, Timestamp)>,
    channels: HashMap<Container, Channel>,
    generation: u64,
    sessions: HashMap<String, Session>,
}

struct Channel {
    generation: u64,
    orders: mpsc::Sender<Vec<u8>>,
    /// Whether its host logs and encrypts as orders say.
    heeds_inputs: bool,
}

struct Session {
    subject: Subject,
    begun: Timestamp,
    client: Option<Secret>,
    host: Option<Secret>,
    /// The end that came first.
    waiting: Option<(Side, Socket)>,
    is_joined: bool,
}

/// An end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The plugin or `portcullis exec`.
    Client,
    /// The host of the container.
    Host,
}

/// What a session is about.
#[derive(Clone)]
pub(crate) struct Subject {
    /// Its container.
    pub container: Container,
    /// Whether its caller may still have it.
    pub permission: Permission,
}

/// What a session is to do.
pub(crate) struct Order {
    /// In which container, with whose permission.
    pub subject: Subject,
    /// The command line.
    pub command: String,
    /// Who asked, an ARN.
    pub owner: String,
    /// Where it is logged, and with which key it is encrypted.
    pub inputs: Option<SessionInputs>,
}

/// A session that was made.
#[derive(Debug)]
pub(crate) struct Begun {
    /// `ecs-execute-command-...`
    pub session_id: String,
    /// The client's token.
    pub token: Secret,
}

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotBegun {
    /// The host has no control channel for the container.
    NotConnected,
    /// The container has as many sessions as it may have.
    TooMany,
    /// The host's agent would neither log nor encrypt it.
    Heedless,
}

/// Both ends of a session.
pub(super) struct Pair {
    pub client: Socket,
    pub host: Socket,
}

/// What became of a socket that joined a session.
pub(super) enum Joined {
    /// The other end is not there yet.
    Waits,
    /// Both are there.
    Both(Box<Pair>),
    /// The token is none of this session's, or was used before.
    Stranger(Box<Socket>),
}

/// An open control channel.
pub(super) struct OpenChannel {
    pub generation: u64,
    /// Frames for the host; ends when a newer channel takes this one's place.
    pub orders: mpsc::Receiver<Vec<u8>>,
}

impl Desk {
    /// Nobody is there yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, since: Timestamp, now: Timestamp) -> bool {
        // Calls that run at a time may come here in another order than they began: what is younger than `now` is fresh.
        let age = now.as_millis().saturating_sub(since.as_millis());
        Duration::from_millis(u64::try_from(age).unwrap_or_default()) <= self.limits.pending
    }

    /// A token to open the container's control channel with, once.
    pub fn channel_token(&self, container: &Container, now: Timestamp, random: &dyn Random) -> Secret {
        let token = token(random);
        let mut state = self.state();
        state.tokens.retain(|_, (_, made)| self.is_fresh(*made, now));
        state.tokens.insert(container.clone(), (token.clone(), now));
        token
    }

    /// Opens the container's control channel; the one there is ends.
    pub(super) fn open_channel(
        &self,
        container: &Container,
        opening: &Opening,
        now: Timestamp,
    ) -> Option<OpenChannel> {
        let mut state = self.state();
        let (expected, made) = state.tokens.get(container)?;
        if !is_same(expected, &opening.token_value) || !self.is_fresh(*made, now) {
            return None;
        }
        state.tokens.remove(container);
        state.generation += 1;
        let generation = state.generation;
        let (sender, orders) = mpsc::channel(ORDERS_MAX);
        let channel = Channel {
            generation,
            orders: sender,
            heeds_inputs: opening.heeds.iter().any(|one| one == HEEDS_INPUTS),
        };
        state.channels.insert(container.clone(), channel);
        Some(OpenChannel { generation, orders })
    }

    /// Forgets a channel that has ended, unless a newer one has its place.
    pub(super) fn close_channel(&self, container: &Container, generation: u64) {
        let mut state = self.state();
        let is_this = |channel: &Channel| channel.generation == generation;
        if state.channels.get(container).is_some_and(is_this) {
            state.channels.remove(container);
        }
    }

    /// Makes a session and sends its host the order for it.
    pub fn begin(&self, order: &Order, now: Timestamp, random: &dyn Random) -> Result<Begun, NotBegun> {
        let mut state = self.state();
        let is_alive = |one: &Session| one.is_joined || self.is_fresh(one.begun, now);
        state.sessions.retain(|_, one| is_alive(one));
        let sessions = state.sessions.values();
        if sessions
            .filter(|one| one.subject.container == order.subject.container)
            .count()
            >= SESSIONS_MAX
        {
            return Err(NotBegun::TooMany);
        }
        let digits: String = hex_id(random).chars().take(SESSION_ID_DIGITS).collect();
        let session_id = format!("ecs-execute-command-{digits}");
        let channel = state
            .channels
            .get(&order.subject.container)
            .ok_or(NotBegun::NotConnected)?;
        let demands = order.inputs.as_ref().is_some_and(SessionInputs::is_demanded);
        if demands && !channel.heeds_inputs {
            return Err(NotBegun::Heedless);
        }
        let frame = order_frame(order, &session_id, now, random);
        channel
            .orders
            .try_send(frame)
            .map_err(|_| NotBegun::NotConnected)?;
        let token = token(random);
        let session = Session {
            subject: order.subject.clone(),
            begun: now,
            client: Some(token.clone()),
            host: None,
            waiting: None,
            is_joined: false,
        };
        state.sessions.insert(session_id.clone(), session);
        Ok(Begun { session_id, token })
    }

    /// Whether the session is of this account.
    pub fn knows(&self, session: &str) -> bool {
        self.state().sessions.contains_key(session)
    }

    /// What a session is about.
    pub fn subject(&self, session: &str) -> Option<Subject> {
        let state = self.state();
        state.sessions.get(session).map(|one| one.subject.clone())
    }

    /// A token for the host's end of a session, once.
    pub fn host_token(&self, session: &str, random: &dyn Random) -> Option<Secret> {
        let mut state = self.state();
        let session = state
            .sessions
            .get_mut(session)
            .filter(|one| one.host.is_none() && !one.is_joined)?;
        if session
            .waiting
            .as_ref()
            .is_some_and(|(side, _)| *side == Side::Host)
        {
            return None;
        }
        let token = token(random);
        session.host = Some(token.clone());
        Some(token)
    }

    /// Brings one end of a session, with the token it was given.
    pub(super) fn join(
        &self,
        session: &str,
        side: Side,
        token: &Secret,
        socket: Socket,
        now: Timestamp,
    ) -> Joined {
        let mut state = self.state();
        let Some(found) = state.sessions.get_mut(session) else {
            return Joined::Stranger(Box::new(socket));
        };
        let expected = match side {
            Side::Client => &mut found.client,
            Side::Host => &mut found.host,
        };
        let fits = expected.as_ref().is_some_and(|expected| is_same(expected, token));
        if !fits || !self.is_fresh(found.begun, now) {
            return Joined::Stranger(Box::new(socket));
        }
        *expected = None;
        match found.waiting.take() {
            None => {
                found.waiting = Some((side, socket));
                Joined::Waits
            }
            Some((_, other)) => {
                found.is_joined = true;
                let (client, host) = match side {
                    Side::Client => (socket, other),
                    Side::Host => (other, socket),
                };
                Joined::Both(Box::new(Pair { client, host }))
            }
        }
    }

    /// Gives up a session whose other end has not come; answers the end that waits.
    pub(super) fn give_up(&self, session: &str) -> Option<(Side, Socket)> {
        let mut state = self.state();
        if state.sessions.get(session).is_none_or(|one| one.is_joined) {
            return None;
        }
        state.sessions.remove(session)?.waiting
    }

    /// Forgets a session that is over.
    pub fn end(&self, session: &str) {
        self.state().sessions.remove(session);
    }
}

/// Forty characters nobody guesses.
fn token(random: &dyn Random) -> Secret {
    secret_access_key(random)
}

fn is_same(expected: &Secret, given: &Secret) -> bool {
    expected
        .expose()
        .as_bytes()
        .ct_eq(given.expose().as_bytes())
        .into()
}

fn order_frame(order: &Order, session_id: &str, now: Timestamp, random: &dyn Random) -> Vec<u8> {
    let what = SessionOrder {
        document_name: "AmazonECS-ExecuteInteractiveCommand".to_owned(),
        document_content: OrderDocument {
            schema_version: SCHEMA_VERSION.to_owned(),
            session_type: INTERACTIVE_COMMANDS.to_owned(),
            inputs: order.inputs.clone(),
            properties: OrderProperties {
                linux: OrderCommands {
                    commands: order.command.clone(),
                },
            },
        },
        session_id: session_id.to_owned(),
        session_owner: order.owner.clone(),
    };
    let task = AgentTask {
        content: String::from_utf8_lossy(&what.to_json()).into_owned(),
        task_id: session_id.to_owned(),
        topic: "aws.ssm.shellSession".to_owned(),
        schema_version: 1,
    };
    frame(MessageType::InteractiveShell, task.to_json(), now, random)
}

/// A frame outside any stream.
pub(super) fn frame(kind: MessageType, payload: Vec<u8>, now: Timestamp, random: &dyn Random) -> Vec<u8> {
    let mut id = [0; 16];
    random.fill(&mut id);
    AgentMessage {
        kind,
        created_ms: u64::try_from(now.as_millis()).unwrap_or_default(),
        sequence: 0,
        flags: flags::SYN | flags::FIN,
        id,
        payload_type: PayloadType::Other(0),
        payload,
    }
    .encode()
}

/// A new id for a document.
pub(super) fn document_id(random: &dyn Random) -> String {
    uuid(random)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::SeededRandom;

    use super::*;

    fn container(name: &str) -> Container {
        Container {
            task: "t".to_owned(),
            name: name.to_owned(),
        }
    }

    fn with(token: Secret, heeds: &[&str]) -> Opening {
        Opening {
            message_schema_version: SCHEMA_VERSION.to_owned(),
            request_id: "r".to_owned(),
            token_value: token,
            client_id: None,
            client_version: None,
            heeds: heeds.iter().map(|one| (*one).to_owned()).collect(),
        }
    }

    #[test]
    fn a_call_that_began_earlier_takes_nothing_from_one_that_came_before_it() {
        let (desk, random) = (Desk::new(Limits::default()), SeededRandom::new(1));
        let (app, side, late) = (container("app"), container("side"), Timestamp::from_seconds(10));
        let early = Timestamp::from_seconds(9);
        let token = with(desk.channel_token(&app, late, &random), &[]);
        desk.channel_token(&side, early, &random);
        let channel = desk.open_channel(&app, &token, late).expect("its token is good");
        assert!(desk.open_channel(&app, &token, late).is_none(), "once");
        let order = |owner: &str| Order {
            subject: Subject {
                container: app.clone(),
                permission: Arc::new(|_| true),
            },
            command: "sh".to_owned(),
            owner: owner.to_owned(),
            inputs: None,
        };
        let first = desk.begin(&order("one"), late, &random).unwrap();
        desk.begin(&order("two"), early, &random).unwrap();
        assert!(desk.knows(&first.session_id));
        assert_eq!(channel.orders.len(), 2);
    }

    #[test]
    fn what_a_host_would_not_heed_is_not_ordered_when_it_is_demanded() {
        let log = |is_optional| SessionInputs {
            s3_bucket_name: "logs".to_owned(),
            log_is_optional: is_optional,
            ..Default::default()
        };
        let key = SessionInputs {
            kms_key_id: "alias/k".to_owned(),
            ..log(true)
        };
        for (heeds, inputs, is_begun) in [
            (&[][..], None, true),
            (&[], Some(log(true)), true),
            (&[], Some(log(false)), false),
            (&["other"], Some(key.clone()), false),
            (&[HEEDS_INPUTS], Some(log(false)), true),
            (&["other", HEEDS_INPUTS], Some(key), true),
        ] {
            let (desk, random) = (Desk::new(Limits::default()), SeededRandom::new(1));
            let (app, now) = (container("app"), Timestamp::from_seconds(1));
            let token = desk.channel_token(&app, now, &random);
            let channel = desk.open_channel(&app, &with(token, heeds), now).unwrap();
            let order = Order {
                subject: Subject {
                    container: app,
                    permission: Arc::new(|_| true),
                },
                command: "sh".to_owned(),
                owner: "me".to_owned(),
                inputs: inputs.clone(),
            };
            let begun = desk.begin(&order, now, &random);
            assert_eq!(begun.is_ok(), is_begun, "{heeds:?} {inputs:?}");
            assert_eq!(channel.orders.len(), usize::from(is_begun));
        }
    }

    #[test]
    fn a_token_is_good_for_a_minute() {
        let (desk, random) = (Desk::new(Limits::default()), SeededRandom::new(1));
        for (seconds, is_good) in [(60, true), (61, false)] {
            let token = with(
                desk.channel_token(&container("app"), Timestamp::from_seconds(0), &random),
                &[],
            );
            let opened = desk.open_channel(&container("app"), &token, Timestamp::from_seconds(seconds));
            assert_eq!(opened.is_some(), is_good, "{seconds}");
        }
    }
}
