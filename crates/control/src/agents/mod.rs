//! The agents of container instances as operators see them: who waits to be let in, who was, and what went wrong.

pub(crate) mod alarm;
pub mod builds;
pub(crate) mod download;
pub mod hosts;
