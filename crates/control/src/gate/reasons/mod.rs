//! Why calls were refused (policy-language R174, R175). Every refusal gets an authorization id; what was decided is kept
//! with all that its decision saw, shelved away from the call's own path so that it can be asked for later, also after a
//! restart, and explained when somebody asks.

mod case;
mod details;
mod id;
mod reason;
mod sheet;
mod shelf;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_core::{AccountId, Clock, Random};
use portcullis_store::{Store, Vault};
use portcullis_wire::Protocol;

use super::call::Call;
use super::encoded_message;
use super::error::ServiceError;
use super::operation::{Check, Granted};
use super::policies::home;
use super::record::recorded_region;
use crate::world::Snapshot;

pub use details::Kept;
pub use reason::Reason;
pub use shelf::Limits;

use case::{Case, Dossier};
use details::Whose;
use sheet::{File, Sheet};
use shelf::{Drawer, Shelf};

/// How many calls are remembered in memory.
const REMEMBERED: usize = 256;
/// How many refusals may wait to be shelved; a caller who adds more does the work himself.
const WAITING_MAX: usize = REMEMBERED / 2;
/// How many refusals go to the store at once.
const BATCH: usize = 64;
/// How long refusals are gathered before they go to the store together.
const GATHER: Duration = Duration::from_millis(5);

/// A call as it was decided.
#[derive(Debug)]
struct Decided {
    view: Arc<Snapshot>,
    call: Call,
    asked: Asked,
    /// The authorization id, if it was refused.
    id: Option<String>,
}

/// What was decided.
#[derive(Debug)]
enum Asked {
    /// Policies, for these checks.
    Policies(Vec<Check>),
    /// A rule beside all policies, in the refusal's words.
    Rule { action: String, text: String },
}

/// The remembered calls: refused ones always, allowed ones if asked to.
#[derive(Debug)]
pub struct Reasons {
    /// The last ones, newest last.
    recent: Mutex<VecDeque<Arc<Decided>>>,
    allowed_too: AtomicBool,
    /// Refusals on their way to the shelf.
    waiting: Mutex<Waiting>,
    shelf: Mutex<Shelf>,
    drawer: Drawer,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

#[derive(Debug, Default)]
struct Waiting {
    refusals: VecDeque<Arc<Decided>>,
    /// Whether somebody is putting them on the shelf.
    is_served: bool,
}

impl Reasons {
    /// Over a store, which may hold earlier ones.
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        limits: Limits,
    ) -> Self {
        let drawer = Drawer::new(store, Arc::clone(&vault));
        Self {
            recent: Mutex::default(),
            allowed_too: AtomicBool::new(false),
            waiting: Mutex::default(),
            shelf: Mutex::new(Shelf::new(drawer.clone(), limits)),
            drawer,
            vault,
            clock,
            random,
        }
    }

    /// Remembers allowed calls as well from now on.
    pub fn keep_allowed_too(&self) {
        self.allowed_too.store(true, Ordering::Relaxed);
    }

    /// Remembers a call and the picture it was decided on. A refusal comes back with its authorization id.
    pub(super) fn note(
        self: &Arc<Self>,
        view: &Arc<Snapshot>,
        call: &Call,
        checks: &[Check],
        decided: Result<Granted, ServiceError>,
    ) -> Result<Granted, ServiceError> {
        match decided {
            Ok(granted) => {
                if self.allowed_too.load(Ordering::Relaxed) {
                    self.remember(Decided::of(view, call, Asked::Policies(checks.to_vec()), None));
                }
                Ok(granted)
            }
            Err(error) => Err(self.refused(view, call, checks, error)),
        }
    }

    /// Remembers a refusal, and gives it its authorization id.
    pub(super) fn refused(
        self: &Arc<Self>,
        view: &Arc<Snapshot>,
        call: &Call,
        checks: &[Check],
        error: ServiceError,
    ) -> ServiceError {
        let id = id::new(call.now, self.random.as_ref());
        let mut error = error.with_authorization_id(recorded_region(call), &id);
        if call.service.protocol == Protocol::Ec2Query {
            let encoded = encoded_message::of_refusal(view, call, checks, &self.vault);
            error = error.in_ec2s_words(encoded.as_deref());
        }
        let asked = Asked::Policies(checks.to_vec());
        self.shelve_later(self.remember(Decided::of(view, call, asked, Some(id))));
        error
    }

    /// Remembers a refusal that a rule beside the policies gave, such as those of session credentials, and gives it its
    /// authorization id. What is no refusal, or has its id, is left as it is.
    pub(super) fn refused_by_rule(
        self: &Arc<Self>,
        view: &Arc<Snapshot>,
        call: &Call,
        action: Option<&'static str>,
        error: ServiceError,
    ) -> ServiceError {
        if !error.is_access_denied() || error.authorization_id().is_some() {
            return error;
        }
        let own = || format!("{}:{}", call.service.signing_name, call.operation);
        let asked = Asked::Rule {
            action: action.map_or_else(own, str::to_owned),
            text: error.message().to_owned(),
        };
        let id = id::new(call.now, self.random.as_ref());
        let error = error.with_authorization_id(recorded_region(call), &id);
        self.shelve_later(self.remember(Decided::of(view, call, asked, Some(id))));
        error
    }

    /// Explains a remembered call; empty when it is too long ago.
    pub fn of(&self, request_id: &str) -> Vec<Reason> {
        let found = self.recent(|decided| decided.call.request_id == request_id);
        found.map(|decided| decided.reasons()).unwrap_or_default()
    }

    /// The details of a refusal that somebody of this account met.
    pub fn find(&self, id: &str, account: &AccountId) -> Option<Kept> {
        self.is_in_time(id).then_some(())?;
        // The drawer first: what it keeps does not look at the other accounts of today.
        let waiting = || self.recent(|decided| decided.id.as_deref() == Some(id));
        let kept = match self.drawer.get(id) {
            Some(kept) => kept,
            None => waiting().map(|decided| Kept::of(&Whose::of(&decided.call), decided.reasons()))?,
        };
        (kept.account == *account).then_some(kept)
    }

    /// Who met a refusal, if it was somebody of this account: `Caller::own_id`. Nothing is explained for that.
    pub fn whose(&self, id: &str, account: &AccountId) -> Option<String> {
        self.is_in_time(id).then_some(())?;
        let (of, own_id) = match self.recent(|decided| decided.id.as_deref() == Some(id)) {
            Some(decided) => (decided.call.caller.account.clone(), decided.call.caller.own_id()),
            None => self.drawer.whose(id)?,
        };
        (of == *account).then_some(own_id)
    }

    fn is_in_time(&self, id: &str) -> bool {
        let oldest = self.clock.now().plus_seconds(-shelf::KEPT_SECONDS);
        id::time(id).is_some_and(|time| time >= oldest)
    }

    /// Puts everything that waits on the shelf. Blocks for the store; for an orderly end.
    pub fn settle(&self) {
        let mut last = None;
        loop {
            // Who settles last goes when all is there, also what others have taken up.
            let mut shelf = locked(&self.shelf);
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let sheets = batch
                .iter()
                .filter_map(|decided| self.sheet(decided, &mut last))
                .collect();
            shelf.put(sheets, self.clock.now());
        }
    }

    /// A refusal as it is shelved. `last`: the policies of the one before, which often has the same.
    fn sheet(&self, decided: &Arc<Decided>, last: &mut Option<Filed>) -> Option<Sheet> {
        let id = decided.id.clone()?;
        let Decided {
            view, call, asked, ..
        } = &**decided;
        let (case, file) = match asked {
            Asked::Rule { action, text } => (Case::of_rule(call, action, text), Ok(None)),
            Asked::Policies(checks) => {
                let file = match last.take().filter(|last| last.decided.has_policies_of(decided)) {
                    Some(known) => known.file,
                    None => self.file(decided),
                };
                *last = Some(Filed {
                    decided: Arc::clone(decided),
                    file: file.clone(),
                });
                (Case::of_policies(view, call, checks), file)
            }
        };
        let light = file.ok().and_then(|file| Some((sheet::of_case(&case)?, file)));
        let in_words = || {
            let kept = Kept::of(&Whose::of(call), decided.reasons());
            Some((sheet::of_kept(&kept)?, None))
        };
        let sheet = light.or_else(in_words);
        if sheet.is_none() {
            tracing::error!(id, "a refusal is too heavy to be kept");
        }
        let (bytes, file) = sheet?;
        Some(Sheet { id, bytes, file })
    }

    fn file(&self, decided: &Decided) -> Result<Option<Arc<File>>, TooHeavy> {
        let home = home(&decided.view, &decided.call.caller);
        match Dossier::of(&home, &decided.call) {
            Some(dossier) => {
                let file = File::of(&dossier, &self.vault).ok_or(TooHeavy)?;
                Ok(Some(Arc::new(file)))
            }
            None => Ok(None),
        }
    }

    fn recent(&self, is_meant: impl Fn(&Decided) -> bool) -> Option<Arc<Decided>> {
        let recent = locked(&self.recent);
        recent.iter().rev().find(|decided| is_meant(decided)).cloned()
    }

    fn remember(&self, decided: Decided) -> Arc<Decided> {
        let decided = Arc::new(decided);
        let mut recent = locked(&self.recent);
        if recent.len() >= REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&decided));
        decided
    }

    /// The next to be shelved; when there is none, nobody serves them any more.
    fn next_batch(&self) -> Vec<Arc<Decided>> {
        let mut waiting = locked(&self.waiting);
        let count = waiting.refusals.len().min(BATCH);
        waiting.is_served = count > 0;
        waiting.refusals.drain(..count).collect()
    }

    fn shelve_later(self: &Arc<Self>, decided: Arc<Decided>) {
        let is_crowded = {
            let mut waiting = locked(&self.waiting);
            waiting.refusals.push_back(decided);
            let is_crowded = waiting.refusals.len() > WAITING_MAX;
            if waiting.is_served && !is_crowded {
                return;
            }
            waiting.is_served = true;
            is_crowded
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !is_crowded => {
                let reasons = Arc::clone(self);
                let settle = move || {
                    std::thread::sleep(GATHER);
                    reasons.settle();
                };
                drop(runtime.spawn_blocking(settle));
            }
            _ => self.settle(),
        }
    }
}

/// The policies of a caller are too many to be kept; what follows from them is kept instead.
#[derive(Debug, Clone, Copy)]
struct TooHeavy;

/// A refusal that has been put on its sheet, with its caller's policies; none when one of them cannot be read.
struct Filed {
    decided: Arc<Decided>,
    file: Result<Option<Arc<File>>, TooHeavy>,
}

impl Decided {
    fn of(view: &Arc<Snapshot>, call: &Call, asked: Asked, id: Option<String>) -> Self {
        Self {
            view: Arc::clone(view),
            call: call.clone(),
            asked,
            id,
        }
    }

    /// Whether the same policies speak about the callers of both.
    fn has_policies_of(&self, other: &Self) -> bool {
        let session = |decided: &Self| {
            let session = decided.call.caller.session.as_ref();
            session.filter(|session| session.has_policies()).map(Arc::as_ptr)
        };
        Arc::ptr_eq(&self.view, &other.view)
            && self.call.caller.identity == other.call.caller.identity
            && session(self) == session(other)
    }

    fn reasons(&self) -> Vec<Reason> {
        match &self.asked {
            Asked::Policies(checks) => Reason::of_all(&self.view, &self.call, checks),
            Asked::Rule { action, text } => vec![Reason::of_rule(action, text)],
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
