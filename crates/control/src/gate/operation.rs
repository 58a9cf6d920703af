//! One operation = one function + one row. A row says which checks an operation requires and which function runs
//! it; that function can only be reached with an [`Authorized`] of its own operation.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use portcullis_core::AccountId;
use portcullis_policy::Context;
use portcullis_wire::{Operation, OperationMeta, Payload, Reply, RequestError};
use serde_json::Value;

use super::Gate;
use super::call::Call;
use super::caller::Caller;
use super::error::ServiceError;
use crate::gate::environment::Environment;
use crate::world::compiled::Policy;
use crate::world::records::PolicyText;
use crate::world::records::iam::Role;
use crate::world::{Snapshot, Tx, WriteError};

/// One permission a call needs: all of a call's checks must pass (R139).
#[derive(Debug, Clone)]
pub struct Check {
    /// The IAM action, such as `ecs:RunTask`.
    pub action: &'static str,
    /// The resource as the service names it: an ARN or `*`.
    pub resource: String,
    /// How a refusal names the resource when not by `resource`: IAM prints `user NAME` (R169).
    pub shown_resource: Option<String>,
    /// The service's own keys and the resource's tags.
    pub context: Context,
    /// The policy on the resource: of AssumeRole the role's trust policy.
    pub resource_policy: Option<ResourcePolicy>,
    /// Who alone may, where a permission is not enough.
    pub owner: Option<Owner>,
    /// Whether the call goes on without this permission; the handler asks [`Authorized::may`] then.
    pub optional: bool,
    /// What a refusal says when the caller did not ask for this himself: the words of the service that asks for him.
    pub refusal: Option<ServiceError>,
    /// Whose resource it is, where its ARN does not say: S3's.
    pub account: Option<AccountId>,
}

/// Who alone may.
#[derive(Debug, Clone)]
pub enum Owner {
    /// One caller, to whom a resource belongs.
    Caller {
        /// `Caller::own_id`: tells the caller from every other and stays the same when credentials rotate.
        id: String,
        /// The ARN of what belongs to it.
        resource: String,
        /// What a refusal says after "because".
        because: &'static str,
    },
    /// Nobody at the moment: whoever could lacks what this call would need, such as a proof by its agent's key.
    Nobody {
        /// The ARN of what is kept.
        resource: String,
        /// What a refusal says after "because".
        because: &'static str,
    },
    /// A task, by the credentials that ECS made for it. Sessions that somebody else opened of its role are not it,
    /// whatever their name.
    Task {
        /// Its ARN.
        arn: String,
        /// What a refusal says after "because".
        because: &'static str,
    },
    /// The callers of one account.
    Account {
        /// The account.
        id: AccountId,
        /// The service's own words for everybody else.
        refusal: &'static str,
    },
}

impl Owner {
    /// Whether a caller is the one, or one of those.
    pub(crate) fn is(&self, caller: &Caller) -> bool {
        match self {
            Self::Caller { id, .. } => *id == caller.own_id(),
            Self::Nobody { .. } => false,
            Self::Task { arn, .. } => {
                let session = caller.session.as_ref();
                session.is_some_and(|session| session.task.as_ref().is_some_and(|task| task.as_str() == arn))
            }
            Self::Account { id, .. } => *id == caller.account,
        }
    }
}

/// A policy on the resource itself.
#[derive(Debug, Clone)]
pub struct ResourcePolicy {
    /// Where it hangs, such as a role's ARN.
    pub name: String,
    /// The policy, if there is one to ask.
    pub policy: Result<Arc<Policy>, NoPolicy>,
}

/// Why there is no policy to ask. Whoever calls is refused as by one that allows nobody, so that names cannot be probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NoPolicy {
    /// There is no such role.
    NoRole,
    /// The role's policy no longer parses (R31).
    Unreadable,
}

impl ResourcePolicy {
    /// The trust policy of the role with this ARN, which may not be there.
    pub fn of_role(arn: impl Into<String>, role: Option<&Role>) -> Self {
        let policy = match role {
            Some(role) => role.trust.policy().cloned().ok_or(NoPolicy::Unreadable),
            None => Err(NoPolicy::NoRole),
        };
        let name = arn.into();
        Self { name, policy }
    }

    /// The policy on any other resource; `None` when it has none.
    pub fn of_resource(arn: impl Into<String>, policy: Option<&PolicyText>) -> Option<Self> {
        let policy = policy?.policy().cloned().ok_or(NoPolicy::Unreadable);
        let name = arn.into();
        Some(Self { name, policy })
    }
}

impl Check {
    /// A check without keys of its own.
    pub fn new(action: &'static str, resource: impl Into<String>) -> Self {
        Self {
            action,
            resource: resource.into(),
            shown_resource: None,
            context: Context::default(),
            resource_policy: None,
            owner: None,
            optional: false,
            refusal: None,
            account: None,
        }
    }

    /// Says whose resource it is, where its ARN does not.
    #[must_use]
    pub fn in_account(mut self, account: &AccountId) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// Asks the policy on the resource too, if it has one.
    #[must_use]
    pub fn by(mut self, policy: Option<ResourcePolicy>) -> Self {
        self.resource_policy = policy;
        self
    }

    /// Answers a refusal in the words of the service that asks for its caller.
    #[must_use]
    pub fn refused_as(mut self, refusal: ServiceError) -> Self {
        self.refusal = Some(refusal);
        self
    }

    /// Keeps everybody out but the owner, if there is one.
    #[must_use]
    pub fn only_for(mut self, owner: Option<Owner>) -> Self {
        self.owner = owner;
        self
    }

    /// Whether only a task itself may.
    pub(super) fn is_of_task(&self) -> bool {
        matches!(self.owner, Some(Owner::Task { .. }))
    }

    /// Lets the call go on without this permission.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Adds a context key with one value.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.insert(key, value.into());
        self
    }

    /// Adds a context key with one value, if there is one.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a multi-valued context key.
    #[must_use]
    pub fn with_many(mut self, key: &str, values: Vec<String>) -> Self {
        self.context.insert(key, values);
        self
    }

    /// The account whose resource it is, if the resource says so: another one than the caller's must allow the call
    /// itself (R123).
    pub(super) fn resource_account(&self) -> Option<AccountId> {
        let named = || self.resource.split(':').nth(4)?.parse().ok();
        self.account.clone().or_else(named)
    }

    /// The resource as a refusal names it.
    pub(super) fn shown(&self) -> &str {
        self.shown_resource.as_deref().unwrap_or(&self.resource)
    }

    /// How a refusal names the resource.
    #[must_use]
    pub fn shown_as(mut self, text: impl Into<String>) -> Self {
        self.shown_resource = Some(text.into());
        self
    }
}

/// What the functions that name an operation's checks may look at.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a, I> {
    /// The picture the decision will use.
    pub view: &'a Snapshot,
    /// The call: who, where, when.
    pub call: &'a Call,
    /// The typed input.
    pub input: &'a I,
    /// What may be used beside the picture: the vault, to verify MFA codes.
    pub env: &'a Environment,
}

/// Proof that every check of the operation was allowed. Only the gate makes one.
#[derive(Debug, Clone, Copy)]
pub struct Authorized<'a, O: Operation> {
    input: &'a O::Input,
    call: &'a Call,
    granted: &'a Granted,
    prepared: Option<&'a Prepared>,
}

impl<'a, O: Operation> Authorized<'a, O> {
    /// What the operation's [`Prepare`] made, if it has one.
    pub fn prepared<T: 'static>(&self) -> Option<&'a T> {
        self.prepared.and_then(|prepared| prepared.downcast_ref())
    }

    /// Whether an optional check of this action was allowed.
    pub fn may(&self, action: &str) -> bool {
        self.granted.allows(action)
    }

    /// How an optional check was decided: for calls on several things, each decided by itself. The very question counts,
    /// never its place, and one that the gate did not decide is refused.
    pub fn decided(&self, check: &Check) -> Result<(), ServiceError> {
        let mut decided = self.granted.optional.iter();
        match decided.find(|one| one.is_on(check)) {
            Some(Decided { refusal: None, .. }) => Ok(()),
            Some(Decided {
                refusal: Some(refusal),
                ..
            }) => Err(refusal.clone()),
            None => {
                tracing::warn!(action = check.action, "a check was not decided: refused");
                let caller = self.call.caller.arn();
                let text = format!(
                    "User: {caller} is not authorized to perform: {} on resource: {}",
                    check.action,
                    check.shown()
                );
                Err(ServiceError::access_denied(self.call.service, text))
            }
        }
    }

    /// The typed input.
    pub fn input(&self) -> &'a O::Input {
        self.input
    }

    /// The call: who, where, when.
    pub fn call(&self) -> &'a Call {
        self.call
    }
}

/// Names an operation's checks.
pub type Require<O> = fn(Ask<'_, <O as Operation>::Input>) -> Result<Vec<Check>, ServiceError>;
/// Runs an operation that changes nothing.
pub type Read<O> =
    fn(&Snapshot, &Environment, Authorized<'_, O>) -> Result<<O as Operation>::Output, ServiceError>;
/// Runs an operation that changes state.
pub type Write<O> = fn(&mut Tx<'_>, Authorized<'_, O>) -> Result<<O as Operation>::Output, ServiceError>;
/// Runs an operation whose effect lies beside the picture: log events, the bytes of images and objects. It may wait. The
/// picture it gets is that of the decision.
pub type Act<O> = for<'a> fn(
    &'a Snapshot,
    &'a Environment,
    Authorized<'a, O>,
) -> BoxFuture<'a, Result<<O as Operation>::Output, ServiceError>>;
/// Does what takes long, such as hashing a password, after the decision and before the writers' queue. The picture may
/// be another one when the change is made.
pub type Prepare<O> = fn(&Snapshot, &Environment, Authorized<'_, O>) -> Result<Box<Prepared>, ServiceError>;

/// Does what takes long and lies beside the picture, such as making an upload a blob, after the decision and before the
/// writers' queue. It may wait.
pub type ActFirst<O> = for<'a> fn(
    &'a Snapshot,
    &'a Environment,
    Authorized<'a, O>,
) -> BoxFuture<'a, Result<Box<Prepared>, ServiceError>>;

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotMade {
    /// It may not be.
    Refused,
    /// The store did not keep it.
    NotKept,
}

impl NotMade {
    pub(super) fn of(error: &WriteError<ServiceError>) -> Self {
        match error {
            WriteError::Refused(_) => Self::Refused,
            WriteError::Store(_) => Self::NotKept,
        }
    }
}

/// Takes back what an [`ActFirst`] did, as far as it can be: the change after it was not made.
pub type TakeBack<O> = for<'a> fn(&'a Environment, Authorized<'a, O>, NotMade) -> BoxFuture<'a, ()>;

/// Has what an operation reads brought from elsewhere, after its decision; `None` if all of it is here. It may wait, ask the
/// gate for more permissions and change the picture: the operation is decided again by the new one.
pub(crate) type Bring<O> =
    for<'a> fn(&'a Gate, Authorized<'a, O>) -> BoxFuture<'a, Result<Option<Box<Prepared>>, ServiceError>>;

/// What a [`Prepare`] made for its write, or a [`Bring`] for its read.
pub type Prepared = dyn Any + Send + Sync;

/// Reads the typed input of one operation.
type Decode = Box<dyn Fn(Payload<'_>) -> Result<Box<dyn Decoded>, RequestError> + Send + Sync>;

/// A row of a service's table.
pub struct Row {
    /// What the model says of the operation.
    pub meta: &'static OperationMeta,
    /// The IAM actions the operation may check, for catalogues and coverage tests.
    pub actions: &'static [&'static str],
    /// Whether it changes state.
    pub writes: bool,
    /// Whether its effect lies beside the picture.
    pub(super) acts: bool,
    /// Whether CloudTrail counts it as a data event, which the event history does not keep.
    pub is_data_event: bool,
    decode: Decode,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.meta.name)
    }
}

impl Row {
    /// The same for what CloudTrail counts as a data event: the event history does not keep it.
    #[must_use]
    pub fn as_data_event(mut self) -> Self {
        self.is_data_event = true;
        self
    }

    /// The same for one that waits and changes nothing: CloudTrail says so.
    #[must_use]
    pub fn as_read(mut self) -> Self {
        self.writes = false;
        self
    }

    pub(super) fn decode(&self, payload: Payload<'_>) -> Result<Box<dyn Decoded>, RequestError> {
        (self.decode)(payload)
    }
}

/// A row for an operation that changes nothing.
pub fn read<O: Operation>(actions: &'static [&'static str], require: Require<O>, run: Read<O>) -> Row {
    row::<O>(actions, require, Run::Read(run))
}

/// A row for an operation that reads what may first have to come from elsewhere.
pub(crate) fn read_brought<O: Operation>(
    actions: &'static [&'static str],
    require: Require<O>,
    bring: Bring<O>,
    run: Read<O>,
) -> Row {
    row::<O>(actions, require, Run::ReadBrought(bring, run))
}

/// A row for an operation that changes state.
pub fn write<O: Operation>(actions: &'static [&'static str], require: Require<O>, run: Write<O>) -> Row {
    row::<O>(actions, require, Run::Write(run))
}

/// A row for an operation that changes what lies beside the picture.
pub fn act<O: Operation>(actions: &'static [&'static str], require: Require<O>, run: Act<O>) -> Row {
    row::<O>(actions, require, Run::Act(run, answers::<O>))
}

/// A row for an operation that changes state after something that takes long.
pub fn write_prepared<O: Operation>(
    actions: &'static [&'static str],
    require: Require<O>,
    prepare: Prepare<O>,
    run: Write<O>,
) -> Row {
    row::<O>(actions, require, Run::Prepared(prepare, run))
}

/// A row for an operation that changes what lies beside the picture, and then the picture.
pub fn act_then_write<O: Operation>(
    actions: &'static [&'static str],
    require: Require<O>,
    act: ActFirst<O>,
    run: Write<O>,
    take_back: TakeBack<O>,
) -> Row {
    row::<O>(actions, require, Run::ActThenWrite(act, run, take_back))
}

fn row<O: Operation>(actions: &'static [&'static str], require: Require<O>, run: Run<O>) -> Row {
    let writes = !matches!(run, Run::Read(_) | Run::ReadBrought(..));
    let acts = matches!(run, Run::Act(..));
    let decode = move |payload: Payload<'_>| {
        let input = portcullis_wire::decode_request::<O>(payload)?;
        Ok(Box::new(Typed { input, require, run }) as Box<dyn Decoded>)
    };
    Row {
        meta: O::META,
        actions,
        writes,
        acts,
        is_data_event: false,
        decode: Box::new(decode),
    }
}

enum Run<O: Operation> {
    Read(Read<O>),
    ReadBrought(Bring<O>, Read<O>),
    Act(Act<O>, Answers<O>),
    Write(Write<O>),
    Prepared(Prepare<O>, Write<O>),
    ActThenWrite(ActFirst<O>, Write<O>, TakeBack<O>),
}

impl<O: Operation> Clone for Run<O> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<O: Operation> Copy for Run<O> {}

/// The answer of a handler, still without its envelope.
pub(crate) type Answer = Box<dyn Answered>;

/// An output seen without its type.
pub(crate) trait Answered: Send + Sync {
    /// The reply: the envelope of the protocol around it.
    fn encode(&self, request_id: &str) -> Reply;
    /// The members as the protocol names them.
    fn members(&self) -> Value;
}

struct Output<O: Operation>(O::Output);

impl<O: Operation> Answered for Output<O> {
    fn encode(&self, request_id: &str) -> Reply {
        portcullis_wire::encode_reply::<O>(&self.0, request_id)
    }

    fn members(&self) -> Value {
        portcullis_wire::json::to_value(&self.0)
    }
}

/// A call whose input is typed, seen without its type.
pub(crate) trait Decoded: Send + Sync {
    fn require(&self, view: &Snapshot, env: &Environment, call: &Call) -> Result<Vec<Check>, ServiceError>;
    fn parameters(&self) -> Value;
    /// What has to come before [`read`](Self::read) and has to be waited for; `None` when the operation needs nothing of
    /// the kind.
    fn bring<'a>(
        &'a self,
        granted: &'a Granted,
        gate: &'a Gate,
        call: &'a Call,
    ) -> Option<BoxFuture<'a, Result<Option<Box<Prepared>>, ServiceError>>>;
    /// `None` when the operation writes.
    fn read(
        &self,
        granted: &Granted,
        prepared: Option<&Prepared>,
        view: &Snapshot,
        env: &Environment,
        call: &Call,
    ) -> Option<Result<Answer, ServiceError>>;
    /// `None` when the operation has its effect in the picture, or none.
    fn act<'a>(
        &'a self,
        granted: &'a Granted,
        view: &'a Snapshot,
        env: &'a Environment,
        call: &'a Call,
    ) -> Option<BoxFuture<'a, Result<Answer, ServiceError>>>;
    /// What has to be done before [`write`](Self::write) and has to be waited for; `None` when there is nothing.
    fn act_first<'a>(
        &'a self,
        granted: &'a Granted,
        view: &'a Snapshot,
        env: &'a Environment,
        call: &'a Call,
    ) -> Option<BoxFuture<'a, Result<Box<Prepared>, ServiceError>>>;
    /// What undoes [`act_first`](Self::act_first) when [`write`](Self::write) was refused or not kept; `None` when there is
    /// nothing.
    fn take_back<'a>(
        &'a self,
        granted: &'a Granted,
        prepared: &'a Prepared,
        env: &'a Environment,
        call: &'a Call,
        why: NotMade,
    ) -> Option<BoxFuture<'a, ()>>;
    /// Whether [`prepare`](Self::prepare) has something to do.
    fn takes_long(&self) -> bool;
    /// What has to be done before [`write`](Self::write) and does not need the writers' lock.
    fn prepare(
        &self,
        granted: &Granted,
        view: &Snapshot,
        env: &Environment,
        call: &Call,
    ) -> Result<Option<Box<Prepared>>, ServiceError>;
    /// `None` when the operation only reads.
    fn write(
        &self,
        granted: &Granted,
        prepared: Option<&Prepared>,
        tx: &mut Tx<'_>,
        call: &Call,
    ) -> Option<Result<Answer, ServiceError>>;
}

/// What became of an optional check.
#[derive(Debug)]
pub(crate) struct Decided {
    action: &'static str,
    resource: String,
    context: Context,
    refusal: Option<ServiceError>,
}

impl Decided {
    pub(super) fn of(check: &Check, refusal: Option<ServiceError>) -> Self {
        Self {
            action: check.action,
            resource: check.resource.clone(),
            context: check.context.clone(),
            refusal,
        }
    }

    /// Whether the check asks the same: the version of a secret and the like are keys of its context.
    fn is_on(&self, check: &Check) -> bool {
        self.action == check.action
            && self.resource == check.resource
            && self.context.iter().eq(check.context.iter())
    }
}

/// Made by the gate's decision and by nothing else.
#[derive(Debug)]
pub(crate) struct Granted {
    /// What became of the optional checks.
    pub(super) optional: Vec<Decided>,
    /// Whose resources are used beside those of the caller's account.
    pub(super) other_accounts: Vec<AccountId>,
    /// The ARNs that the record of the call names.
    pub(super) shown_resources: Vec<String>,
}

impl Granted {
    /// Whether an optional check of this action was allowed.
    pub(super) fn allows(&self, action: &str) -> bool {
        let mut decided = self.optional.iter();
        decided.any(|one| one.action == action && one.refusal.is_none())
    }
}

struct Typed<O: Operation> {
    input: O::Input,
    require: Require<O>,
    run: Run<O>,
}

impl<O: Operation> Typed<O> {
    fn authorized<'a>(
        &'a self,
        granted: &'a Granted,
        prepared: Option<&'a Prepared>,
        call: &'a Call,
    ) -> Authorized<'a, O> {
        Authorized {
            input: &self.input,
            call,
            granted,
            prepared,
        }
    }
}

fn answer<O: Operation>(output: O::Output) -> Answer {
    Box::new(Output::<O>(output))
}

/// The outcome of an [`Act`] without its type. It stands in the rows that act, so that no other operation has one
/// compiled.
type Answers<O> = for<'a> fn(
    BoxFuture<'a, Result<<O as Operation>::Output, ServiceError>>,
) -> BoxFuture<'a, Result<Answer, ServiceError>>;

fn answers<O: Operation>(
    acting: BoxFuture<'_, Result<O::Output, ServiceError>>,
) -> BoxFuture<'_, Result<Answer, ServiceError>> {
    Box::pin(async move { acting.await.map(answer::<O>) })
}

impl<O: Operation> Decoded for Typed<O> {
    fn require(&self, view: &Snapshot, env: &Environment, call: &Call) -> Result<Vec<Check>, ServiceError> {
        (self.require)(Ask {
            view,
            call,
            input: &self.input,
            env,
        })
    }

    fn parameters(&self) -> Value {
        portcullis_wire::json::to_value(&self.input)
    }

    fn bring<'a>(
        &'a self,
        granted: &'a Granted,
        gate: &'a Gate,
        call: &'a Call,
    ) -> Option<BoxFuture<'a, Result<Option<Box<Prepared>>, ServiceError>>> {
        let Run::ReadBrought(bring, _) = self.run else {
            return None;
        };
        Some(bring(gate, self.authorized(granted, None, call)))
    }

    fn read(
        &self,
        granted: &Granted,
        prepared: Option<&Prepared>,
        view: &Snapshot,
        env: &Environment,
        call: &Call,
    ) -> Option<Result<Answer, ServiceError>> {
        match self.run {
            Run::Read(run) | Run::ReadBrought(_, run) => {
                Some(run(view, env, self.authorized(granted, prepared, call)).map(answer::<O>))
            }
            Run::Act(..) | Run::Write(_) | Run::Prepared(..) | Run::ActThenWrite(..) => None,
        }
    }

    fn act<'a>(
        &'a self,
        granted: &'a Granted,
        view: &'a Snapshot,
        env: &'a Environment,
        call: &'a Call,
    ) -> Option<BoxFuture<'a, Result<Answer, ServiceError>>> {
        let Run::Act(run, answers) = self.run else {
            return None;
        };
        Some(answers(run(view, env, self.authorized(granted, None, call))))
    }

    fn act_first<'a>(
        &'a self,
        granted: &'a Granted,
        view: &'a Snapshot,
        env: &'a Environment,
        call: &'a Call,
    ) -> Option<BoxFuture<'a, Result<Box<Prepared>, ServiceError>>> {
        let Run::ActThenWrite(act, ..) = self.run else {
            return None;
        };
        Some(act(view, env, self.authorized(granted, None, call)))
    }

    fn take_back<'a>(
        &'a self,
        granted: &'a Granted,
        prepared: &'a Prepared,
        env: &'a Environment,
        call: &'a Call,
        why: NotMade,
    ) -> Option<BoxFuture<'a, ()>> {
        let Run::ActThenWrite(.., take_back) = self.run else {
            return None;
        };
        Some(take_back(
            env,
            self.authorized(granted, Some(prepared), call),
            why,
        ))
    }

    fn takes_long(&self) -> bool {
        matches!(self.run, Run::Prepared(..))
    }

    fn prepare(
        &self,
        granted: &Granted,
        view: &Snapshot,
        env: &Environment,
        call: &Call,
    ) -> Result<Option<Box<Prepared>>, ServiceError> {
        match self.run {
            Run::Prepared(prepare, _) => prepare(view, env, self.authorized(granted, None, call)).map(Some),
            Run::Read(_) | Run::ReadBrought(..) | Run::Act(..) | Run::Write(_) | Run::ActThenWrite(..) => {
                Ok(None)
            }
        }
    }

    fn write(
        &self,
        granted: &Granted,
        prepared: Option<&Prepared>,
        tx: &mut Tx<'_>,
        call: &Call,
    ) -> Option<Result<Answer, ServiceError>> {
        match self.run {
            Run::Write(run) | Run::Prepared(_, run) | Run::ActThenWrite(_, run, _) => {
                Some(run(tx, self.authorized(granted, prepared, call)).map(answer::<O>))
            }
            Run::Read(_) | Run::ReadBrought(..) | Run::Act(..) => None,
        }
    }
}
