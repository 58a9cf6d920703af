//! The control plane through its public doors: signed requests in, replies and records out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod accounts;
mod acs;
mod agent;
mod agent_updates;
#[cfg(feature = "s3")]
mod away;
mod bootstrap;
mod ec2;
mod ecr;
mod ecs;
mod ecscape;
mod encoded_message;
mod ended_sessions;
mod events;
mod exec;
mod federation;
mod full_disk;
mod gate;
mod harness;
mod history;
mod iam;
mod kms;
mod large_bodies;
mod leaving;
mod logs;
mod parameters;
mod partition;
mod reasons;
mod registrant;
mod registry;
mod rules;
mod s3;
mod scim;
mod secrets;
mod secretsmanager;
mod shelved_reasons;
mod simulation;
mod simulations;
mod ssm;
mod stalls;
mod sts;
mod telemetry;
mod throttle;
