//! Which statement came nearest to allowing.

use crate::explain::StatementReport;
use crate::{Effect, PolicyType};

/// How near a statement came; greater is nearer. The action weighs most: who asks for an action looks for
/// the statement about it.
type Nearness = (bool, usize, std::cmp::Reverse<usize>);

/// The Allow statement of the stopping set that most elements of matched, if any is at least about the
/// service asked for. Of equals the first.
pub(super) fn find(statements: &[StatementReport], stopped_by: PolicyType) -> Option<usize> {
    let is_candidate = |report: &StatementReport| {
        report.policy_type == stopped_by
            && report.effect == Effect::Allow
            && !report.applies
            && (report.action.matched || report.names_service)
    };
    let candidates = statements
        .iter()
        .enumerate()
        .filter(|(_, report)| is_candidate(report));
    // max_by_key keeps the last of equals.
    candidates
        .rev()
        .max_by_key(|(_, report)| nearness(report))
        .map(|(at, _)| at)
}

fn nearness(report: &StatementReport) -> Nearness {
    let matched_elements = report.elements().filter(|element| element.matched).count();
    let failed_conditions = report
        .conditions
        .iter()
        .filter(|condition| !condition.met)
        .count();
    (
        report.action.matched,
        matched_elements,
        std::cmp::Reverse(failed_conditions),
    )
}
