//! What calls name: log groups by name or ARN, and the checks on them.
//!
//! The resource of most actions is `log-group:NAME:log-stream:STREAM`, with an empty stream where the action is about the
//! group, and empty both where it is about all groups: policies for `log-group:NAME:*` fit, those for `log-group:NAME` do not.
//! Only the actions on tags by ARN have the bare `log-group:NAME`.

use portcullis_core::{Arn, Tags};

use super::errors::LogsError;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Check, ResourcePolicy};
use crate::world::Snapshot;
use crate::world::records::logs::{LogGroup, LogStream};

/// A log group as a call names it; it may not be there.
#[derive(Debug, Clone)]
pub(super) struct GroupRef {
    /// Its ARN, without a star.
    pub arn: Arn,
    /// Its name.
    pub name: String,
    /// Whether it would be in the account and region of the call.
    is_here: bool,
}

impl GroupRef {
    /// The group of that name here.
    pub fn named(call: &Call, name: &str) -> Self {
        Self {
            arn: LogGroup::arn_of(&call.region, &call.account, name),
            name: name.to_owned(),
            is_here: true,
        }
    }

    /// The group of that name or ARN.
    pub fn identified(call: &Call, identifier: &str) -> Result<Self, LogsError> {
        if !identifier.starts_with("arn:") {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
            let is_name = !identifier.is_empty() && identifier.bytes().all(known);
            return match is_name {
                true => Ok(Self::named(call, identifier)),
                false => Err(LogsError::Identifier),
            };
        }
        let text = identifier.strip_suffix(":*").unwrap_or(identifier);
        let arn: Arn = text.parse().map_err(|_| LogsError::Identifier)?;
        let name = match arn.resource().strip_prefix("log-group:") {
            Some(name) if arn.service() == "logs" && !name.is_empty() && !name.contains(':') => {
                name.to_owned()
            }
            _ => return Err(LogsError::Identifier),
        };
        Ok(Self {
            is_here: arn == LogGroup::arn_of(&call.region, &call.account, &name),
            arn,
            name,
        })
    }

    /// The group that a call names in one of two ways.
    pub fn either(call: &Call, name: Option<&str>, identifier: Option<&str>) -> Result<Self, LogsError> {
        match (name, identifier) {
            (Some(name), None) => Ok(Self::named(call, name)),
            (None, Some(identifier)) => Self::identified(call, identifier),
            _ => Err(LogsError::NameOrIdentifier),
        }
    }

    /// Whether it would be in the account and region of the call.
    pub fn is_here(&self) -> bool {
        self.is_here
    }

    /// The group, if it is there.
    pub fn find<'v>(&self, view: &'v Snapshot, call: &Call) -> Option<&'v LogGroup> {
        let found = view.logs.group(&call.region, &self.name);
        found.filter(|_| self.is_here)
    }

    /// The group, which must be there.
    pub fn found<'v>(&self, view: &'v Snapshot, call: &Call) -> Result<&'v LogGroup, LogsError> {
        self.find(view, call).ok_or(LogsError::NoGroup)
    }

    /// A check on the group.
    pub fn check(&self, view: &Snapshot, call: &Call, action: &'static str) -> Check {
        self.check_as(view, call, action, format!("{}:log-stream:", self.arn))
    }

    /// A check on the group by its bare ARN, which actions on tags have.
    pub fn check_bare(&self, view: &Snapshot, call: &Call, action: &'static str) -> Check {
        self.check_as(view, call, action, self.arn.to_string())
    }

    /// A check on one of its streams. Resource policies speak about services of AWS that write here, and about nobody else.
    pub fn check_stream(&self, view: &Snapshot, call: &Call, action: &'static str, stream: &str) -> Check {
        let resource = format!("{}:log-stream:{stream}", self.arn);
        let check = self.check_as(view, call, action, resource);
        let is_service = call.caller.service_principal().is_some();
        let policy = is_service.then(|| view.logs.policy(&call.region, &self.arn));
        let policy = policy.flatten();
        check.by(ResourcePolicy::of_resource(self.arn.as_str(), policy))
    }

    fn check_as(&self, view: &Snapshot, call: &Call, action: &'static str, resource: String) -> Check {
        let check = Check::new(action, resource);
        match self.find(view, call) {
            Some(group) => with_resource_tags(check, &group.tags),
            None => check,
        }
    }
}

/// CloudWatch Logs has `aws:ResourceTag` and no key of its own beside it.
pub(super) fn with_resource_tags(mut check: Check, tags: &Tags) -> Check {
    for tag in tags.iter() {
        check = check.with(&format!("aws:ResourceTag/{}", tag.key), tag.value.clone());
    }
    check
}

/// A check on all groups.
pub(super) fn on_all<I>(ask: Ask<'_, I>, action: &'static str) -> Result<Vec<Check>, ServiceError> {
    let all = LogStream::arn_of(&ask.call.region, &ask.call.account, "", "");
    Ok(vec![Check::new(action, all.as_str())])
}

/// A check on the group of that name.
pub(super) fn on_named<I>(
    ask: &Ask<'_, I>,
    action: &'static str,
    name: &str,
) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![
        GroupRef::named(ask.call, name).check(ask.view, ask.call, action),
    ])
}
