//! AWS CloudTrail: the event history.

mod lookup;

use portcullis_api::cloudtrail::op;

use crate::gate::operation::{Row, read};

/// The operations of the service.
pub fn table() -> Vec<Row> {
    vec![read::<op::LookupEvents>(
        &["cloudtrail:LookupEvents"],
        lookup::require,
        lookup::events,
    )]
}
