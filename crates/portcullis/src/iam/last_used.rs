//! When principals last used the actions of a service, asked of Access Advisor.

use std::collections::HashMap;

use anyhow::{Result, bail};
use portcullis_api::iam as api;
use portcullis_api::iam::op;
use portcullis_core::Timestamp;

use crate::client::Client;

/// When something was last used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastUsed {
    /// Then.
    At(Timestamp),
    /// Not in the last 400 days.
    Never,
    /// The server does not note it.
    NotTracked,
}

/// What one principal used of one service.
#[derive(Debug, Clone, Default)]
pub struct Uses {
    service: Option<Timestamp>,
    /// The actions that are noted; `None` where only the service is.
    actions: Option<HashMap<String, Option<Timestamp>>>,
}

impl Uses {
    /// When an action was last used.
    pub fn of(&self, action: &str) -> LastUsed {
        match &self.actions {
            Some(actions) => match actions.get(action) {
                Some(Some(at)) => LastUsed::At(*at),
                Some(None) => LastUsed::Never,
                None => LastUsed::NotTracked,
            },
            None if self.service.is_none() => LastUsed::Never,
            None => LastUsed::NotTracked,
        }
    }
}

/// Asks what a principal used of a service.
pub async fn ask(client: &Client, principal: &str, service: &str) -> Result<Uses> {
    let request = api::GenerateServiceLastAccessedDetailsRequest {
        arn: principal.to_owned(),
        granularity: Some("ACTION_LEVEL".to_owned()),
    };
    let job = client
        .expect::<op::GenerateServiceLastAccessedDetails>(&request)
        .await?;
    let job_id = job.job_id.unwrap_or_default();
    let mut marker = None;
    loop {
        let request = api::GetServiceLastAccessedDetailsRequest {
            job_id: job_id.clone(),
            max_items: Some(1_000),
            marker,
        };
        let page = client
            .expect::<op::GetServiceLastAccessedDetails>(&request)
            .await?;
        if let Some(error) = page.error {
            bail!("the report about {principal} failed: {}", error.message);
        }
        let mut services = page.services_last_accessed.into_iter();
        if let Some(found) = services.find(|one| one.service_namespace == service) {
            return Ok(read(found));
        }
        marker = page.marker;
        if marker.is_none() {
            return Ok(Uses::default());
        }
    }
}

fn read(service: api::ServiceLastAccessed) -> Uses {
    let actions = service.tracked_actions_last_accessed.map(|actions| {
        let named = |one: api::TrackedActionLastAccessed| Some((one.action_name?, one.last_accessed_time));
        actions.into_iter().filter_map(named).collect()
    });
    Uses {
        service: service.last_authenticated,
        actions,
    }
}
