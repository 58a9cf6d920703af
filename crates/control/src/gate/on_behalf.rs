//! Calls of somebody whom another door authenticated: the bearer of a token, for example. They go the way of every call.

use http::request::Parts;
use portcullis_core::{Region, uuid};
use portcullis_wire::Operation;

use super::authenticate::Authenticated;
use super::caller::Caller;
use super::error::ServiceError;
use super::{Gate, Peer};

impl Gate {
    /// Makes a call as `caller`: decided, noted and recorded as if it had come in signed. `parts` is the request it
    /// stands for.
    pub(crate) async fn call_for<O: Operation>(
        &self,
        caller: &Caller,
        input: &O::Input,
        parts: &Parts,
        peer: Peer,
    ) -> Result<O::Output, ServiceError> {
        let service = O::META.service;
        let request_id = uuid(self.world.random().as_ref());
        let who = Authenticated {
            caller: caller.clone(),
            region: Region::us_east_1(),
        };
        let call = self.call(who, service, O::META.name, parts, peer, &request_id);
        let request = portcullis_wire::encode_request::<O>(input);
        let answer = self
            .decode_and_run(&self.world.view(), &call, (&request.body).into())
            .await?;
        let reply = answer.encode(&request_id);
        portcullis_wire::decode_reply::<O>(reply.status, &reply.body).map_err(|error| {
            tracing::error!(%error, operation = call.operation, "an answer could not be read");
            ServiceError::internal(service)
        })
    }
}
