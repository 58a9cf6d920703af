//! The control plane: one gate before all services, the picture of state behind it, the scheduler and the agents'
//! protocol.
//!
//! Every call walks one way - who are you, what do you want, may you, do it, write it down - see [`gate`]. State is
//! one immutable picture, see [`world`]. A service is a table of operations, see [`services`].

pub mod accounts;
pub mod acs;
pub mod advisor;
pub mod agents;
pub mod bootstrap;
pub mod events;
pub mod exec;
pub mod federation;
pub mod gate;
mod open_points;
pub mod registry;
pub mod s3;
pub mod schedule;
mod scim;
pub mod server;
pub mod services;
pub mod telemetry;
pub mod upstream;
pub mod world;
