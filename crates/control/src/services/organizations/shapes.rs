//! Records as the API shows them.

use portcullis_api::organizations::{Account, CreateAccountStatus, Organization as Shown};
use portcullis_core::{AccountId, Arn, Partition, Timestamp};

use crate::world::records::organization::{MemberAccount, Organization, Progress};

/// The name of the management account, which nobody was asked for.
const MANAGEMENT: &str = "management";

pub(super) fn organization(organization: &Organization) -> Shown {
    let management = &organization.management;
    Shown {
        id: Some(organization.id.clone()),
        arn: Some(arn(management, format!("organization/{}", organization.id))),
        feature_set: Some(organization.feature_set.clone()),
        master_account_arn: Some(account_arn(organization, management.as_str())),
        master_account_id: Some(management.to_string()),
        master_account_email: Some(management_email(management)),
        ..Shown::default()
    }
}

/// The management account as one of its organization's.
pub(super) fn management(organization: &Organization) -> Account {
    let id = &organization.management;
    let (name, email) = (MANAGEMENT.to_owned(), management_email(id));
    account(organization, id, name, email, "INVITED", organization.created)
}

/// An account that was made; `None` for one that is not there.
pub(super) fn member(organization: &Organization, member: &MemberAccount) -> Option<Account> {
    let Progress::Made(since) = member.progress else {
        return None;
    };
    let (name, email) = (member.name.clone(), member.email.clone());
    Some(account(organization, &member.id, name, email, "CREATED", since))
}

fn account(
    organization: &Organization,
    id: &AccountId,
    name: String,
    email: String,
    joined_method: &str,
    joined: Timestamp,
) -> Account {
    Account {
        id: Some(id.to_string()),
        arn: Some(account_arn(organization, id.as_str())),
        email: Some(email),
        name: Some(name),
        status: Some("ACTIVE".to_owned()),
        state: Some("ACTIVE".to_owned()),
        paths: Some(vec![format!("{}{id}/", organization.path())]),
        joined_method: Some(joined_method.to_owned()),
        joined_timestamp: Some(joined),
    }
}

pub(super) fn status(member: &MemberAccount) -> CreateAccountStatus {
    let (state, completed, failure) = match &member.progress {
        Progress::Requested => ("IN_PROGRESS", None, None),
        Progress::Made(at) => ("SUCCEEDED", Some(*at), None),
        Progress::Failed(at, reason) => ("FAILED", Some(*at), Some(reason.clone())),
    };
    CreateAccountStatus {
        id: Some(member.request_id.clone()),
        account_name: Some(member.name.clone()),
        state: Some(state.to_owned()),
        requested_timestamp: Some(member.requested),
        completed_timestamp: completed,
        account_id: (state == "SUCCEEDED").then(|| member.id.to_string()),
        failure_reason: failure,
        ..CreateAccountStatus::default()
    }
}

/// `arn:aws:organizations::MANAGEMENT:account/ORGANIZATION/ACCOUNT`.
pub(super) fn account_arn(organization: &Organization, account: &str) -> String {
    arn(
        &organization.management,
        format!("account/{}/{account}", organization.id),
    )
}

fn arn(management: &AccountId, resource: String) -> String {
    Arn::global("organizations", Partition::Aws, management, resource).to_string()
}

/// The first account of a server was made for nobody's mail address; `.invalid` never is one.
fn management_email(management: &AccountId) -> String {
    format!("root@{management}.invalid")
}
