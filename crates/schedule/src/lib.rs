//! What ECS decides by itself: how the deployments of a service proceed. Pure functions of pictures: no I/O, no clock,
//! no async, so that they run unchanged in the control plane, in tests and in simulation.

pub mod deployment;
