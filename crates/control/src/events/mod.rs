//! What happened to tasks, container instances, services and their deployments, in the shape EventBridge gives ECS's events
//! (ecs.md 12). Made from committed changes, kept in memory for readers that come back, told over server-sent events.

mod body;
mod bus;
mod daemon;
mod envelope;
mod happening;
mod pattern;
mod reader;
mod service;
mod stream;
mod turns;

pub use body::{Body, Broken};
pub use bus::{Batch, Bus, Kept, Position};
pub use stream::{ACTION, PATH};

pub(crate) use stream::serve;
