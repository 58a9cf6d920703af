//! Records of calls beside the way of an operation: of changes that belong to none, and of calls that changed nothing.

use portcullis_store::{Change, Store, Txn};
use serde_json::Value;

use super::call::Call;
use super::error::ServiceError;
use super::record::{self, Outcome, Recipient};
use crate::world::{Tx, World, WriteError};

fn seams(world: &World) -> record::Seams<'_> {
    record::Seams {
        random: world.random().as_ref(),
        vault: world.vault(),
    }
}

/// A change that belongs to no operation of a model, whose checks were decided: state and record in one transaction.
pub(crate) async fn change_on_record(
    world: &World,
    call: &Call,
    parameters: Value,
    mut change: impl FnMut(&mut Tx<'_>) -> Result<Value, ServiceError>,
) -> Result<Value, ServiceError> {
    let seams = seams(world);
    let shown = parameters.clone();
    let run = |tx: &mut Tx<'_>| -> Result<Value, ServiceError> {
        let answer = change(tx)?;
        let outcome = Outcome::Answered(&|| answer.clone());
        let recipient = Recipient::caller(call);
        let event = record::event(call, recipient, true, Some(shown.clone()), &outcome, seams);
        tx.append(event.key, event.document);
        Ok(answer)
    };
    let changed = world.write(run).await.map_err(|error| not_made(call, error));
    if let Err(error) = &changed {
        let outcome = Outcome::Refused(error);
        record(
            world,
            call,
            Recipient::caller(call),
            true,
            Some(parameters),
            &outcome,
        )
        .await;
    }
    changed
}

/// What a change that was not made answers: its refusal, or that the store did not keep it.
pub(super) fn not_made(call: &Call, error: WriteError<ServiceError>) -> ServiceError {
    match error {
        WriteError::Refused(error) => error,
        WriteError::Store(error) => {
            tracing::error!(%error, operation = call.operation, "a change was not kept");
            ServiceError::not_kept(call.service, &error)
        }
    }
}

/// Writes a record: in order with all others, without waiting for the disk.
pub(super) async fn record(
    world: &World,
    call: &Call,
    recipient: Recipient<'_>,
    writes: bool,
    parameters: Option<Value>,
    outcome: &Outcome<'_>,
) {
    let event = record::event(call, recipient, writes, parameters, outcome, seams(world));
    let own = Change::put(event.key, event.document);
    let mut along = call.along.end();
    // A caller of another account finds a refusal in the own history.
    let elsewhere = match recipient.account == world.account() {
        true => None,
        false => world.view().neighbours().store(recipient.account),
    };
    match elsewhere {
        None => {
            along.push(own);
            keep(world.store().as_ref(), call, along).await;
        }
        Some(elsewhere) => {
            keep(elsewhere.as_ref(), call, vec![own]).await;
            keep(world.store().as_ref(), call, along).await;
        }
    }
}

async fn keep(store: &dyn Store, call: &Call, records: Vec<Change>) {
    if records.is_empty() {
        return;
    }
    let kept = match store.commit(Txn::of(records).relaxed()) {
        Ok(pending) => pending.await,
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        tracing::error!(%error, operation = call.operation, "an event was not kept");
    }
}
