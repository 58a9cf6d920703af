//! Which actions of the service reference a pattern stands for (R33-R38).

use portcullis_reference::{ActionId, ServiceId, service};

use crate::document::ActionList;
use crate::matching::action::ActionForm;

/// The actions of the reference that an Action or NotAction element matches, in their order.
pub fn known_actions(list: &ActionList) -> impl Iterator<Item = ActionId> + use<> {
    let mut matched = vec![list.negated; ActionId::COUNT];
    for pattern in &list.patterns {
        for action in known_actions_of(&pattern.form) {
            if let Some(slot) = matched.get_mut(action.index()) {
                *slot = !list.negated;
            }
        }
    }
    ActionId::all()
        .zip(matched)
        .filter_map(|(action, matched)| matched.then_some(action))
}

/// The actions of the reference that one pattern matches, in their order.
pub fn known_actions_of(form: &ActionForm) -> Vec<ActionId> {
    match form {
        ActionForm::Everything => ActionId::all().collect(),
        ActionForm::Nothing => Vec::new(),
        ActionForm::Named { service: None, name } => ActionId::all()
            .filter(|action| name.matches(action.folded_name()))
            .collect(),
        ActionForm::Named {
            service: Some(prefix),
            name,
        } => {
            let actions = service(prefix).map(ServiceId::actions);
            actions
                .into_iter()
                .flatten()
                .filter(|action| name.matches(action.folded_name()))
                .collect()
        }
    }
}
