//! Action patterns expanded to the actions of the reference, each distinct pattern once and only so many names looked at.

use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use portcullis_reference::{ServiceId, service};

use crate::document::ActionPattern;
use crate::matching::action::ActionForm;
use crate::matching::glob::{Glob, Token};
use crate::text::fold;

/// Names that patterns with wildcards may be compared with for one block, and actions that they may list; what goes beyond is
/// matched when a request is decided, so that no policy takes long to compile.
const BUDGET: usize = 1 << 18;

/// What an action pattern comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expansion {
    /// Every action of every service (R34).
    Everything,
    /// The same by `*:*` (R35), which needs the colon that an action ought to have.
    EveryName,
    /// Every action of a service.
    Service(ServiceId),
    /// The one action of this number, by its whole name.
    Action(u16),
    /// These of the expander's actions.
    Actions(Range<usize>),
    /// No action that the reference knows.
    Unknown,
    /// More than is looked at.
    TooMany,
    /// No action at all (R36).
    Nothing,
}

/// Expands the patterns of one block.
#[derive(Default)]
pub(super) struct Expander<'a> {
    known: HashMap<&'a str, Expansion, FixedState>,
    /// The numbers of the actions that expansions list.
    actions: Vec<u16>,
    spent: usize,
}

impl<'a> Expander<'a> {
    /// What a pattern comes to.
    pub(super) fn expand(&mut self, pattern: &'a ActionPattern) -> Expansion {
        let expansion = match self.known.get(pattern.text.as_str()) {
            Some(known) => known.clone(),
            None => {
                let expansion = self.look_up(&pattern.form);
                self.known.insert(&pattern.text, expansion.clone());
                expansion
            }
        };
        match &expansion {
            // A list costs anew wherever it stands.
            Expansion::Actions(range) if !self.spend(range.len()) => Expansion::TooMany,
            _ => expansion,
        }
    }

    /// The numbers of listed actions.
    pub(super) fn actions(&self, range: Range<usize>) -> &[u16] {
        self.actions.get(range).unwrap_or_default()
    }

    /// Whether the budget allows for so much more.
    fn spend(&mut self, more: usize) -> bool {
        self.spent = self.spent.saturating_add(more);
        self.spent <= BUDGET
    }

    fn look_up(&mut self, form: &ActionForm) -> Expansion {
        match form {
            ActionForm::Everything => Expansion::Everything,
            ActionForm::Nothing => Expansion::Nothing,
            ActionForm::Named { service: None, name } if is_any_name(name) => Expansion::EveryName,
            ActionForm::Named { service: None, .. } => Expansion::TooMany,
            ActionForm::Named {
                service: Some(prefix),
                name,
            } => {
                let folded: String = prefix.chars().map(fold).collect();
                match service(&folded) {
                    None => Expansion::Unknown,
                    Some(service) if is_any_name(name) => Expansion::Service(service),
                    Some(service) => self.list(service, name),
                }
            }
        }
    }

    fn list(&mut self, service: ServiceId, name: &Glob) -> Expansion {
        let start: String = name
            .tokens()
            .iter()
            .map_while(|token| character(*token))
            .collect();
        if start.chars().count() == name.tokens().len() {
            let number = service
                .action(&start)
                .and_then(|action| u16::try_from(action.index()).ok());
            return number.map_or(Expansion::Unknown, Expansion::Action);
        }
        let candidates = service.actions_starting_with(&start);
        if !self.spend(candidates.len()) {
            return Expansion::TooMany;
        }
        let from = self.actions.len();
        let listed = candidates.filter(|action| name.matches(action.folded_name()));
        self.actions
            .extend(listed.filter_map(|action| u16::try_from(action.index()).ok()));
        match from..self.actions.len() {
            range if range.is_empty() => Expansion::Unknown,
            range => Expansion::Actions(range),
        }
    }
}

fn character(token: Token) -> Option<char> {
    match token {
        Token::Char(c) | Token::Folded(c) | Token::ArnChar(c) => Some(c),
        Token::One | Token::OneInField | Token::Many | Token::ManyInField => None,
    }
}

fn is_any_name(name: &Glob) -> bool {
    name.tokens().iter().all(|token| *token == Token::Many)
}
