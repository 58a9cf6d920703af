//! A whole region in one process, in one thread, from one seed: the real world, gate, placement and scheduler, and simulated
//! agents that register, start tasks, crash, lag, disconnect, reject and lie, all by the real calls of the ECS API, and a
//! server that starts anew in the middle of it. After every step the invariants of [`watch`] are held; when the troubles end,
//! every service must come to what was wanted of it.
//!
//! `cargo xtask simulate --seeds N --agents M` runs more and larger ones.

mod agents;
mod lies;
mod region;
pub mod sabotage;
mod setting;
mod troubles;
mod watch;

pub use region::{Region, Summary};

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

const CLUSTER: &str = "c";
/// The capacity provider with managed scaling, and its group.
const PROVIDER: &str = "auto";
/// The family that is run through it.
const SCALED: &str = "scaled";
/// The DAEMON service, and its family.
const DAEMON: &str = "d";
const DAEMON_GROUP: &str = "service:d";

/// SplitMix64: all chance comes from the seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    /// A number from 0 to `sides`, without it.
    pub fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll() % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    /// True once in `sides` times.
    pub fn once_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }
}

/// How large a simulation is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Container instances.
    pub agents: usize,
    /// Steps with troubles.
    pub steps: usize,
}

/// Runs the region of a seed; panics where an invariant is broken.
pub async fn run(seed: u64, size: Size) -> Summary {
    let mut region = Region::open(seed, size).await;
    region.troubles(size.steps).await;
    region.calm().await;
    region.summary()
}

fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap()
}

/// The key of a task or container instance by its id.
fn key_of(id: &str) -> String {
    format!("{}/{CLUSTER}/{id}", crate::harness::REGION)
}

fn role(name: &str) -> String {
    format!("arn:aws:iam::{}:role/{name}", crate::harness::ACCOUNT)
}
