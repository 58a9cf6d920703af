//! Which statements of a block are about an action (R33-R38): looked up by the number the reference gives the action.
//!
//! Most actions are covered by `*`, `NotAction` or `ecs:*` alone, so that a block has one row for all actions, one for each
//! service that differs, and one for each action that differs from its service. Equal rows are one.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use portcullis_reference::{ActionId, ServiceId};

use crate::Effect;
use crate::compiled::expand::{Expander, Expansion};
use crate::compiled::index::Index;
use crate::compiled::prepared::Prepared;
use crate::compiled::resources::Lengths;
use crate::compiled::set::{Mask, Set, Sets};
use crate::document::{ActionList, ActionPattern, Statement};
use crate::matching::action::{ActionForm, AskedAction};

/// The statements about some actions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) allow: Set,
    pub(super) deny: Set,
    pub(super) needs: Needs,
}

/// What statements need besides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// The tables of their conditions, a bit for each.
    pub(super) tables: u64,
    /// The lengths of their resource patterns.
    pub(super) lengths: Lengths,
}

impl Needs {
    pub(super) const NONE: Self = Self {
        tables: 0,
        lengths: Lengths::NONE,
    };
    pub(super) const ALL: Self = Self {
        tables: u64::MAX,
        lengths: Lengths::ALL,
    };
}

impl Row {
    #[inline]
    fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

/// The action elements of a block's statements.
#[derive(Debug, Clone)]
pub(super) struct Actions {
    rows: Vec<Row>,
    /// The rows of actions with one of their own.
    of_action: Index,
    /// The services with a row of their own, in order.
    of_service: Vec<(ServiceId, u32)>,
    /// The row of all other actions.
    of_the_rest: u32,
    /// Statements with patterns that were too many to expand, each with one of them, in order.
    unexpanded: Vec<(u16, ActionForm)>,
    /// For actions the reference does not know: patterns that may match them, each with its statements.
    of_unknown: Vec<(ActionForm, Set)>,
    everything: Set,
    negated: Set,
    denies: Set,
}

/// The statements of a block that are about an action.
pub(super) enum Selected<const W: usize> {
    /// None.
    Nothing,
    /// Those of a row.
    Row(Row),
    /// These Allows and Denies.
    Masks { allow: Mask<W>, deny: Mask<W> },
}

impl Actions {
    /// The statements about the request's action.
    #[inline]
    pub(super) fn select<const W: usize>(&self, prepared: &Prepared<'_>, sets: &Sets<W>) -> Selected<W> {
        match prepared.action {
            Some(action) if self.unexpanded.is_empty() => match self.row(action) {
                Some(row) if !row.is_empty() => Selected::Row(*row),
                _ => Selected::Nothing,
            },
            Some(action) => self.select_unexpanded(prepared, action, sets),
            None => self.select_unknown(prepared, sets),
        }
    }

    #[inline]
    fn row(&self, action: ActionId) -> Option<&Row> {
        let number = number(action);
        // Different numbers have different hashes.
        let row = self.of_action.find(spread(number), Some).unwrap_or_else(|| {
            let mut services = self.of_service.iter();
            let service = services.find(|(service, _)| *service == action.service());
            service.map_or(self.of_the_rest, |(_, row)| *row)
        });
        self.rows.get(usize::try_from(row).ok()?)
    }

    /// As the row says, and what the patterns say that are in no row.
    fn select_unexpanded<const W: usize>(
        &self,
        prepared: &Prepared<'_>,
        action: ActionId,
        sets: &Sets<W>,
    ) -> Selected<W> {
        let mut listed = Mask::EMPTY;
        if let Some(row) = self.row(action) {
            sets.join(&mut listed, row.allow);
            sets.join(&mut listed, row.deny);
        }
        // From the statements about the action to those that list it.
        sets.toggle(&mut listed, self.negated);
        let asked = AskedAction::of(prepared.request.action);
        for (statement, form) in &self.unexpanded {
            if !listed.has(*statement) && form.matches(asked) {
                listed.insert(*statement);
            }
        }
        self.about(listed, sets)
    }

    /// Every pattern in turn.
    fn select_unknown<const W: usize>(&self, prepared: &Prepared<'_>, sets: &Sets<W>) -> Selected<W> {
        let mut listed = Mask::EMPTY;
        sets.join(&mut listed, self.everything);
        let asked = AskedAction::of(prepared.request.action);
        for (form, statements) in &self.of_unknown {
            if form.matches(asked) {
                sets.join(&mut listed, *statements);
            }
        }
        self.about(listed, sets)
    }

    /// From the statements that list the action to those that are about it.
    fn about<const W: usize>(&self, listed: Mask<W>, sets: &Sets<W>) -> Selected<W> {
        let mut about = listed;
        sets.toggle(&mut about, self.negated);
        let mut denies = Mask::EMPTY;
        sets.join(&mut denies, self.denies);
        let (mut allow, mut deny) = (about, about);
        allow.drop(&denies);
        deny.keep(&denies);
        Selected::Masks { allow, deny }
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        let forms = self.unexpanded.iter().map(|(_, form)| form);
        let forms = forms.chain(self.of_unknown.iter().map(|(form, _)| form));
        self.rows.capacity() * size_of::<Row>()
            + self.of_action.memory()
            + self.of_service.capacity() * size_of::<(ServiceId, u32)>()
            + self.unexpanded.capacity() * size_of::<(u16, ActionForm)>()
            + self.of_unknown.capacity() * size_of::<(ActionForm, Set)>()
            + forms.map(ActionForm::memory).sum::<usize>()
    }
}

#[inline]
fn number(action: ActionId) -> u16 {
    u16::try_from(action.index()).unwrap_or(u16::MAX)
}

#[inline]
fn spread(number: u16) -> u64 {
    u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Collects the action elements of a block.
#[derive(Default)]
pub(super) struct ActionsBuilder<'a> {
    expander: Expander<'a>,
    everything: Vec<u16>,
    every_name: Vec<u16>,
    negated: Vec<u16>,
    denies: Vec<u16>,
    of_service: Vec<(ServiceId, u16)>,
    of_action: Vec<(u16, u16)>,
    unexpanded: Vec<(u16, ActionForm)>,
    of_unknown: Vec<(&'a ActionForm, Vec<u16>)>,
    known: HashMap<&'a str, usize, FixedState>,
    needs: Vec<Needs>,
}

impl<'a> ActionsBuilder<'a> {
    /// Adds a statement's element; statements come in order.
    pub(super) fn add(&mut self, statement: u16, parsed: &'a Statement, needs: Needs) {
        self.needs.push(needs);
        let list: &ActionList = &parsed.action;
        if list.negated {
            self.negated.push(statement);
        }
        if parsed.effect == Effect::Deny {
            self.denies.push(statement);
        }
        for pattern in &list.patterns {
            match self.expander.expand(pattern) {
                Expansion::Everything => {
                    self.everything.push(statement);
                    continue;
                }
                Expansion::EveryName => self.every_name.push(statement),
                Expansion::Service(service) => self.of_service.push((service, statement)),
                Expansion::Action(action) => {
                    // No action that the reference does not know has this name.
                    self.of_action.push((action, statement));
                    continue;
                }
                Expansion::Actions(range) => {
                    let actions = self.expander.actions(range);
                    self.of_action
                        .extend(actions.iter().map(|action| (*action, statement)));
                }
                Expansion::TooMany => self.unexpanded.push((statement, pattern.form.clone())),
                Expansion::Unknown => {}
                Expansion::Nothing => continue,
            }
            self.add_of_unknown(statement, pattern);
        }
    }

    fn add_of_unknown(&mut self, statement: u16, pattern: &'a ActionPattern) {
        let next = self.of_unknown.len();
        let place = *self.known.entry(&pattern.text).or_insert(next);
        if place == next {
            self.of_unknown.push((&pattern.form, Vec::new()));
        }
        if let Some((_, statements)) = self.of_unknown.get_mut(place)
            && statements.last() != Some(&statement)
        {
            statements.push(statement);
        }
    }

    pub(super) fn finish<const W: usize>(mut self, sets: &mut Sets<W>) -> Actions {
        self.of_service.sort_unstable();
        self.of_action.sort_unstable();
        let mut rows = Rows {
            negated: Mask::of(&self.negated),
            denies: Mask::of(&self.denies),
            needs: &self.needs,
            known: HashMap::default(),
            rows: Vec::new(),
            sets,
        };
        let mut everything = Mask::of(&self.everything);
        everything.join(&Mask::of(&self.every_name));
        let of_the_rest = rows.add(&everything);
        let mut of_service = Vec::new();
        for group in self.of_service.chunk_by(|a, b| a.0 == b.0) {
            let Some((service, _)) = group.first() else {
                continue;
            };
            let listed = joined(everything, group);
            of_service.push((*service, rows.add(&listed), listed));
        }
        let mut of_action = Vec::new();
        for group in self.of_action.chunk_by(|a, b| a.0 == b.0) {
            let Some((number, _)) = group.first() else {
                continue;
            };
            let service = ActionId::from_index(usize::from(*number)).map(ActionId::service);
            let whole = of_service.iter().find(|(of, ..)| Some(*of) == service);
            let listed = joined(whole.map_or(everything, |(_, _, listed)| *listed), group);
            of_action.push((spread(*number), rows.add(&listed)));
        }
        let rows = rows.rows;
        self.everything.dedup();
        let of_unknown = self.of_unknown.into_iter();
        Actions {
            rows,
            of_action: Index::new(&of_action),
            of_service: of_service
                .into_iter()
                .map(|(service, row, _)| (service, row))
                .collect(),
            of_the_rest,
            unexpanded: self.unexpanded,
            of_unknown: of_unknown
                .map(|(form, statements)| (form.clone(), sets.add(&statements)))
                .collect(),
            everything: sets.add(&self.everything),
            negated: sets.add(&self.negated),
            denies: sets.add(&self.denies),
        }
    }
}

fn joined<K, const W: usize>(listed: Mask<W>, group: &[(K, u16)]) -> Mask<W> {
    let mut listed = listed;
    group.iter().for_each(|(_, statement)| listed.insert(*statement));
    listed
}

/// The rows made so far, each once.
struct Rows<'s, const W: usize> {
    negated: Mask<W>,
    denies: Mask<W>,
    needs: &'s [Needs],
    known: HashMap<Mask<W>, u32, FixedState>,
    rows: Vec<Row>,
    sets: &'s mut Sets<W>,
}

impl<const W: usize> Rows<'_, W> {
    /// The row of actions that these statements list.
    fn add(&mut self, listed: &Mask<W>) -> u32 {
        if let Some(row) = self.known.get(listed) {
            return *row;
        }
        let mut about = *listed;
        about.toggle(&self.negated);
        let (mut allow, mut deny) = (about, about);
        allow.drop(&self.denies);
        deny.keep(&self.denies);
        let each = about
            .members()
            .filter_map(|statement| self.needs.get(usize::from(statement)));
        let needs = each.fold(Needs::NONE, |all, one| Needs {
            tables: all.tables | one.tables,
            lengths: all.lengths.and(one.lengths),
        });
        let number = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(Row {
            allow: self.sets.add_mask(&allow),
            deny: self.sets.add_mask(&deny),
            needs,
        });
        self.known.insert(*listed, number);
        number
    }
}
