//! What is kept: one struct per kind of document, stored as JSON under `<kind>/<key>`.

/// A kind of document: its type, its kind, its table, its key, and what keeps derived tables in step.
macro_rules! record {
    ($type:ty, $kind:literal, $table:ident, |$row:ident| $key:expr $(, $reindex:path)?) => {
        impl Record for $type {
            const KIND: &'static str = $kind;
            fn key(&self) -> String {
                let $row = self;
                $key
            }
            fn table(snapshot: &$crate::world::Snapshot) -> &$crate::world::Table<Self> {
                &snapshot.$table
            }
            fn table_mut(snapshot: &mut $crate::world::Snapshot) -> &mut $crate::world::Table<Self> {
                &mut snapshot.$table
            }
            $(fn reindex(snapshot: &mut $crate::world::Snapshot, before: Option<&Self>, after: Option<&Self>) {
                $reindex(snapshot, before, after);
            })?
        }
    };
}

pub mod account;
pub mod credentials;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod federation;
pub mod iam;
pub mod kms;
pub mod logs;
pub mod organization;
pub mod parameters;
mod policy;
pub mod s3;
pub mod saml;
mod sealed;
pub mod secrets;
pub mod settings;
pub mod ssm;
pub mod uses;

use std::sync::Arc;

use portcullis_store::{Store, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use policy::PolicyText;
pub use sealed::Sealed;

use super::changes::Changed;
use super::snapshot::Snapshot;
use super::table::Table;

/// A kind of document. The key has no prefix; slashes separate its parts, so that prefixes select subsets.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + Sized + 'static {
    /// The first part of the store key; never changes once released.
    const KIND: &'static str;

    /// The rest of the store key.
    fn key(&self) -> String;

    /// Where the picture keeps rows of this kind.
    fn table(snapshot: &Snapshot) -> &Table<Self>;

    /// The same, to change it.
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self>;

    /// Keeps derived tables of the picture in step; called with the row before and after each change.
    fn reindex(_snapshot: &mut Snapshot, _before: Option<&Self>, _after: Option<&Self>) {}

    /// The change as the event bus wants to know it; `None` for kinds that raise no events.
    fn changed(_before: Option<&Arc<Self>>, _after: Option<&Arc<Self>>) -> Option<Changed> {
        None
    }
}

/// Fills the picture from the store, one kind after the other.
pub(super) fn load_all(snapshot: &mut Snapshot, store: &dyn Store) -> Result<(), StoreError> {
    load::<account::Account>(snapshot, store)?;
    load::<organization::Organization>(snapshot, store)?;
    load::<organization::MemberAccount>(snapshot, store)?;
    load::<iam::User>(snapshot, store)?;
    load::<iam::Group>(snapshot, store)?;
    load::<iam::Role>(snapshot, store)?;
    load::<iam::ManagedPolicy>(snapshot, store)?;
    load::<iam::InstanceProfile>(snapshot, store)?;
    load::<iam::MfaDevice>(snapshot, store)?;
    load::<iam::AccessKey>(snapshot, store)?;
    load::<iam::Revocation>(snapshot, store)?;
    load::<uses::KeyUse>(snapshot, store)?;
    load::<uses::ServiceUse>(snapshot, store)?;
    load::<uses::UseReport>(snapshot, store)?;
    load::<credentials::LoginProfile>(snapshot, store)?;
    load::<credentials::SshKey>(snapshot, store)?;
    load::<credentials::ServiceCredential>(snapshot, store)?;
    load::<credentials::SigningCertificate>(snapshot, store)?;
    load::<credentials::ServerCertificate>(snapshot, store)?;
    load::<saml::SamlProvider>(snapshot, store)?;
    load::<settings::AccountProfile>(snapshot, store)?;
    load::<settings::CredentialReport>(snapshot, store)?;
    load::<settings::RoleDeletion>(snapshot, store)?;
    load::<federation::OidcProvider>(snapshot, store)?;
    load::<federation::OutboundFederation>(snapshot, store)?;
    load::<kms::Key>(snapshot, store)?;
    load::<kms::Alias>(snapshot, store)?;
    load::<kms::Grant>(snapshot, store)?;
    load::<ssm::Activation>(snapshot, store)?;
    load::<ssm::ManagedInstance>(snapshot, store)?;
    load::<logs::LogGroup>(snapshot, store)?;
    load::<logs::LogStream>(snapshot, store)?;
    load::<logs::Errand>(snapshot, store)?;
    load::<logs::ResourcePolicy>(snapshot, store)?;
    s3::load_all(snapshot, store)?;
    load::<parameters::Parameter>(snapshot, store)?;
    load::<parameters::ParameterVersion>(snapshot, store)?;
    load::<secrets::StoredSecret>(snapshot, store)?;
    load::<secrets::SecretVersion>(snapshot, store)?;
    ecr::load_all(snapshot, store)?;
    ec2::load_all(snapshot, store)?;
    ecs::load_all(snapshot, store)
}

/// How many rows one read of the store brings.
const PAGE: usize = 1_000;

/// Reads all rows of one kind. A row that does not parse stops the start: guessing at state would be worse.
pub(super) fn load<R: Record>(snapshot: &mut Snapshot, store: &dyn Store) -> Result<(), StoreError> {
    let prefix = format!("{}/", R::KIND).into_bytes();
    let mut after: Option<Arc<[u8]>> = None;
    loop {
        let page = store.range(&prefix, after.as_deref(), PAGE)?;
        for entry in &page.entries {
            let row: R =
                serde_json::from_slice(&entry.value).map_err(|error| unreadable(&entry.key, &error))?;
            super::tx::replace(snapshot, &row.key(), Some(Arc::new(row)));
        }
        match page.entries.last() {
            Some(last) if page.entries.len() == PAGE => after = Some(Arc::clone(&last.key)),
            _ => return Ok(()),
        }
    }
}

fn unreadable(key: &[u8], error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("{}: {error}", String::from_utf8_lossy(key)))
}
