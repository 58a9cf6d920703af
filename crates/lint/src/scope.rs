//! Which actions of the reference a statement is about.

use portcullis_policy::elements;
use portcullis_policy::syntax::{ActionForm, Glob, Token};
use portcullis_reference::{self as reference, ActionId, ServiceId};

use crate::policy::{List, Statement, Text};

/// What a statement's Action or NotAction reaches.
pub(crate) struct Scope<'s> {
    /// One for each entry of the element, in order.
    pub(crate) entries: Vec<Entry<'s>>,
    pub(crate) negated: bool,
    /// Every action of the entries, each once.
    pub(crate) actions: Vec<ActionId>,
}

/// One entry of Action or NotAction.
pub(crate) struct Entry<'s> {
    pub(crate) text: Text<'s>,
    pub(crate) form: ActionForm,
    pub(crate) reached: Reached,
}

/// What one entry reaches.
pub(crate) enum Reached {
    /// All actions, or those of a name in all services.
    AllServices,
    /// These; none when the name exists nowhere.
    Actions(Vec<ActionId>),
    /// The service or its spelling is not known.
    UnknownService,
}

impl<'s> Scope<'s> {
    pub(crate) fn of(statement: &Statement<'s>) -> Option<Self> {
        let List { negated, items, .. } = statement.action.as_ref()?;
        let entries: Vec<Entry<'s>> = items.iter().map(|text| Entry::of(*text)).collect();
        let reached = entries.iter().filter_map(|entry| match &entry.reached {
            Reached::Actions(actions) => Some(actions),
            _ => None,
        });
        let mut actions: Vec<ActionId> = reached.flatten().copied().collect();
        actions.sort_unstable();
        actions.dedup();
        Some(Self {
            entries,
            negated: *negated,
            actions,
        })
    }

    /// Whether all actions the statement is about are known: then its resources and keys can be held against them.
    pub(crate) fn is_known(&self) -> bool {
        let known =
            |entry: &Entry<'_>| matches!(&entry.reached, Reached::Actions(actions) if !actions.is_empty());
        !self.negated && !self.entries.is_empty() && self.entries.iter().all(known)
    }

    /// The entry through which the statement reaches an action.
    pub(crate) fn entry_for(&self, action: ActionId) -> Option<&Entry<'s>> {
        if self.negated {
            return None;
        }
        self.entries.iter().find(|entry| entry.covers(action))
    }

    /// Whether the statement reaches an action.
    pub(crate) fn covers(&self, action: ActionId) -> bool {
        self.negated != self.entries.iter().any(|entry| entry.covers(action))
    }

    /// The services of the known actions.
    pub(crate) fn services(&self) -> Vec<ServiceId> {
        let mut services: Vec<ServiceId> = self.actions.iter().map(|action| action.service()).collect();
        services.dedup();
        services
    }
}

impl<'s> Entry<'s> {
    fn of(text: Text<'s>) -> Self {
        let form = elements::action(text.text);
        let reached = match &form {
            ActionForm::Everything | ActionForm::Named { service: None, .. } => Reached::AllServices,
            ActionForm::Named {
                service: Some(prefix),
                name,
            } => match reference::service(prefix) {
                Some(service) => Reached::Actions(actions_of(service, name)),
                None => Reached::UnknownService,
            },
            ActionForm::Nothing => Reached::UnknownService,
        };
        Self { text, form, reached }
    }

    pub(crate) fn is_named(&self) -> bool {
        !self.text.text.contains(['*', '?'])
    }

    pub(crate) fn actions(&self) -> &[ActionId] {
        match &self.reached {
            Reached::Actions(actions) => actions,
            Reached::AllServices | Reached::UnknownService => &[],
        }
    }

    pub(crate) fn covers(&self, action: ActionId) -> bool {
        match (&self.form, &self.reached) {
            (ActionForm::Everything, _) => true,
            (ActionForm::Named { service: None, name }, _) => name.matches(action.name()),
            (_, Reached::Actions(actions)) => actions.binary_search(&action).is_ok(),
            _ => false,
        }
    }
}

/// The service's actions that a name pattern matches; they lie beside each other up to the pattern's first wildcard.
fn actions_of(service: ServiceId, name: &Glob) -> Vec<ActionId> {
    let literal = |token: &Token| match token {
        Token::Char(c) | Token::Folded(c) | Token::ArnChar(c) => Some(*c),
        Token::One | Token::OneInField | Token::Many | Token::ManyInField => None,
    };
    let start: String = name.tokens().iter().map_while(literal).collect();
    service
        .actions_starting_with(&start)
        .filter(|action| name.matches(action.name()))
        .collect()
}
