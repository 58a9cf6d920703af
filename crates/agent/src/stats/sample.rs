//! One statistics document of Docker's, read.

use portcullis_core::Timestamp;
use serde_json::Value;

/// What is read of a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    /// Processor time ever used, in nanoseconds.
    pub(super) cpu_nanos: u64,
    pub(super) processors: u64,
    pub(super) memory_bytes: u64,
    pub(super) read_bytes: u64,
    pub(super) written_bytes: u64,
    /// Absent where the container has no network of its own.
    pub(super) network: Option<Network>,
}

/// Over all of a container's interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Network {
    pub(super) received: Direction,
    pub(super) sent: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Direction {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) dropped: u64,
    pub(super) errors: u64,
}

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) received: f64,
    pub(crate) sent: f64,
}

impl Sample {
    /// Nothing when the container does not run: Docker leaves its figures out then.
    pub(super) fn read(document: &Value) -> Option<Self> {
        let at = document.get("read")?.as_str()?.parse().ok()?;
        let cpu_nanos = number(document, "/cpu_stats/cpu_usage/total_usage")?;
        let per_cpu = document.pointer("/cpu_stats/cpu_usage/percpu_usage");
        let counted = per_cpu.and_then(Value::as_array).map_or(1, Vec::len);
        let processors = number(document, "/cpu_stats/online_cpus").filter(|count| *count > 0);
        let memory = document.get("memory_stats")?;
        let usage = number(memory, "/usage")?;
        // What the kernel gives back at once counts as free: version 1 of cgroups calls it so, and version 2 otherwise.
        let cache = number(memory, "/stats/cache").or_else(|| number(memory, "/stats/inactive_file"));
        Some(Self {
            at,
            cpu_nanos,
            processors: processors.unwrap_or(counted.max(1) as u64),
            memory_bytes: usage.saturating_sub(cache.unwrap_or_default()),
            read_bytes: storage(document, "read"),
            written_bytes: storage(document, "write"),
            network: network(document),
        })
    }
}

fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer)?.as_u64()
}

fn storage(document: &Value, operation: &str) -> u64 {
    let entries = document
        .pointer("/blkio_stats/io_service_bytes_recursive")
        .and_then(Value::as_array);
    let of_operation = entries.into_iter().flatten().filter(|entry| {
        entry
            .get("op")
            .and_then(Value::as_str)
            .is_some_and(|op| op.eq_ignore_ascii_case(operation))
    });
    of_operation
        .filter_map(|entry| entry.get("value")?.as_u64())
        .fold(0, u64::saturating_add)
}

fn network(document: &Value) -> Option<Network> {
    let interfaces = document.get("networks")?.as_object()?;
    let mut all = Network::default();
    for interface in interfaces.values() {
        for (prefix, direction) in [("rx", &mut all.received), ("tx", &mut all.sent)] {
            let figure = |name: &str| {
                interface
                    .get(format!("{prefix}_{name}"))
                    .and_then(Value::as_u64)
                    .unwrap_or_default()
            };
            direction.bytes = direction.bytes.saturating_add(figure("bytes"));
            direction.packets = direction.packets.saturating_add(figure("packets"));
            direction.dropped = direction.dropped.saturating_add(figure("dropped"));
            direction.errors = direction.errors.saturating_add(figure("errors"));
        }
    }
    Some(all)
}

/// A single look has no earlier figures in it, and programs reckon with them: those of our last look are put there, as
/// Docker's own stream puts those of a second ago.
pub(super) fn add_previous(document: &mut Value, previous: Option<&Value>) {
    let (Some(previous), Some(members)) = (previous, document.as_object_mut()) else {
        return;
    };
    for (name, of_previous) in [("preread", "read"), ("precpu_stats", "cpu_stats")] {
        if let (Some(slot), Some(value)) = (members.get_mut(name), previous.get(of_previous)) {
            slot.clone_from(value);
        }
    }
}
