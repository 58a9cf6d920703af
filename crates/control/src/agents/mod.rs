//! The agents of container instances as operators see them: who waits to be let in, who was, and what went wrong.

pub(crate) mod alarm;
pub mod hosts;
