//! DiscoverPollEndpoint: one answer for both websockets, kept for 12 hours; an old one is better than none
//! (agent.md 5.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_api::ecs;
use tokio::sync::Mutex;

use super::{CallError, ControlPlane};

const AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Addresses of the websockets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) acs: String,
    pub(crate) tcs: String,
}

/// The answer and its age.
#[derive(Debug)]
pub(crate) struct PollEndpoints {
    plane: ControlPlane,
    cluster: String,
    container_instance_arn: String,
    last: Mutex<Option<(Arc<Endpoints>, Instant)>>,
}

impl PollEndpoints {
    /// For this instance.
    pub(crate) fn new(plane: ControlPlane, cluster: &str, container_instance_arn: &str) -> Self {
        Self {
            plane,
            cluster: cluster.to_owned(),
            container_instance_arn: container_instance_arn.to_owned(),
            last: Mutex::new(None),
        }
    }

    /// The endpoints, asked for when there are none or they are old.
    pub(crate) async fn get(&self) -> Result<Arc<Endpoints>, CallError> {
        let mut last = self.last.lock().await;
        if let Some((endpoints, asked)) = last.as_ref()
            && asked.elapsed() < AGE_MAX
        {
            return Ok(Arc::clone(endpoints));
        }
        match (self.discover().await, last.as_ref()) {
            (Ok(endpoints), _) => {
                let endpoints = Arc::new(endpoints);
                *last = Some((Arc::clone(&endpoints), Instant::now()));
                Ok(endpoints)
            }
            (Err(_), Some((old, _))) => Ok(Arc::clone(old)),
            (Err(error), None) => Err(error),
        }
    }

    /// Nobody answers there any more: ask again next time.
    pub(crate) async fn forget(&self) {
        *self.last.lock().await = None;
    }

    async fn discover(&self) -> Result<Endpoints, CallError> {
        let request = ecs::DiscoverPollEndpointRequest {
            cluster: Some(self.cluster.clone()),
            container_instance: Some(self.container_instance_arn.clone()),
            zone_id: Some(String::new()),
        };
        let reply = self.plane.call::<ecs::op::DiscoverPollEndpoint>(&request).await?;
        let endpoint = |found: Option<String>| {
            found.ok_or_else(|| CallError::Unreachable("DiscoverPollEndpoint named no endpoint".to_owned()))
        };
        Ok(Endpoints {
            acs: endpoint(reply.endpoint)?,
            tcs: endpoint(reply.telemetry_endpoint)?,
        })
    }
}
