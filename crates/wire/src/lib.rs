//! The AWS protocols over one schema, and SigV4 signing and verification.
//!
//! Every shape of every service is described once, as data ([`schema`]); one [`Reader`] and one [`Writer`] carry
//! values between shapes and protocols. A request goes [`route`] -> [`decode_request`]; an answer goes
//! [`encode_reply`] or [`encode_error`]. [`encode_request`] and [`decode_reply`] are the client's half.
//! [`session`] is the binary protocol of Execute Command's sessions, which has no model; [`agent_proof`] how our own agents
//! prove which instance they are.
//! No business lives here: which operation does what is not this crate's matter.

pub mod agent_build;
pub mod agent_proof;
pub mod event_stream;
pub mod json;
pub mod limits;
pub mod schema;
pub mod session;
pub mod sigv4;

mod client;
mod frame;
mod query;
mod reader;
mod reply;
mod request;
mod rest;
mod route;
mod shape;
mod validate;
mod writer;

pub use client::{ClientError, ClientRequest, decode_answer, decode_reply, encode_request};
pub use frame::{Frame, FrameError, encode_frame};
pub use reader::{ReadError, Reader};
pub use reply::{ErrorReply, Reply, encode_error, encode_reply};
pub use request::{Payload, RequestError, decode_request};
pub use route::{Route, RouteError, refuse_body, route};
pub use schema::{ErrorMeta, HttpRoute, OperationMeta, Protocol, Service};
pub use shape::{Empty, Operation, Shape, Wire, put};
pub use writer::Writer;
