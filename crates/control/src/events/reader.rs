//! What a reader asks for, and whether it may have it.

use std::str::FromStr as _;

use http::request::Parts;
use percent_encoding::percent_decode_str;
use portcullis_core::Arn;
use serde_json::{Value, json};

use super::bus::{Kept, Position};
use super::pattern::Pattern;
use super::stream::ACTION;
use crate::gate::call::Call;
use crate::gate::context::add_resource_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::own_door::{cluster_name, invalid};
use crate::world::Snapshot;
use crate::world::records::ecs::Cluster;

/// What a reader asks for.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// The name of a cluster, if only that cluster's events are wanted.
    cluster: Option<String>,
    detail_types: Vec<String>,
    pattern: Option<Pattern>,
    pattern_text: Option<String>,
    /// After which event; from the oldest kept one without.
    pub position: Option<Position>,
    /// Whether to wait for what happens next.
    pub follow: bool,
}

impl Wish {
    /// Reads the query and the header `Last-Event-ID`.
    pub fn read(parts: &Parts) -> Result<Self, ServiceError> {
        let mut wish = Self {
            cluster: None,
            detail_types: Vec::new(),
            pattern: None,
            pattern_text: None,
            position: None,
            follow: true,
        };
        for (name, value) in query(parts.uri.query().unwrap_or_default()) {
            wish.take(&name, value)?;
        }
        if let Some(last) = parts.headers.get("last-event-id") {
            let text = last.to_str().unwrap_or_default();
            let position = Position::from_str(text);
            wish.position = Some(position.map_err(|error| invalid(&format!("Last-Event-ID is {error}")))?);
        }
        Ok(wish)
    }

    fn take(&mut self, name: &str, value: String) -> Result<(), ServiceError> {
        match name {
            "cluster" => self.cluster = Some(cluster_name(&value)?),
            "detail-type" => self.detail_types.push(value),
            "pattern" => {
                self.pattern = Some(Pattern::parse(&value).map_err(|error| invalid(&error.to_string()))?);
                self.pattern_text = Some(value);
            }
            "follow" => {
                self.follow = value
                    .parse()
                    .map_err(|_| invalid("follow must be true or false"))?;
            }
            // Of requests that are signed in their query.
            name if name.starts_with("X-Amz-") => {}
            other => return Err(invalid(&format!("there is no parameter `{other}`"))),
        }
        Ok(())
    }

    /// The permission it takes: on the cluster, or literally on all clusters of the region.
    pub fn check(&self, view: &Snapshot, call: &Call) -> Check {
        let arn = self.cluster_arn(call, "*");
        let mut check = Check::new(ACTION, arn.as_str()).with("ecs:cluster", arn.as_str());
        let key = self
            .cluster
            .as_deref()
            .map(|name| Cluster::key_of(&call.region, name));
        if let Some(cluster) = key.and_then(|key| view.ecs.clusters.get(&key)) {
            add_resource_tags(&mut check.context, "ecs", &cluster.tags);
        }
        check
    }

    fn cluster_arn(&self, call: &Call, otherwise: &str) -> Arn {
        let name = self.cluster.as_deref().unwrap_or(otherwise);
        Arn::regional("ecs", &call.region, &call.account, format_args!("cluster/{name}"))
    }

    /// Whether an event is one of those asked for. Readers get the events of the region they signed for.
    pub fn wants(&self, call: &Call, kept: &Kept) -> bool {
        let here = kept.region() == call.region.as_str();
        let in_cluster = || {
            let wanted = self.cluster.as_ref().map(|_| self.cluster_arn(call, ""));
            wanted.is_none_or(|wanted| kept.cluster_arn() == wanted.as_str())
        };
        if !here || !in_cluster() {
            return false;
        }
        let shown = kept.shown(&call.account);
        let kind = shown
            .get("detail-type")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let of_type = self.detail_types.is_empty() || self.detail_types.iter().any(|one| one == kind);
        of_type && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(shown))
    }

    /// What CloudTrail shows of the request.
    pub fn parameters(&self) -> Value {
        let mut shown = serde_json::Map::new();
        if let Some(cluster) = &self.cluster {
            shown.insert("cluster".to_owned(), json!(cluster));
        }
        if !self.detail_types.is_empty() {
            shown.insert("detailTypes".to_owned(), json!(self.detail_types));
        }
        if let Some(pattern) = &self.pattern_text {
            shown.insert("pattern".to_owned(), json!(pattern));
        }
        if let Some(position) = &self.position {
            shown.insert("lastEventId".to_owned(), json!(position.to_string()));
        }
        shown.insert("follow".to_owned(), json!(self.follow));
        Value::Object(shown)
    }
}

fn query(text: &str) -> impl Iterator<Item = (String, String)> {
    let decode = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}
