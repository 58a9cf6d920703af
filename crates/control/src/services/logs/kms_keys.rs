//! AssociateKmsKey and DisassociateKmsKey: under which KMS key the events of a group rest that come in from now on.

use portcullis_api::logs::op;
use portcullis_api::logs::{AssociateKmsKeyRequest, DisassociateKmsKeyRequest};
use portcullis_wire::Empty;

use super::errors::LogsError;
use super::names::GroupRef;
use super::sealing;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::world::records::logs::LogGroup;
use crate::world::{Snapshot, Tx};

/// What a call is about.
enum Target {
    Group(GroupRef),
    /// The results of Logs Insights' queries, by their ARN.
    QueryResults(String),
}

impl Target {
    fn of(call: &Call, name: Option<&str>, resource: Option<&str>) -> Result<Self, LogsError> {
        match (name, resource) {
            (Some(name), None) => Ok(Self::Group(GroupRef::named(call, name))),
            (None, Some(resource)) if is_query_results(resource) => {
                Ok(Self::QueryResults(resource.to_owned()))
            }
            (None, Some(resource)) if resource.starts_with("arn:") => {
                GroupRef::identified(call, resource).map(Self::Group)
            }
            (None, Some(_)) => Err(LogsError::Identifier),
            _ => Err(LogsError::NameOrResource),
        }
    }

    fn check(&self, view: &Snapshot, call: &Call, action: &'static str) -> Vec<Check> {
        match self {
            Self::Group(group) => vec![group.check(view, call, action)],
            Self::QueryResults(arn) => vec![Check::new(action, arn.as_str())],
        }
    }

    fn group(&self, view: &Snapshot, call: &Call) -> Result<LogGroup, LogsError> {
        match self {
            Self::Group(group) => group.found(view, call).cloned(),
            Self::QueryResults(_) => Err(LogsError::QueryResults),
        }
    }
}

/// `arn:aws:logs:REGION:ACCOUNT:query-result:*`
fn is_query_results(resource: &str) -> bool {
    resource.starts_with("arn:") && resource.split(':').nth(5) == Some("query-result")
}

/// The group.
pub(super) fn require_associate(ask: Ask<'_, AssociateKmsKeyRequest>) -> Result<Vec<Check>, ServiceError> {
    let (input, view, call) = (ask.input, ask.view, ask.call);
    let target = Target::of(
        call,
        input.log_group_name.as_deref(),
        input.resource_identifier.as_deref(),
    )?;
    Ok(target.check(view, call, "logs:AssociateKmsKey"))
}

/// Gives a group a key, in the place of the one it may have. Events that are there stay as they are.
pub(super) fn associate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::AssociateKmsKey>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (name, resource) = (
        input.log_group_name.as_deref(),
        input.resource_identifier.as_deref(),
    );
    let group = Target::of(call, name, resource)?.group(tx.view(), call)?;
    let arn = LogGroup::arn_of(&group.region, &call.account, &group.name);
    let key = sealing::new_key(tx, call, &arn, &input.kms_key_id)?;
    tx.put(LogGroup {
        kms_key: Some(key),
        has_sealed_events: true,
        ..group
    });
    Ok(Empty {})
}

/// The group.
pub(super) fn require_disassociate(
    ask: Ask<'_, DisassociateKmsKeyRequest>,
) -> Result<Vec<Check>, ServiceError> {
    let (input, view, call) = (ask.input, ask.view, ask.call);
    let target = Target::of(
        call,
        input.log_group_name.as_deref(),
        input.resource_identifier.as_deref(),
    )?;
    Ok(target.check(view, call, "logs:DisassociateKmsKey"))
}

/// Takes the key away from a group. What is under it stays under it.
pub(super) fn disassociate(
    tx: &mut Tx<'_>,
    auth: Authorized<'_, op::DisassociateKmsKey>,
) -> Result<Empty, ServiceError> {
    let (input, call) = (auth.input(), auth.call());
    let (name, resource) = (
        input.log_group_name.as_deref(),
        input.resource_identifier.as_deref(),
    );
    let group = Target::of(call, name, resource)?.group(tx.view(), call)?;
    tx.put(LogGroup {
        kms_key: None,
        ..group
    });
    Ok(Empty {})
}
