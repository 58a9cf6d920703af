//! The account itself.

use portcullis_core::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// What an account knows of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// When it was made; of the first account when the data directory was.
    pub created: Timestamp,
    /// The access key id of the root key that was given at the last start with one.
    #[serde(default)]
    pub starters_key: Option<String>,
    /// The account that made it; the server's first account has none.
    #[serde(default)]
    pub management: Option<AccountId>,
}

impl Record for Account {
    const KIND: &'static str = "account";
    fn key(&self) -> String {
        self.id.to_string()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.accounts
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.accounts
    }
}
