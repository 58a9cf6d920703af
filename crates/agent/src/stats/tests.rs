//! From Docker's documents to metrics.

use serde_json::json;

use super::*;

fn document(second: u64, cpu_seconds: f64, received: u64) -> Value {
    json!({
        "read": format!("2026-11-22T00:00:{second:02}.5Z"), "preread": "0001-01-01T00:00:00Z",
        "cpu_stats": {"cpu_usage": {"total_usage": (cpu_seconds * 1e9) as u64, "percpu_usage": [1, 2]}, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 0}},
        "memory_stats": {"usage": 30 * 1024 * 1024, "stats": {"cache": 10 * 1024 * 1024, "inactive_file": 1}},
        "blkio_stats": {"io_service_bytes_recursive": [
            {"op": "Read", "value": 100}, {"op": "read", "value": 1}, {"op": "Write", "value": 7}, {"op": "Total", "value": 999}]},
        "networks": {"eth0": {"rx_bytes": received, "rx_packets": 3, "tx_bytes": 50}, "eth1": {"rx_bytes": 1}},
    })
}

#[test]
fn agent_5_3_cpu_is_percent_of_the_machine_and_memory_mib_without_cache() {
    let mut gauge = Gauge::default();
    gauge.add(Sample::read(&document(0, 10.0, 0)).unwrap());
    assert_eq!(gauge.metric(), None, "it takes two looks");
    gauge.add(Sample::read(&document(10, 15.0, 1_000)).unwrap());
    gauge.add(Sample::read(&document(20, 35.0, 1_000)).unwrap());
    gauge.add(Sample::read(&document(20, 99.0, 9_999)).unwrap());
    let metric = gauge.metric().unwrap();
    let cpu = metric.cpu_stats_set.unwrap();
    assert_eq!(
        (cpu.min, cpu.max, cpu.sum, cpu.sample_count),
        (Some(25.0), Some(100.0), Some(125.0), Some(2)),
    );
    let memory = metric.memory_stats_set.unwrap();
    assert_eq!((memory.max, memory.sample_count), (Some(20.0), Some(3)));
    let storage = metric.storage_stats_set.unwrap();
    assert_eq!(storage.read_size_bytes.unwrap().max, Some(101));
    assert_eq!(storage.write_size_bytes.unwrap().max, Some(7));
    let network = gauge.network().unwrap();
    assert_eq!(network.rx_bytes.unwrap().max, Some(1_001));
    assert_eq!(network.rx_bytes_per_second.unwrap().max, Some(100.0));
    gauge.taken();
    assert_eq!(gauge.metric(), None, "each figure is sent once");
    gauge.add(Sample::read(&document(30, 36.0, 1_000)).unwrap());
    assert_eq!(gauge.metric().unwrap().cpu_stats_set.unwrap().max, Some(5.0));
}

#[test]
fn a_container_that_has_ended_has_no_figures() {
    let ended = json!({"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}, "memory_stats": {}});
    assert_eq!(Sample::read(&ended), None);
    assert_eq!(Sample::read(&json!({})), None);
}

#[test]
fn a_single_look_is_completed_by_the_one_before() {
    let (before, mut now) = (document(0, 1.0, 0), document(10, 2.0, 0));
    sample::add_previous(&mut now, Some(&before));
    assert_eq!(now["precpu_stats"], before["cpu_stats"]);
    assert_eq!(now["preread"], before["read"]);
}

#[test]
fn figures_beyond_63_bits_overflow_into_members_of_their_own() {
    let mut gauge = Gauge::default();
    for second in [0, 1] {
        let mut huge = document(second, 1.0, u64::MAX - 1);
        huge["networks"]["eth1"]["rx_bytes"] = json!(0);
        gauge.add(Sample::read(&huge).unwrap());
    }
    let bytes = gauge.network().unwrap().rx_bytes.unwrap();
    assert_eq!((bytes.max, bytes.overflow_max), (Some(i64::MAX), Some(i64::MAX)));
}
