//! Wildcards in actions replaced by the actions they stand for.

use std::collections::BTreeSet;

use portcullis_policy::elements::{known_actions, known_actions_of};
use portcullis_policy::syntax::{ActionForm, ActionList};
use portcullis_policy::{Document, Kind};
use portcullis_reference::ActionId;

use crate::rewrite::draft::{Draft, DraftStatement, List, RewriteError};
use crate::rewrite::layout::Out;

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expansion {
    /// Whether actions and patterns go that stand for no known action; otherwise they stay.
    pub only_known: bool,
    /// Whether NotAction becomes the list of all other known actions; otherwise it stays.
    pub not_action: bool,
    /// Whether a bare `*` becomes all of them; otherwise it stays.
    pub everything: bool,
}

/// Writes out the actions that patterns stand for, as far as the service reference knows them. The result means the same
/// for every known action; it does not grow with AWS.
pub fn expand(text: &str, kind: Kind, how: Expansion) -> Result<String, RewriteError> {
    let document = Document::parse(text, kind)?;
    let mut draft = Draft::read(text, kind)?;
    for (statement, draft) in document.statements().iter().zip(&mut draft.statements) {
        expand_statement(&statement.action, draft, how);
    }
    draft.statements.retain(|statement| !has_no_actions(statement));
    if draft.statements.is_empty() {
        return Err(RewriteError::NothingLeft);
    }
    Ok(draft.print())
}

fn expand_statement(actions: &ActionList, draft: &mut DraftStatement, how: Expansion) {
    let Some(list) = draft
        .lists
        .iter_mut()
        .find(|list| list.element.ends_with("Action"))
    else {
        return;
    };
    if !actions.negated {
        list.values = expanded(actions, how);
    } else if how.not_action {
        *list = List {
            element: "Action".to_owned(),
            key: None,
            values: known_actions(actions)
                .map(|action| Out::text(&action.to_string()))
                .collect(),
        };
    }
}

fn has_no_actions(statement: &DraftStatement) -> bool {
    statement
        .lists
        .iter()
        .any(|list| list.element == "Action" && list.values.is_empty())
}

fn expanded(actions: &ActionList, how: Expansion) -> Vec<Out> {
    let mut values = Vec::new();
    let mut listed: BTreeSet<ActionId> = BTreeSet::new();
    for pattern in &actions.patterns {
        let known = known_actions_of(&pattern.form);
        let is_bare_star = pattern.form == ActionForm::Everything;
        let is_single = !pattern.text.contains(['*', '?']);
        let stays = (is_bare_star && !how.everything) || (known.is_empty() && !how.only_known);
        match known.as_slice() {
            _ if stays => values.push(Out::text(&pattern.text)),
            [one] if is_single => {
                if listed.insert(*one) {
                    values.push(Out::text(&pattern.text));
                }
            }
            known => values.extend(
                known
                    .iter()
                    .filter(|action| listed.insert(**action))
                    .map(|action| Out::text(&action.to_string())),
            ),
        }
    }
    values
}
