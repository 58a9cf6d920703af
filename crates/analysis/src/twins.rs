//! Statements that both sides have: nothing has to be searched to know that they apply to the same requests.

use portcullis_policy::syntax::Condition;
use portcullis_policy::{Span, Statement};

const NOWHERE: Span = Span { start: 0, end: 0 };

/// For every statement of two sides whether the other side has the same one, whatever it is called and wherever it stands.
pub(crate) fn twins(all: &[&Statement], one: &[usize], other: &[usize]) -> Vec<bool> {
    let plain: Vec<Statement> = all.iter().map(|statement| normalised(statement)).collect();
    let has_twin = |at: usize| {
        let opposite = if one.contains(&at) {
            other
        } else if other.contains(&at) {
            one
        } else {
            &[]
        };
        opposite.iter().any(|twin| plain.get(*twin) == plain.get(at))
    };
    (0..all.len()).map(has_twin).collect()
}

/// A statement without its name and place, its values in one order and each once.
fn normalised(statement: &Statement) -> Statement {
    let mut plain = statement.clone();
    plain.sid = None;
    plain.span = NOWHERE;
    if let Some(principal) = &mut plain.principal {
        for entry in &mut principal.entries {
            entry.span = NOWHERE;
        }
        principal
            .entries
            .sort_by_key(|entry| (format!("{:?}", entry.kind), entry.value.clone()));
        principal.entries.dedup();
    }
    for pattern in &mut plain.action.patterns {
        pattern.span = NOWHERE;
    }
    plain.action.patterns.sort_by(|a, b| a.text.cmp(&b.text));
    plain.action.patterns.dedup();
    if let Some(resource) = &mut plain.resource {
        for pattern in &mut resource.patterns {
            pattern.span = NOWHERE;
        }
        resource.patterns.sort_by(|a, b| a.text.cmp(&b.text));
        resource.patterns.dedup();
    }
    for condition in &mut plain.conditions {
        normalise(condition);
    }
    plain
        .conditions
        .sort_by_key(|condition| (condition.key.clone(), format!("{:?}", condition.operator)));
    plain
}

fn normalise(condition: &mut Condition) {
    condition.key_span = NOWHERE;
    for value in &mut condition.values {
        value.span = NOWHERE;
    }
    condition.values.sort_by(|a, b| a.text.cmp(&b.text));
    condition.values.dedup();
}
