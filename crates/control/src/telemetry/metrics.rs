//! What containers use, as agents last said: the newest figures of each task, in memory. A task's agent tells them every twenty
//! seconds; what was not told again for a while is forgotten.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis_api::acs::{ContainerMetric, CountStatsSet, StatsSet, TaskMetric};
use portcullis_core::Timestamp;
use serde_json::{Map, Value, json};

/// After how many seconds without news figures say nothing any more.
const STALE_SECONDS: i64 = 120;
/// Most tasks: far more than an account has by its quotas.
const TASKS_MAX: usize = 100_000;

/// By the keys of container instances and the ARNs of tasks.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    told: BTreeMap<(String, String), Told>,
    /// When what is stale was dropped last, of whichever instance: of one that is gone nothing more is told.
    swept: Timestamp,
}

#[derive(Debug)]
struct Told {
    at: Timestamp,
    containers: Vec<ContainerMetric>,
}

impl Metrics {
    /// An instance's agent told these of its own tasks.
    pub(crate) fn keep(&self, instance: &str, tasks: Vec<TaskMetric>, now: Timestamp) {
        let mut kept = self.kept();
        let Kept { told, swept } = &mut *kept;
        if now.seconds_since(*swept) >= STALE_SECONDS {
            told.retain(|_, one| is_fresh(one, now));
            *swept = now;
        }
        for task in tasks {
            let key = (instance.to_owned(), task.task_arn.unwrap_or_default());
            if told.len() >= TASKS_MAX && !told.contains_key(&key) {
                told.retain(|_, one| is_fresh(one, now));
            }
            if told.len() < TASKS_MAX || told.contains_key(&key) {
                let containers = task.container_metrics.unwrap_or_default();
                told.insert(key, Told { at: now, containers });
            }
        }
    }

    /// The figures of the tasks of instances whose keys begin so.
    pub(crate) fn shown(&self, instances: &str, now: Timestamp) -> Vec<Value> {
        let told = &self.kept().told;
        let from = (instances.to_owned(), String::new());
        told.range(from..)
            .take_while(|((instance, _), _)| instance.starts_with(instances))
            .filter(|(_, one)| is_fresh(one, now))
            .map(|((_, arn), one)| {
                let containers: Vec<_> = one.containers.iter().map(shown_container).collect();
                json!({ "taskArn": arn, "updatedAt": one.at.to_iso(), "containers": containers })
            })
            .collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(told: &Told, now: Timestamp) -> bool {
    now.seconds_since(told.at) < STALE_SECONDS
}

/// Averages of what goes up and down, the last of what only grows.
fn shown_container(metric: &ContainerMetric) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    };
    let network = metric.network_stats_set.as_ref();
    let storage = metric.storage_stats_set.as_ref();
    put("name", metric.container_name.as_deref().map(Value::from));
    put("cpuPercent", average(metric.cpu_stats_set.as_ref()));
    put("memoryMiB", average(metric.memory_stats_set.as_ref()));
    put(
        "receivedBytes",
        last(network.and_then(|set| set.rx_bytes.as_ref())),
    );
    put("sentBytes", last(network.and_then(|set| set.tx_bytes.as_ref())));
    put(
        "readBytes",
        last(storage.and_then(|set| set.read_size_bytes.as_ref())),
    );
    put(
        "writtenBytes",
        last(storage.and_then(|set| set.write_size_bytes.as_ref())),
    );
    let restarts = metric
        .restart_stats_set
        .as_ref()
        .and_then(|set| set.restart_count);
    put("restarts", restarts.map(Value::from));
    Value::Object(shown)
}

#[expect(clippy::cast_precision_loss, reason = "a handful of samples")]
fn average(set: Option<&StatsSet>) -> Option<Value> {
    let (sum, count) = set.and_then(|set| set.sum.zip(set.sample_count))?;
    let average = (count > 0).then(|| sum / count as f64)?;
    Some(json!((average * 100.0).round() / 100.0))
}

fn last(set: Option<&CountStatsSet>) -> Option<Value> {
    set?.max.map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(arn: &str, cpu: f64) -> TaskMetric {
        let set = StatsSet {
            min: Some(cpu),
            max: Some(cpu),
            sum: Some(2.0 * cpu),
            sample_count: Some(2),
        };
        let container = ContainerMetric {
            container_name: Some("app".into()),
            cpu_stats_set: Some(set),
            ..Default::default()
        };
        TaskMetric {
            task_arn: Some(arn.into()),
            container_metrics: Some(vec![container]),
            ..Default::default()
        }
    }

    #[test]
    fn the_newest_figures_of_each_task_are_kept_and_go_when_nobody_tells_them_any_more() {
        let metrics = Metrics::default();
        let at = Timestamp::from_seconds;
        metrics.keep("r/web/1", vec![task("a", 1.0), task("b", 2.0)], at(0));
        metrics.keep("r/web/1", vec![task("a", 3.0)], at(20));
        metrics.keep("r/web/10", vec![task("c", 4.0)], at(20));
        metrics.keep("r/other/1", vec![task("d", 5.0)], at(20));
        let shown = |prefix: &str, now| {
            let all = metrics.shown(prefix, now);
            let one = |task: &Value| {
                (
                    task["taskArn"].clone(),
                    task["containers"][0]["cpuPercent"].clone(),
                )
            };
            all.iter().map(one).collect::<Vec<_>>()
        };
        let of = |arn: &str, cpu: f64| (json!(arn), json!(cpu));
        assert_eq!(
            shown("r/web/", at(30)),
            [of("a", 3.0), of("b", 2.0), of("c", 4.0)]
        );
        assert_eq!(shown("r/web/", at(121)), [of("a", 3.0), of("c", 4.0)]);
        metrics.keep("r/web/1", Vec::new(), at(500));
        assert_eq!(
            metrics.0.lock().unwrap().told.len(),
            0,
            "those of instances that are gone go, too"
        );
    }
}
