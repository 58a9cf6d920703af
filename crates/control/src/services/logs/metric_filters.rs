//! TestMetricFilter: what a filter pattern would find. There are no metrics here for metric filters to feed.

use portcullis_api::logs::op;
use portcullis_api::logs::{MetricFilterMatchRecord, TestMetricFilterResponse};

use super::read::pattern;
use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::Authorized;
use crate::world::Snapshot;

/// Tries a pattern on messages; they are numbered from 1.
pub(super) fn test(
    _view: &Snapshot,
    _env: &Environment,
    auth: Authorized<'_, op::TestMetricFilter>,
) -> Result<TestMetricFilterResponse, ServiceError> {
    let input = auth.input();
    let pattern = pattern(Some(&input.filter_pattern))?;
    let numbered = (1_i64..).zip(&input.log_event_messages);
    let matches = numbered.filter_map(|(number, message)| {
        Some(MetricFilterMatchRecord {
            event_number: Some(number),
            event_message: Some(message.clone()),
            extracted_values: Some(pattern.extract(message)?.into_iter().collect()),
        })
    });
    Ok(TestMetricFilterResponse {
        matches: Some(matches.collect()),
    })
}
