//! Several accounts on one server: the organization, kept in its management account, and the accounts it made.

use portcullis_core::{AccountId, Tags, Timestamp};
use serde::{Deserialize, Serialize};

use super::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// The organization of a server. There is one at most, and its management account is the server's first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// `o-` and ten letters or digits.
    pub id: String,
    /// `r-` and four letters or digits.
    pub root_id: String,
    /// The management account.
    pub management: AccountId,
    /// `ALL` or `CONSOLIDATED_BILLING`.
    pub feature_set: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Organization {
    /// There is one row.
    pub const KEY: &'static str = "organization";

    /// `aws:PrincipalOrgPaths` and `aws:ResourceOrgPaths` of its accounts, which all hang on its root.
    pub fn path(&self) -> String {
        format!("{}/{}/", self.id, self.root_id)
    }
}

impl Record for Organization {
    const KIND: &'static str = "organization";
    fn key(&self) -> String {
        Self::KEY.to_owned()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.organizations
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.organizations
    }
}

/// How far an account is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Asked for.
    Requested,
    /// There, since.
    Made(Timestamp),
    /// Will never be there: when that was found, and CreateAccountStatus's reason.
    Failed(Timestamp, String),
}

/// An account that was asked for by CreateAccount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAccount {
    /// Its id; also of one that could not be made.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Whose mail address it was made for.
    pub email: String,
    /// The role by which the management account administers it.
    pub role_name: String,
    /// `car-` and 32 hexadecimal digits.
    pub request_id: String,
    /// When it was asked for.
    pub requested: Timestamp,
    /// How far it is.
    pub progress: Progress,
    /// Its tags.
    pub tags: Tags,
}

impl Record for MemberAccount {
    const KIND: &'static str = "organization-account";
    fn key(&self) -> String {
        self.id.to_string()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.member_accounts
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.member_accounts
    }
}
