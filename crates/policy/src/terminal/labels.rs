//! What is said at which place of a statement.

use crate::Span;
use crate::explain::{ConditionReport, ElementReport, StatementReport};
use crate::explain::{asked_of, closest_first, wanted_by, wanted_of};

/// A place in the policy's text and what to say there.
type Label = (Span, String);

/// For a statement that applies, what made it; for another, what failed.
pub(super) fn of(report: &StatementReport) -> Vec<Label> {
    let elements = report
        .elements()
        .filter(|element| element.matched == report.applies)
        .map(|element| of_element(element, report.span));
    let conditions = report
        .conditions
        .iter()
        .filter(|condition| condition.met == report.applies)
        .map(of_condition);
    elements.chain(conditions).collect()
}

fn of_element(element: &ElementReport, statement: Span) -> Label {
    let closest = closest_first(&element.asked, &element.wanted);
    let closest = closest.first().map(|(at, _)| *at);
    let at = element.listed_at.or(closest);
    let span = at.and_then(|at| element.wanted.span(at));
    let asked = &element.asked;
    let negated = element.element.starts_with("Not");
    let by = match element.element {
        "Principal" | "NotPrincipal" => "asked by",
        _ => "asked for",
    };
    let text = match (element.matched, negated) {
        (true, false) => format!("matches {asked}"),
        (true, true) => format!("does not list {asked}"),
        (false, _) if element.wanted.is_empty() => {
            format!("asked by {asked}, but names no {}", element.element)
        }
        (false, false) if element.wanted.len() > 1 => format!(
            "{by} {asked}\nwanted one of {}, this is the closest",
            element.wanted.len()
        ),
        (false, _) => format!("{by} {asked}\nwanted {}", wanted_by(element)),
    };
    let text = match element.rule {
        "R57" if !element.matched => format!("{text}\na variable in the policy has no value (R57)"),
        _ => text,
    };
    (span.unwrap_or(statement), text)
}

fn of_condition(condition: &ConditionReport) -> Label {
    let ConditionReport { why, rule, .. } = condition;
    let Some(asked) = &condition.asked else {
        return (
            condition.key_span,
            format!("{why}\nwanted {} ({rule})", wanted_of(condition)),
        );
    };
    let first = asked.first().map_or("", String::as_str);
    let closest = closest_first(first, &condition.wanted);
    let at = closest.first().and_then(|(at, _)| condition.wanted.span(*at));
    let text = match condition.met {
        true => format!("asked for {}: {why}", asked_of(condition)),
        false => format!(
            "asked for {}\nwanted {} ({why}, {rule})",
            asked_of(condition),
            wanted_of(condition)
        ),
    };
    (at.unwrap_or(condition.key_span), text)
}
