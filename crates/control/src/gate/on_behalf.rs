//! Calls of somebody whom another door authenticated: the bearer of a token, for example. They go the way of every call.

use http::request::Parts;
use portcullis_core::{Region, uuid};
use portcullis_wire::Operation;

use super::authenticate::Authenticated;
use super::call::Call;
use super::caller::Caller;
use super::error::ServiceError;
use super::operation::Row;
use super::{Gate, Peer};

/// Who calls, and the request a call stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind<'a> {
    pub caller: &'a Caller,
    pub parts: &'a Parts,
    pub peer: &'a Peer,
    /// The region that is called.
    pub region: &'a Region,
}

impl Gate {
    /// Makes a call on somebody's behalf: decided, noted and recorded as if it had come in signed.
    pub(crate) async fn call_for<O: Operation>(
        &self,
        behind: Behind<'_>,
        input: &O::Input,
    ) -> Result<O::Output, ServiceError> {
        let row = self.operations.get(O::META.service.name, O::META.name);
        self.run_for::<O>(behind, O::META.name, row, input).await
    }

    /// The same for what no operation of a model does. `row` is read like `O`; histories show it as `name`.
    pub(crate) async fn change_for<O: Operation>(
        &self,
        behind: Behind<'_>,
        name: &'static str,
        row: &Row,
        input: &O::Input,
    ) -> Result<O::Output, ServiceError> {
        self.run_for::<O>(behind, name, Some(row), input).await
    }

    async fn run_for<O: Operation>(
        &self,
        behind: Behind<'_>,
        name: &'static str,
        row: Option<&Row>,
        input: &O::Input,
    ) -> Result<O::Output, ServiceError> {
        let request_id = uuid(self.world.random().as_ref());
        let call = self.behind::<O>(behind, name, &request_id);
        let request = portcullis_wire::encode_request::<O>(input);
        let answer = self
            .run(&self.world.view(), &call, row, (&request.body).into())
            .await?;
        let reply = answer.encode(&request_id);
        portcullis_wire::decode_reply::<O>(reply.status, &reply.body).map_err(|error| {
            tracing::error!(%error, operation = call.operation, "an answer could not be read");
            ServiceError::internal(call.service)
        })
    }

    fn behind<O: Operation>(&self, behind: Behind<'_>, name: &'static str, request_id: &str) -> Call {
        let who = Authenticated {
            caller: behind.caller.clone(),
            region: behind.region.clone(),
        };
        let peer = behind.peer.clone();
        self.call(who, O::META.service, name, behind.parts, peer, request_id)
    }
}
