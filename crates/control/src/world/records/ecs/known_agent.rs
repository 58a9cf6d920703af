//! By which agent a principal is known. It outlives the container instance: whoever got hold of a machine's credentials waits in
//! vain for its instance to be deregistered (docs/threat-model.md, T20).

use serde::{Deserialize, Serialize};

use crate::world::records::Record;
use crate::world::snapshot::Snapshot;
use crate::world::table::Table;

/// The agent that was let in last for a principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAgent {
    /// The principal, as in [`super::ContainerInstance::registered_by`].
    pub registrant: String,
    /// The public half of its key; an agent without one is known by that.
    pub key: Option<String>,
}

impl Record for KnownAgent {
    const KIND: &'static str = "ecs-known-agent";
    fn key(&self) -> String {
        self.registrant.clone()
    }
    fn table(snapshot: &Snapshot) -> &Table<Self> {
        &snapshot.ecs.known_agents
    }
    fn table_mut(snapshot: &mut Snapshot) -> &mut Table<Self> {
        &mut snapshot.ecs.known_agents
    }
}
