//! Which statement came nearest to allowing.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::explain::{ElementReport, Listed, StatementReport};
use crate::{Effect, PolicyType, text};

/// How near a statement came; greater is nearer. The action weighs most: who asks for an action looks for
/// the statement about it.
type Nearness = (bool, usize, Reverse<usize>);

/// The Allow statement of the refusing set that most elements of matched, if any is at least about the service asked
/// for. Of statements that fail alike the one whose text looks most like the request, and of those the first.
pub(super) fn find(statements: &[StatementReport], policy_type: PolicyType, level: usize) -> Option<usize> {
    let is_candidate = |report: &StatementReport| {
        report.policy.policy_type == policy_type
            && report.policy.level == level
            && report.effect == Effect::Allow
            && !report.applies
            && (report.action.matched || report.names_service)
    };
    let candidates = || {
        statements
            .iter()
            .enumerate()
            .filter(|(_, report)| is_candidate(report))
    };
    let nearest = candidates().map(|(_, report)| nearness(report)).max()?;
    // max_by_key keeps the last of equals.
    candidates()
        .rev()
        .filter(|(_, report)| nearness(report) == nearest)
        .max_by_key(|(_, report)| failing_likeness(report))
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
        Reverse(failed_conditions),
    )
}

fn failing_likeness(report: &StatementReport) -> usize {
    let failing = report.elements().filter(|element| !element.matched);
    let closest = |element: &ElementReport| {
        let values = element.wanted.iter();
        values.map(|value| likeness(&element.asked, &value)).max()
    };
    failing.filter_map(closest).sum()
}

/// How many leading characters two texts share, without case.
fn likeness(asked: &str, value: &str) -> usize {
    let pairs = asked.chars().zip(value.chars());
    pairs
        .take_while(|(a, b)| a == b || text::fold(*a) == text::fold(*b))
        .count()
}

/// The listed values with their places, those most like the request first; of equals in the order of the text.
pub(crate) fn closest_first<'a>(asked: &str, values: &'a Listed) -> Vec<(usize, Cow<'a, str>)> {
    let mut closest: Vec<(usize, Cow<'_, str>)> = values.iter().enumerate().collect();
    closest.sort_by_cached_key(|(_, value)| Reverse(likeness(asked, value)));
    closest
}
