//! The endpoint with made-up tasks, for measuring it and for proving rotations outside of this crate: everything between a
//! request's bytes and its answer's is the real thing, the admission by source address and the audit log included.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use portcullis_core::{Clock, Secret};
use tokio::net::TcpListener;

use super::{Admission, Answer, Endpoint, EndpointParts, Metadata, Remote, serve};
use crate::audit::{AuditLog, AuditSettings};
use crate::config::AuditRotation;
use crate::credentials::{CredentialCache, RoleCredentials, RoleKind};
use crate::task::admission::SourceAdmission;
use crate::task::model::{Container, Known, Task};
use crate::task::shared::SharedTasks;
use crate::{AgentError, RateLimit};

/// An endpoint on loopback whose tasks all run in one container network: that of the caller.
pub struct Rehearsal {
    cache: Arc<CredentialCache>,
    endpoint: Arc<Endpoint>,
    listener: TcpListener,
    tasks: usize,
}

impl std::fmt::Debug for Rehearsal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rehearsal")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

impl Rehearsal {
    /// So many tasks, each with credentials of its own.
    pub async fn new(
        folder: &Path,
        tasks: usize,
        limit: RateLimit,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AgentError> {
        let failed = |source| AgentError::File {
            path: folder.to_owned(),
            source,
        };
        let settings = AuditSettings {
            path: Some(folder.join("audit.log")),
            rotation: AuditRotation::default(),
            cluster: "rehearsal".to_owned(),
            compat: false,
        };
        let audit = AuditLog::open(settings, &folder.join("audit-outbox"), Arc::clone(&clock));
        let cache = Arc::new(CredentialCache::default());
        let known = Arc::new(SharedTasks::default());
        for number in 0..tasks {
            known.publish(task(number));
        }
        let endpoint = Endpoint::new(EndpointParts {
            clock,
            cache: Arc::clone(&cache),
            audit: Arc::new(audit.map_err(failed)?),
            admission: Arc::new(Neighbours(SourceAdmission::of(Arc::clone(&known)))),
            metadata: Arc::new(NoMetadata),
            protection: None,
            limit,
            compat: false,
        });
        let rehearsal = Self {
            cache,
            endpoint: Arc::new(endpoint),
            listener: TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?,
            tasks,
        };
        rehearsal.rotate(1);
        Ok(rehearsal)
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr, AgentError> {
        let failed = |error: std::io::Error| AgentError::Network(error.to_string());
        self.listener.local_addr().map_err(failed)
    }

    /// The path of a task's credentials.
    pub fn path(&self, number: usize) -> String {
        format!("/v2/credentials/{}", id(number))
    }

    /// Gives every task the credentials of that generation, as a rotation does; access key ids end with its number.
    pub fn rotate(&self, generation: u32) {
        for number in 0..self.tasks {
            let credentials = RoleCredentials {
                id: id(number),
                role_arn: "arn:aws:iam::123456789012:role/rehearsal".to_owned(),
                access_key_id: format!("ASIA{number:08}{generation:08}"),
                secret_access_key: Secret::new("k".repeat(40)),
                // As long as ours are.
                session_token: Secret::new("t".repeat(600)),
                expiration: "2100-01-01T00:00:00Z".to_owned(),
            };
            self.cache
                .put(&arn(number), RoleKind::TaskApplication, credentials);
        }
    }

    /// Serves until dropped.
    pub async fn serve(&self) {
        serve(Arc::clone(&self.endpoint), &self.listener).await;
    }
}

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn arn(number: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/rehearsal/{number:032x}")
}

fn task(number: usize) -> Task {
    let container = Container {
        endpoint_id: id(number),
        known: Known::Running,
        addresses: vec![std::net::IpAddr::from([127, 0, 0, 1])],
        ..Container::default()
    };
    Task {
        containers: vec![container],
        credentials_id: Some(id(number)),
        arn: arn(number),
        ..Task::default()
    }
}

/// The admission of containers by their address; here all of them have loopback's.
struct Neighbours(SourceAdmission);

impl Admission for Neighbours {
    fn at_once(&self, caller: super::Caller<'_>, task_arn: &str, _: RoleKind) -> Option<bool> {
        Some(self.0.has_address(task_arn, caller.address()))
    }

    fn admits<'a>(
        &'a self,
        _: super::Caller<'a>,
        _: &'a str,
        _: RoleKind,
    ) -> futures_util::future::BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

struct NoMetadata;

impl Metadata for NoMetadata {
    fn answer<'a>(
        &'a self,
        _: &'a str,
        _: &'a Remote,
    ) -> futures_util::future::BoxFuture<'a, Option<Answer>> {
        Box::pin(std::future::ready(None))
    }
}
