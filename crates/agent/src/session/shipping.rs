//! The audit log's copies on their way over TCS, to a control plane that said it takes them: AWS's never does.

use std::time::Duration;

use portcullis_api::acs;
use portcullis_wire::{Frame, encode_frame};
use tokio::time::Instant;

use crate::audit::{Fetch, Outbox, Shipment};

/// Fetches that follow each other closely go together.
const GATHER: Duration = Duration::from_millis(200);
/// Without an answer they are sent again.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Most in one frame, whatever is offered: a frame stays well below a megabyte.
const FETCHES_MAX: usize = 250;

/// The state of one connection.
#[derive(Debug, Default)]
pub(super) struct Shipping {
    /// How many the control plane takes at a time; none before it said so.
    offered: Option<usize>,
    under_way: Option<Shipment>,
    due: Option<Instant>,
}

impl Shipping {
    /// When something is to be sent; far away when nothing is.
    pub(super) fn due(&self) -> Instant {
        self.due
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    /// Whether news are of interest.
    pub(super) fn listens(&self) -> bool {
        self.offered.is_some() && self.due.is_none()
    }

    /// Something was added.
    pub(super) fn news(&mut self) {
        self.due = Some(Instant::now() + GATHER);
    }

    /// The frame that is due.
    pub(super) fn next(&mut self, outbox: &Outbox) -> Option<String> {
        let limit = self.offered?;
        let shipment = outbox.next(limit);
        self.due = shipment.as_ref().map(|_| Instant::now() + ANSWER_TIME_MAX);
        let frame = shipment.as_ref().map(frame);
        self.under_way = shipment;
        frame
    }

    /// Takes in a frame of the control plane's.
    pub(super) fn heed(&mut self, text: &[u8], outbox: &Outbox) {
        let Ok(frame) = Frame::parse(text) else { return };
        match frame.kind.as_str() {
            "PortcullisAuditOffer" => {
                let offer: acs::PortcullisAuditOffer = frame.read().unwrap_or_default();
                let offered = offer.records_max.and_then(|max| usize::try_from(max).ok());
                self.offered = offered.map(|max| max.clamp(1, FETCHES_MAX));
                self.due = Some(Instant::now());
            }
            "AckPortcullisAudit" => {
                let ack: acs::AckPortcullisAudit = frame.read().unwrap_or_default();
                let first = ack.first.and_then(|first| u64::try_from(first).ok());
                if let Some(shipment) = self.under_way.take_if(|shipment| Some(shipment.first) == first) {
                    outbox.arrived(&shipment);
                    self.due = Some(Instant::now());
                }
            }
            _ => {}
        }
    }
}

fn frame(shipment: &Shipment) -> String {
    encode_frame(&acs::PortcullisAuditRequest {
        first: i64::try_from(shipment.first).ok(),
        dropped: i64::try_from(shipment.dropped).ok(),
        records: Some(shipment.fetches.iter().map(record).collect()),
    })
}

fn record(fetch: &Fetch) -> acs::PortcullisAuditRecord {
    acs::PortcullisAuditRecord {
        timestamp: Some(fetch.at),
        status: Some(fetch.status.into()),
        source: Some(fetch.source.clone()),
        path: Some(fetch.path.clone()),
        user_agent: Some(fetch.user_agent.clone()),
        task_arn: fetch.task_arn.clone(),
        event_type: fetch.event_type.clone(),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::Timestamp;

    use super::*;

    fn add(outbox: &Outbox, path: &str) {
        outbox.add(Fetch {
            at: Timestamp::from_millis(1_500),
            status: 400,
            source: "172.17.0.2:1".into(),
            path: path.into(),
            user_agent: "probe".into(),
            task_arn: None,
            event_type: None,
        });
    }

    fn heed(shipping: &mut Shipping, outbox: &Outbox, text: &str) {
        shipping.heed(text.as_bytes(), outbox);
    }

    #[tokio::test(start_paused = true)]
    async fn fetches_are_sent_only_to_who_takes_them_and_until_they_arrived() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(&folder.path().join("outbox"), Timestamp::from_millis(5));
        let mut shipping = Shipping::default();
        for path in ["/a", "/b", "/c"] {
            add(&outbox, path);
        }
        assert_eq!(shipping.next(&outbox), None, "nobody asked");
        assert!(!shipping.listens());
        let offer = r#"{"type":"PortcullisAuditOffer","message":{"recordsMax":2}}"#;
        heed(&mut shipping, &outbox, offer);
        let first = shipping.next(&outbox).unwrap();
        assert!(first.contains("\"first\":5000") && first.contains("/b") && !first.contains("/c"));
        let other = r#"{"type":"AckPortcullisAudit","message":{"first":4999,"count":2}}"#;
        heed(&mut shipping, &outbox, other);
        assert_eq!(
            shipping.next(&outbox),
            Some(first),
            "not acknowledged: sent again"
        );
        let ack = r#"{"type":"AckPortcullisAudit","message":{"first":5000,"count":2}}"#;
        heed(&mut shipping, &outbox, ack);
        assert!(shipping.next(&outbox).unwrap().contains("\"first\":5002"));
        let ack = r#"{"type":"AckPortcullisAudit","message":{"first":5002,"count":1}}"#;
        heed(&mut shipping, &outbox, ack);
        assert_eq!(shipping.next(&outbox), None);
        assert!(shipping.listens());
    }
}
