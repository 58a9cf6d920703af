//! Calls to the control plane: the public JSON 1.1 API and the two websockets, signed as the container instance.

mod activation;
mod agent_key;
pub(crate) mod backoff;
mod capabilities;
mod client;
mod instance_credentials;
mod poll;
mod register;
mod socket;
mod submit;

pub use activation::Activation;
pub(crate) use activation::ManagedInstance;
pub(crate) use agent_key::KeyHolder;
pub(crate) use client::{AGENT_VERSION, CallError, ControlPlane, Signing};
pub(crate) use instance_credentials::InstanceCredentialsProvider;
pub(crate) use poll::PollEndpoints;
pub(crate) use register::{Registration, register};
pub(crate) use socket::{Refusal, Socket, open, open_path};
pub(crate) use submit::Submitter;
