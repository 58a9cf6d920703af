//! Where a request is worked on: as whom, and with which way to IAM.

use http::header;
use http::request::Parts;
use portcullis_core::{Arn, Region};
use portcullis_wire::Operation;

use super::errors::ScimError;
use crate::gate::caller::{Caller, Identity};
use crate::gate::on_behalf::Behind;
use crate::gate::operation::Row;
use crate::gate::{Gate, Peer};
use crate::world::records::iam::Departure;

/// Who asks, and the gate of the account.
pub(super) struct Desk<'a> {
    gate: &'a Gate,
    caller: Caller,
    parts: &'a Parts,
    peer: Peer,
    /// IAM has no region but this one.
    region: Region,
}

impl<'a> Desk<'a> {
    /// A desk for one request.
    pub fn new(gate: &'a Gate, caller: Caller, parts: &'a Parts, peer: Peer) -> Self {
        Self {
            gate,
            caller,
            parts,
            peer,
            region: Region::us_east_1(),
        }
    }

    fn behind(&self) -> Behind<'_> {
        Behind {
            caller: &self.caller,
            parts: self.parts,
            peer: &self.peer,
            region: &self.region,
        }
    }

    /// Makes an IAM call as the token's user.
    pub async fn call<O: Operation>(&self, input: &O::Input) -> Result<O::Output, ScimError> {
        Ok(self.gate.call_for::<O>(self.behind(), input).await?)
    }

    /// Makes a change as the token's user that is no call of IAM's.
    pub async fn change<O: Operation>(
        &self,
        name: &'static str,
        row: &Row,
        input: &O::Input,
    ) -> Result<O::Output, ScimError> {
        Ok(self.gate.change_for::<O>(self.behind(), name, row, input).await?)
    }

    /// Makes a call whose thing may be gone already.
    pub async fn call_unless_gone<O: Operation>(&self, input: &O::Input) -> Result<(), ScimError> {
        match self.call::<O>(input).await {
            Err(error) if error.status() != 404 => Err(error),
            _ => Ok(()),
        }
    }

    /// The name of the user with an id.
    pub fn user_name(&self, id: &str) -> Result<String, ScimError> {
        let view = self.gate.world().view();
        let is_user = |arn: &&std::sync::Arc<Arn>| arn.resource().starts_with("user/");
        let arn = view.principals.get(id).filter(is_user);
        let name = arn
            .and_then(|arn| arn.as_str().rsplit_once('/'))
            .map(|(_, name)| name.to_owned());
        name.ok_or_else(|| ScimError::missing(id))
    }

    /// The name of the group with an id.
    pub fn group_name(&self, id: &str) -> Result<String, ScimError> {
        let view = self.gate.world().view();
        let mut groups = view.groups.iter();
        let group = groups.find(|(_, group)| group.id == id);
        group
            .map(|(_, group)| group.name.clone())
            .ok_or_else(|| ScimError::missing(id))
    }

    /// What a user who left had, while the user is away.
    pub fn departure(&self, name: &str) -> Option<Departure> {
        self.gate.world().view().user(name)?.left.clone()
    }

    /// Whether it is the token's own user.
    pub fn is_own(&self, user: &str) -> bool {
        matches!(&self.caller.identity, Identity::User { name, .. } if name == user)
    }

    /// The address of a resource.
    pub fn location(&self, kind: &str, id: &str) -> String {
        let host = self
            .parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let host = host.or(self.parts.uri.authority().map(http::uri::Authority::as_str));
        let scheme = if self.peer.tls.is_some() { "https" } else { "http" };
        match host {
            Some(host) => format!("{scheme}://{host}{}/{kind}/{id}", super::BASE),
            None => format!("{}/{kind}/{id}", super::BASE),
        }
    }
}
