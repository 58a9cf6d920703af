//! `$ECS_AGENT_URI/fault/v1/...`: fault injection (agent.md 3.4). This agent injects none and says so: tasks are told what a
//! task without `enableFaultInjection` is told, and those with it that the agent cannot.

use http::Method;
use serde::Serialize;

use super::Answer;
use crate::task::shared::SharedTasks;

const PATH_BEFORE: &str = "/api/";
const PATH_AFTER: &str = "fault/v1/";
const FAULTS: [&str; 3] = ["network-blackhole-port", "network-latency", "network-packet-loss"];
const VERBS: [&str; 3] = ["start", "stop", "status"];

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    endpoint_id: &'a str,
}

impl<'a> Wanted<'a> {
    /// `/api/<endpointId>/fault/v1/<fault>/<verb>`
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (endpoint_id, rest) = path.strip_prefix(PATH_BEFORE)?.split_once('/')?;
        let (fault, verb) = rest.strip_prefix(PATH_AFTER)?.split_once('/')?;
        (FAULTS.contains(&fault) && VERBS.contains(&verb)).then_some(Self { endpoint_id })
    }
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(rename = "Error")]
    error: &'a str,
}

/// Answers a request; only POST is routed.
pub(super) fn answer(wanted: &Wanted<'_>, method: &Method, body: &[u8], tasks: &SharedTasks) -> Answer {
    if method != Method::POST {
        return Answer::text(405, "405 method not allowed\n");
    }
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).is_err() {
        return failed(400, "failed to decode request");
    }
    let id = wanted.endpoint_id;
    match tasks.by_endpoint(id) {
        None => failed(404, &format!("unable to lookup container: {id}")),
        Some((task, _)) => failed(
            400,
            &format!("enableFaultInjection is not enabled for task: {}", task.arn),
        ),
    }
}

fn failed(status: u16, error: &str) -> Answer {
    Answer::json(
        status,
        serde_json::to_string(&Failed { error }).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::plan::tests::{container, task};

    #[test]
    fn agent_3_4_faults_are_refused_and_never_pretended() {
        let mut app = container("app", true, &[]);
        app.endpoint_id = "E".into();
        let tasks = SharedTasks::default();
        let task = task(vec![app]);
        let arn = task.arn.clone();
        tasks.publish(task);
        let ask = |path: &str, body: &str| {
            let wanted = Wanted::of(path)?;
            let answer = answer(&wanted, &Method::POST, body.as_bytes(), &tasks);
            Some((answer.status, String::from_utf8(answer.body.to_vec()).unwrap()))
        };
        let enabled = format!(r#"{{"Error":"enableFaultInjection is not enabled for task: {arn}"}}"#);
        let start = "/api/E/fault/v1/network-latency/start";
        assert_eq!(ask(start, "{}"), Some((400, enabled)));
        let unknown = r#"{"Error":"unable to lookup container: F"}"#.to_owned();
        let status = "/api/F/fault/v1/network-blackhole-port/status";
        assert_eq!(ask(status, "{}"), Some((404, unknown)));
        assert_eq!(ask(start, "[").map(|answer| answer.0), Some(400));
        for other in [
            "/api/E/fault/v1/network-latency",
            "/api/E/fault/v1/disk/start",
            "/api/E/fault/v2/network-latency/start",
        ] {
            assert_eq!(Wanted::of(other), None, "{other}");
        }
    }
}
