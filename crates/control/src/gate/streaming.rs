//! Operations whose bodies stream: a request is authenticated by what it says of its body, and its permissions are decided
//! before the body is read. Whoever serves them asks the gate here for all that [`Gate::serve`] does by itself.

use std::sync::Arc;

use http::request::Parts;
use portcullis_core::AccountId;
use portcullis_store::{Change, Txn};
use portcullis_wire::sigv4::{AuthError, Presented, SigningKey};
use serde_json::Value;

use super::Gate;
use super::authenticate::{Authenticated, Signed, SignedBody, Verifier};
use super::authorize;
use super::call::Call;
use super::error::ServiceError;
use super::operation::Check;
use super::record::{self, Outcome, Recipient};
use crate::world::Snapshot;

/// What is kept of a call in event histories.
#[derive(Debug)]
pub(crate) struct Recorded<'a> {
    pub call: &'a Call,
    pub writes: bool,
    pub parameters: Option<Value>,
    /// `Err` when it was refused or failed.
    pub outcome: Result<(), &'a ServiceError>,
    /// Whose resource it was about.
    pub owner: &'a AccountId,
}

/// Checks were decided, and allowed. Only the gate makes one.
#[derive(Debug)]
pub(crate) struct Cleared(());

impl Gate {
    /// Verifies a request by what it says of its body. The key verifies the body's chunks, if it comes in such.
    pub(crate) fn authenticate_claim(
        &self,
        view: &Snapshot,
        presented: &Presented,
        parts: &Parts,
        claim: &str,
    ) -> Result<(Authenticated, SigningKey), AuthError> {
        let verifier = Verifier {
            world: &self.world,
            view,
            keys: &self.keys,
        };
        let body = SignedBody::Claim(claim);
        let who = verifier.verify_presented(presented, Signed { parts, body })?;
        let key = self.keys.kept(presented).ok_or(AuthError::UnknownKey)?;
        Ok((who, key))
    }

    /// Decides the checks of a call by the policies that `view` shows. A refusal is remembered with its reasons.
    pub(crate) fn clear(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        checks: &[Check],
    ) -> Result<Cleared, ServiceError> {
        self.note_attempt_of(call, checks);
        let decided = authorize::authorize(view, call, checks);
        self.note_checks(call, checks, decided.as_ref().ok());
        self.reasons.note(view, call, checks, decided)?;
        Ok(Cleared(()))
    }

    /// Decides again under the writers' lock, when the picture is another one.
    pub(crate) fn clear_again(
        &self,
        view: &Snapshot,
        call: &Call,
        checks: &[Check],
    ) -> Result<Cleared, ServiceError> {
        let decided = authorize::authorize(view, call, checks);
        decided.map(|_| Cleared(())).map_err(|error| {
            let view = Arc::new(view.clone());
            self.reasons.refused(&view, call, checks, error)
        })
    }

    /// Remembers what was refused of one request under one authorization id, which all of it gets. `checks` are the first of
    /// the refused ones.
    pub(crate) fn refused_together<'e>(
        &self,
        view: &Arc<Snapshot>,
        call: &Call,
        checks: &[Check],
        mut errors: impl Iterator<Item = &'e mut ServiceError>,
    ) {
        let Some(first) = errors.next() else { return };
        *first = self.reasons.refused(view, call, checks, first.clone());
        let Some(id) = first.authorization_id() else {
            return;
        };
        for error in errors {
            *error = error
                .clone()
                .with_authorization_id(record::recorded_region(call), id);
        }
    }

    /// The first check's action says what is attempted: of one operation of S3 that is `s3:GetObject`, whatever it is called.
    fn note_attempt_of(&self, call: &Call, checks: &[Check]) {
        let action = checks.first().map(|check| check.action);
        let action = action.and_then(|action| action.split_once(':'));
        self.note_attempt_as(call, action.unwrap_or((call.service.name, call.operation)));
    }

    /// Writes the record of a call, into the caller's history and the owner's. In order with all others, without waiting.
    pub(crate) async fn keep_record(&self, recorded: Recorded<'_>) {
        let Recorded {
            call,
            writes,
            outcome,
            ..
        } = recorded;
        let nothing = || Value::Null;
        let outcome = match outcome {
            Ok(()) => Outcome::Answered(&nothing),
            Err(error) => Outcome::Refused(error),
        };
        if *recorded.owner == call.account {
            return self.record(call, writes, recorded.parameters, &outcome).await;
        }
        let seams = record::Seams {
            random: self.world.random().as_ref(),
            vault: self.world.vault(),
        };
        let shared = portcullis_core::uuid(self.world.random().as_ref());
        for account in [&call.account, recorded.owner] {
            let recipient = Recipient {
                account,
                shared: Some(&shared),
                resources: &[],
            };
            let event = record::event(
                call,
                recipient,
                writes,
                recorded.parameters.clone(),
                &outcome,
                seams,
            );
            let Some(store) = self.world.view().neighbours().store(account) else {
                continue;
            };
            let txn = Txn::of(vec![Change::put(event.key, event.document)]).relaxed();
            if let Err(error) = store.commit(txn) {
                tracing::error!(%error, %account, operation = call.operation, "an event was not kept");
            }
        }
    }
}
