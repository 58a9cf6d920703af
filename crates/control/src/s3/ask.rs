//! One call on its way through S3: what its checks and its function may look at.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use portcullis_blobs::Blobs;
use portcullis_core::{AccountId, Timestamp};
use portcullis_store::StoreError;
use serde_json::{Map, Value, json};

use super::errors::S3Error;
use super::rows::Row;
use super::target::{Target, host};
use crate::gate::Gate;
use crate::gate::authorize;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::record::{self, Outcome, Recipient, Seams};
use crate::world::records::s3::Bucket;
use crate::world::{Snapshot, Tx, WriteError};

/// How a request was signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedHow {
    /// `s3:authType`
    pub auth_type: &'static str,
    /// When.
    pub at: Timestamp,
}

/// A call.
pub(super) struct Ask<'a> {
    /// The gate of the caller's account.
    pub gate: &'a Gate,
    /// The gate of the bucket's account.
    pub owner: &'a Gate,
    pub row: &'static Row,
    pub call: &'a Call,
    pub target: &'a Target,
    pub parts: &'a http::request::Parts,
    /// The request's XML or JSON, of operations that take one.
    pub document: &'a [u8],
    /// `None` when nobody signed.
    pub signed: Option<SignedHow>,
    /// The picture of the bucket's account that the call was decided on.
    pub decided: Arc<Snapshot>,
    /// Whether the record went with the change.
    pub is_recorded: AtomicBool,
}

impl Ask<'_> {
    pub(super) fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// A header's text; of one that is no text nothing.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The account the bucket belongs to.
    pub(super) fn owner_account(&self) -> &AccountId {
        self.owner.world().account()
    }

    /// Whether the caller is of another account than the bucket, or nobody.
    pub(super) fn is_foreign(&self) -> bool {
        self.call.caller.account != *self.owner_account() || self.call.caller.is_anonymous()
    }

    /// The bucket, in a picture of its account.
    pub(super) fn bucket<'v>(&self, view: &'v Snapshot) -> Result<&'v Bucket, S3Error> {
        let name = self.target.bucket();
        let bucket = view.s3.buckets.get(name);
        bucket
            .map(AsRef::as_ref)
            .ok_or_else(|| S3Error::NoSuchBucket(name.to_owned()))
    }

    /// The bytes of objects.
    pub(super) fn blobs(&self) -> &Blobs {
        self.owner.world().blobs()
    }

    /// Changes the state of the bucket's account: decided again if the picture is another one than that of the decision.
    /// The record of what is no data event goes with it.
    pub(super) async fn change<R>(
        &self,
        mut change: impl FnMut(&mut Tx<'_>) -> Result<R, S3Error>,
    ) -> Result<R, ServiceError> {
        let run = |tx: &mut Tx<'_>| -> Result<R, ServiceError> {
            if self.is_foreign() || tx.view().sequence != self.decided.sequence + 1 {
                self.decide_again(tx.view())?;
            }
            let changed = change(tx)?;
            if !self.row.is_data_event && !self.is_foreign() {
                self.append_record(tx);
            }
            Ok(changed)
        };
        self.owner.world().write(run).await.map_err(|error| match error {
            WriteError::Refused(error) => error,
            WriteError::Store(error) => {
                tracing::error!(%error, operation = self.call.operation, "a change was not kept");
                match error {
                    StoreError::DiskFull => S3Error::NoRoom.into(),
                    _ => S3Error::Internal.into(),
                }
            }
        })
    }

    fn decide_again(&self, owners: &Snapshot) -> Result<(), ServiceError> {
        let checks = (self.row.require)(self, owners)?;
        self.decide(owners, &checks)
    }

    /// Decides checks by the newest policies, under the writers' lock of the bucket's account.
    fn decide(&self, owners: &Snapshot, checks: &[Check]) -> Result<(), ServiceError> {
        if self.call.caller.account == *self.owner_account() {
            self.gate.clear_again(owners, self.call, checks)?;
        } else {
            self.gate
                .clear_again(&self.gate.world().view(), self.call, checks)?;
        }
        Ok(())
    }

    /// The picture by which the caller's calls are decided, if `owners` is the bucket's account's.
    pub(super) fn callers_view(&self, owners: &Arc<Snapshot>) -> Arc<Snapshot> {
        match self.call.caller.account == *self.owner_account() {
            true => Arc::clone(owners),
            false => self.gate.world().view(),
        }
    }

    /// Decides a check by what `callers` shows. A refusal is not remembered.
    pub(super) fn decide_unnoted(&self, callers: &Snapshot, check: &Check) -> Result<(), ServiceError> {
        authorize::authorize(callers, self.call, std::slice::from_ref(check)).map(|_| ())
    }

    fn append_record(&self, tx: &mut Tx<'_>) {
        let seams = Seams {
            random: tx.random,
            vault: tx.vault,
        };
        let outcome = Outcome::Answered(&|| Value::Null);
        let parameters = Some(self.parameters());
        let event = record::event(
            self.call,
            Recipient::caller(self.call),
            true,
            parameters,
            &outcome,
            seams,
        );
        tx.append(event.key, event.document);
        self.is_recorded.store(true, Ordering::Relaxed);
    }

    /// What CloudTrail shows of the request.
    pub(super) fn parameters(&self) -> Value {
        let mut shown = Map::new();
        if let Some(bucket) = &self.target.bucket {
            shown.insert("bucketName".to_owned(), json!(bucket));
        }
        if let Some(key) = &self.target.key {
            shown.insert("key".to_owned(), json!(key));
        }
        shown.insert("Host".to_owned(), json!(host(self.headers(), &self.parts.uri)));
        for mark in self.row.marks {
            let value = self.target.parameter(mark).unwrap_or_default();
            shown.insert((*mark).to_owned(), json!(value));
        }
        if self.row.name == "PutBucketPolicy"
            && let Ok(policy) = serde_json::from_slice(self.document)
        {
            shown.insert("bucketPolicy".to_owned(), policy);
        }
        Value::Object(shown)
    }
}
