//! Tests that need root, a Docker Engine, nft and iproute2, and that change addresses and firewall rules. They run
//! only inside a docker room: a network namespace without a way out, with a Docker Engine of its own. Each takes the
//! room for itself.

mod awsvpc;
mod endpoint;
mod faults;
mod fence;
mod full_disk;
mod imds;
mod kills;
mod lifecycle;
mod partition;
mod registry;
mod room;
mod story;
mod two_hosts;
mod walls;
