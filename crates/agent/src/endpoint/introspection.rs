//! The introspection API (agent.md 3.2), on loopback only: what this agent is and what it runs, for the operator's tools.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::Method;
use http::request::Parts;
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::metadata::introspected_container;
use super::{Answer, names_an_address, query_member};
use crate::task::environment::Surroundings;
use crate::task::model::{Known, Task};
use crate::task::shared::SharedTasks;

/// A docker id up to this long is the beginning of one.
const SHORT_ID_LETTERS: usize = 12;
const HEALTH_TIME_MAX: Duration = Duration::from_secs(5);
const LICENSE: &str = "Portcullis is licensed under the Apache License, Version 2.0: http://www.apache.org/licenses/LICENSE-2.0\n";
const NOT_FOUND: Answer = Answer::text(404, "404 page not found\n");

/// Answers operators' tools.
pub(crate) struct Introspection {
    pub(crate) tasks: Arc<SharedTasks>,
    pub(crate) surroundings: Surroundings,
    /// Known once the instance is registered.
    pub(crate) instance_arn: Arc<ArcSwapOption<String>>,
}

impl Introspection {
    /// Serves on loopback until dropped. A port that is taken leaves the agent without it.
    pub(crate) async fn serve(self, port: u16) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address).await {
            Ok(listener) => {
                super::server::serve_introspection(Arc::new(self), &listener).await;
            }
            Err(error) => {
                tracing::warn!(%error, %address, "the introspection API is not served");
                std::future::pending::<()>().await;
            }
        }
    }

    /// Answers one request.
    pub(super) fn answer(&self, parts: &Parts) -> http::Response<Full<Bytes>> {
        let answer = match parts.method {
            Method::GET if names_an_address(parts) => self.route(parts),
            Method::GET => NOT_FOUND,
            _ => Answer::text(405, "405 method not allowed\n"),
        };
        answer.plain_response()
    }

    fn route(&self, parts: &Parts) -> Answer {
        match parts.uri.path() {
            "/v1/metadata" => self.metadata(),
            "/v1/tasks" => self.tasks(
                query_member(parts, "taskarn").as_deref(),
                query_member(parts, "dockerid").as_deref(),
            ),
            "/license" => Answer::text(200, LICENSE),
            "/" => Answer {
                status: 200,
                content_type: "text/plain; charset=utf-8",
                body: Bytes::from_static(
                    b"{\"AvailableCommands\":[\"/v1/metadata\",\"/v1/tasks\",\"/license\"]}",
                ),
            },
            _ => NOT_FOUND,
        }
    }

    fn metadata(&self) -> Answer {
        let version = format!("Portcullis ECS Agent - v{}", crate::plane::AGENT_VERSION);
        let shown = json!({
            "Cluster": self.surroundings.cluster,
            "ContainerInstanceArn": self.instance_arn.load_full().map(|arn| arn.to_string()),
            "Version": version,
        });
        Answer::json(200, shown.to_string())
    }

    fn tasks(&self, task_arn: Option<&str>, docker_id: Option<&str>) -> Answer {
        match (task_arn, docker_id) {
            (Some(_), Some(_)) => nothing(400),
            (Some(arn), None) => match self.tasks.get(arn) {
                Some(task) => Answer::json(200, shown(&self.surroundings, &task).to_string()),
                None => nothing(404),
            },
            (None, Some(id)) => self.task_of_container(id),
            (None, None) => {
                let tasks: Vec<_> = self
                    .tasks
                    .all()
                    .iter()
                    .map(|task| shown(&self.surroundings, task))
                    .collect();
                Answer::json(200, json!({ "Tasks": tasks }).to_string())
            }
        }
    }

    fn task_of_container(&self, id: &str) -> Answer {
        let is_meant = |runtime_id: &str| match id.len() {
            0 => false,
            1..=SHORT_ID_LETTERS => runtime_id.starts_with(id),
            _ => runtime_id == id,
        };
        let mut hits = 0;
        let mut found = None;
        for task in self.tasks.all() {
            let ids = task.containers.iter().filter_map(|one| one.runtime_id.as_deref());
            let here = ids.filter(|runtime_id| is_meant(runtime_id)).count();
            hits += here;
            if here > 0 {
                found = Some(task);
            }
        }
        match found {
            Some(task) if hits == 1 => Answer::json(200, shown(&self.surroundings, &task).to_string()),
            Some(_) => nothing(400),
            None => nothing(404),
        }
    }
}

/// A task as the genuine agent shows none.
fn nothing(status: u16) -> Answer {
    let body = json!({"Arn": "", "KnownStatus": "", "Family": "", "Version": "", "Containers": null});
    Answer::json(status, body.to_string())
}

fn shown(surroundings: &Surroundings, task: &Task) -> Value {
    let known = task.known();
    let word = match known {
        Known::None => "PENDING",
        other => other.word(),
    };
    let containers: Vec<_> = task
        .containers
        .iter()
        .filter(|one| one.runtime_id.is_some() && !one.is_internal())
        .map(|one| introspected_container(surroundings, task, one))
        .collect();
    let mut shown = json!({"Arn": task.arn});
    if let Some(members) = shown.as_object_mut() {
        // A task that stopped although it should run has nothing it is desired to be.
        let differs = known == Known::Stopped && task.desired.word() != "STOPPED";
        if !differs {
            members.insert("DesiredStatus".to_owned(), task.desired.word().into());
        }
        members.insert("KnownStatus".to_owned(), word.into());
        members.insert("Family".to_owned(), task.family.clone().into());
        members.insert("Version".to_owned(), task.version.clone().into());
        members.insert("Containers".to_owned(), containers.into());
    }
    shown
}

/// Whether an agent of this host answers on that port: what `portcullis agent --healthcheck` asks.
pub(crate) fn healthcheck(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, HEALTH_TIME_MAX)?;
        stream.set_read_timeout(Some(HEALTH_TIME_MAX))?;
        stream.write_all(b"GET /v1/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}
