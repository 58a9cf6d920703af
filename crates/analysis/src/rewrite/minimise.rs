//! The same policy with less in it. Every step is proved in both directions before it is taken.

use std::collections::BTreeSet;
use std::fmt;

use portcullis_policy::elements::known_actions_of;
use portcullis_policy::{Document, Effect, Kind, Source};
use portcullis_reference::{ActionId, ServiceId};

use crate::Answer;
use crate::difference;
use crate::effort::Effort;
use crate::question::Options;
use crate::rewrite::covered;
use crate::rewrite::draft::{Draft, DraftStatement, RewriteError};
use crate::rewrite::layout::Out;

/// Work, in the units of [`Options::budget`], after which it ends with what was reached.
const BUDGET: u64 = 300_000_000;

/// What the smallest proof costs: documents are read and taken apart.
const WORK_OF_A_PROOF: usize = 100_000;

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A statement went.
    DroppedStatement(String),
    /// Two statements became one.
    Merged(String, String),
    /// A value of an element went.
    DroppedValue(String, String),
    /// A condition went.
    DroppedCondition(String, String),
    /// Several actions became one pattern.
    Collapsed(String, String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DroppedStatement(statement) => write!(f, "dropped {statement}: others cover it"),
            Self::Merged(into, from) => write!(f, "merged {from} into {into}"),
            Self::DroppedValue(statement, value) => write!(f, "dropped {value} from {statement}: covered"),
            Self::DroppedCondition(statement, condition) => {
                write!(f, "dropped {condition} from {statement}: it decides nothing")
            }
            Self::Collapsed(statement, pattern) => {
                write!(f, "wrote {pattern} for several actions of {statement}")
            }
        }
    }
}

/// A smaller policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimised {
    /// Its text, laid out.
    pub text: String,
    /// What was done.
    pub steps: Vec<Step>,
    /// Whether there was more to try than time for it.
    pub gave_up: bool,
}

/// Makes a policy smaller without changing what it means: what it denies explicitly and what it allows stay the same, so that
/// it can stand for the old one among any other policies. With `known_actions_only` it may change for actions that the
/// service reference does not know, so that full sets of actions collapse to patterns.
pub fn minimise(text: &str, kind: Kind, known_actions_only: bool) -> Result<Minimised, RewriteError> {
    let draft = Draft::read(text, kind)?;
    let original = Document::parse(text, kind)?;
    let mut work = Work {
        original,
        draft,
        options: Options {
            unknown_actions: !known_actions_only,
            ..Options::everything()
        },
        steps: Vec::new(),
        effort: Effort::new(BUDGET),
    };
    work.merge_statements(Merge::Plain);
    loop {
        let before = work.steps.len();
        work.drop_statements();
        work.merge_statements(Merge::Proved);
        work.drop_values();
        work.drop_conditions();
        if known_actions_only {
            work.collapse_actions();
        }
        if work.steps.len() == before || work.effort.is_spent() {
            break;
        }
    }
    Ok(Minimised {
        text: work.draft.print(),
        steps: work.steps,
        gave_up: work.effort.is_spent(),
    })
}

struct Work {
    original: Document,
    draft: Draft,
    options: Options,
    steps: Vec<Step>,
    effort: Effort,
}

impl Work {
    /// Takes a step if the policy still means the same, and says whether it did.
    fn take(&mut self, changed: Draft, step: Step) -> bool {
        let same = changed.document().is_some_and(|document| self.is_same(&document));
        if same {
            self.draft = changed;
            self.steps.push(step);
        }
        same
    }

    /// Whether another document denies and allows the same: both, for an explicit deny matters among other policies even
    /// where this one allows nothing (R114).
    fn is_same(&self, changed: &Document) -> bool {
        let named = |document| Source {
            name: "policy",
            arn: None,
            attached_to: None,
            document,
        };
        let (before, after) = ([named(&self.original)], [named(changed)]);
        [Effect::Deny, Effect::Allow].iter().all(|effect| {
            let no_more = |one: &[Source<'_>], other: &[Source<'_>]| {
                self.effort.spend(WORK_OF_A_PROOF)
                    && difference(*effect, one, other, self.options).answer_with(&self.effort)
                        == Answer::NoMore
            };
            no_more(&before, &after) && no_more(&after, &before)
        })
    }

    fn drop_statements(&mut self) {
        let mut at = self.draft.statements.len();
        while at > 0 && self.draft.statements.len() > 1 {
            at -= 1;
            let mut changed = self.draft.clone();
            let dropped = changed.statements.remove(at);
            self.take(changed, Step::DroppedStatement(label(&dropped, at)));
        }
    }

    fn merge_statements(&mut self, which: Merge) {
        let mut first = 0;
        while first < self.draft.statements.len() {
            let mut second = first + 1;
            while second < self.draft.statements.len() {
                if !self.merge(first, second, which) {
                    second += 1;
                }
            }
            first += 1;
        }
    }

    fn merge(&mut self, first: usize, second: usize, which: Merge) -> bool {
        let (Some(into), Some(from)) = (
            self.draft.statements.get(first),
            self.draft.statements.get(second),
        ) else {
            return false;
        };
        let is_plain = differ_plainly(into, from);
        if which == Merge::Plain && !is_plain {
            return false;
        }
        let Some(merged) = merged(into, from) else {
            return false;
        };
        let step = Step::Merged(label(into, first), label(from, second));
        let mut changed = self.draft.clone();
        if let Some(slot) = changed.statements.get_mut(first) {
            *slot = merged;
        }
        changed.statements.remove(second);
        if is_plain && changed.document().is_some() {
            self.draft = changed;
            self.steps.push(step);
            return true;
        }
        self.take(changed, step)
    }

    fn drop_values(&mut self) {
        for statement in 0..self.draft.statements.len() {
            for place in self.places(statement) {
                let mut at = self.values(statement, place).map_or(0, |values| values.len());
                while at > 0
                    && self
                        .values(statement, place)
                        .is_some_and(|values| values.len() > 1)
                {
                    at -= 1;
                    self.drop_value(statement, place, at);
                }
            }
        }
    }

    fn drop_value(&mut self, statement: usize, place: Place, at: usize) {
        if !self.may_be_covered(statement, place, at) {
            return;
        }
        let mut changed = self.draft.clone();
        let Some(slot) = changed.statements.get_mut(statement) else {
            return;
        };
        let name = label(slot, statement);
        let Some(values) = values_mut(slot, place) else {
            return;
        };
        if at < values.len() {
            let dropped = values.remove(at);
            self.take(changed, Step::DroppedValue(name, shown(&dropped)));
        }
    }

    /// Whether a value could be spared at all, judged cheaply.
    fn may_be_covered(&self, statement: usize, place: Place, at: usize) -> bool {
        let Place::List(list) = place else {
            return true;
        };
        let lists = self
            .draft
            .statements
            .get(statement)
            .map(|statement| &statement.lists);
        let element = lists
            .and_then(|lists| lists.get(list))
            .map(|list| list.element.as_str());
        match (element, self.draft.document()) {
            (Some("Action"), Some(document)) => covered::action(&document, statement, at),
            (Some("Resource"), Some(document)) => covered::resource(&document, statement, at),
            _ => true,
        }
    }

    fn places(&self, statement: usize) -> Vec<Place> {
        let Some(statement) = self.draft.statements.get(statement) else {
            return Vec::new();
        };
        let lists = (0..statement.lists.len()).map(Place::List);
        lists
            .chain((0..statement.conditions.len()).map(Place::Condition))
            .collect()
    }

    fn values(&self, statement: usize, place: Place) -> Option<&Vec<Out>> {
        let statement = self.draft.statements.get(statement)?;
        match place {
            Place::List(at) => statement.lists.get(at).map(|list| &list.values),
            Place::Condition(at) => statement.conditions.get(at).map(|(_, _, values)| values),
        }
    }

    fn drop_conditions(&mut self) {
        for statement in 0..self.draft.statements.len() {
            let mut at = self
                .draft
                .statements
                .get(statement)
                .map_or(0, |statement| statement.conditions.len());
            while at > 0 {
                at -= 1;
                let mut changed = self.draft.clone();
                let Some(slot) = changed.statements.get_mut(statement) else {
                    break;
                };
                let name = label(slot, statement);
                let (operator, key, _) = slot.conditions.remove(at);
                self.take(changed, Step::DroppedCondition(name, format!("{operator} {key}")));
            }
        }
    }

    /// Writes one pattern for all actions of a service, or for all that begin with the same word.
    fn collapse_actions(&mut self) {
        for statement in 0..self.draft.statements.len() {
            let Some(document) = self.draft.document() else {
                return;
            };
            let Some(actions) = document
                .statements()
                .get(statement)
                .map(|statement| &statement.action)
            else {
                return;
            };
            if actions.negated {
                continue;
            }
            let forms = actions
                .patterns
                .iter()
                .map(|pattern| known_actions_of(&pattern.form));
            let per_pattern: Vec<Vec<ActionId>> = forms.collect();
            for pattern in full_sets(&per_pattern) {
                self.collapse(statement, &pattern, &per_pattern);
            }
        }
    }

    fn collapse(&mut self, statement: usize, pattern: &FullSet, per_pattern: &[Vec<ActionId>]) {
        let mut changed = self.draft.clone();
        let Some(slot) = changed.statements.get_mut(statement) else {
            return;
        };
        let name = label(slot, statement);
        let Some(list) = slot.lists.iter_mut().find(|list| list.element == "Action") else {
            return;
        };
        if list.values.len() != per_pattern.len() {
            // An earlier pattern has been written already.
            return;
        }
        let is_within = |actions: &Vec<ActionId>| {
            !actions.is_empty() && actions.iter().all(|action| pattern.actions.contains(action))
        };
        let kept = list
            .values
            .iter()
            .zip(per_pattern)
            .filter(|(_, actions)| !is_within(actions));
        let mut values: Vec<Out> = kept.map(|(value, _)| value.clone()).collect();
        values.push(Out::text(&pattern.text));
        if values.len() < list.values.len() {
            list.values = values;
            self.take(changed, Step::Collapsed(name, pattern.text.clone()));
        }
    }
}

/// Values of a statement.
#[derive(Debug, Clone, Copy)]
enum Place {
    List(usize),
    Condition(usize),
}

fn values_mut(statement: &mut DraftStatement, place: Place) -> Option<&mut Vec<Out>> {
    match place {
        Place::List(at) => statement.lists.get_mut(at).map(|list| &mut list.values),
        Place::Condition(at) => statement.conditions.get_mut(at).map(|(_, _, values)| values),
    }
}

/// A pattern and all actions it stands for.
struct FullSet {
    text: String,
    actions: BTreeSet<ActionId>,
}

/// The widest patterns whose actions are all listed.
fn full_sets(per_pattern: &[Vec<ActionId>]) -> Vec<FullSet> {
    let listed: BTreeSet<ActionId> = per_pattern.iter().flatten().copied().collect();
    let services: BTreeSet<ServiceId> = listed.iter().map(|action| action.service()).collect();
    let mut sets = Vec::new();
    for service in services {
        let whole: BTreeSet<ActionId> = service.actions().collect();
        if whole.len() > 1 && whole.is_subset(&listed) {
            sets.push(FullSet {
                text: format!("{service}:*"),
                actions: whole,
            });
            continue;
        }
        let words: BTreeSet<&str> = service
            .actions()
            .map(|action| first_word(action.name()))
            .collect();
        for word in words {
            let alike: BTreeSet<ActionId> = service.actions_starting_with(word).collect();
            if alike.len() > 1 && alike.is_subset(&listed) {
                sets.push(FullSet {
                    text: format!("{service}:{word}*"),
                    actions: alike,
                });
            }
        }
    }
    sets
}

/// `Describe` of `DescribeTasks`.
fn first_word(name: &str) -> &str {
    let end = name
        .char_indices()
        .skip(1)
        .find(|(_, c)| c.is_ascii_uppercase())
        .map(|(at, _)| at);
    end.and_then(|end| name.get(..end)).unwrap_or(name)
}

/// What to call a statement.
fn label(statement: &DraftStatement, at: usize) -> String {
    match statement.head.iter().find(|(name, _)| name == "Sid") {
        Some((_, Out::Scalar(sid))) if sid != "\"\"" => {
            format!("statement {} ({})", at + 1, sid.trim_matches('"'))
        }
        _ => format!("statement {}", at + 1),
    }
}

fn shown(value: &Out) -> String {
    match value {
        Out::Scalar(text) => text.clone(),
        other => other.print(),
    }
}

/// Which statements become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// Those for which that is right whatever they say.
    Plain,
    /// Those for which it can be proved.
    Proved,
}

/// Whether two statements are the same but for one list of actions or resources: together they apply to what either list has.
fn differ_plainly(a: &DraftStatement, b: &DraftStatement) -> bool {
    let has_each = |some: &DraftStatement, all: &DraftStatement| {
        some.conditions.iter().all(|(operator, key, values)| {
            let mut others = all.conditions.iter();
            others.any(|(o, k, other)| o == operator && k == key && same_values(values, other))
        })
    };
    let pairs = || a.lists.iter().zip(&b.lists);
    let differing = || pairs().filter(|(one, other)| !same_values(&one.values, &other.values));
    a.effect() == b.effect()
        && a.lists.len() == b.lists.len()
        && pairs().all(|(one, other)| one.element == other.element && one.key == other.key)
        && differing().count() <= 1
        && differing().all(|(list, _)| ["Action", "Resource"].contains(&list.element.as_str()))
        && has_each(a, b)
        && has_each(b, a)
}

/// Two statements with the same effect that differ in the values of one element only, as one.
fn merged(into: &DraftStatement, from: &DraftStatement) -> Option<DraftStatement> {
    if into.effect() != from.effect() || into.lists.len() != from.lists.len() {
        return None;
    }
    if into.conditions.len() != from.conditions.len() {
        return None;
    }
    let mut result = into.clone();
    let mut differing = 0;
    for (list, other) in result.lists.iter_mut().zip(&from.lists) {
        if list.element != other.element || list.key != other.key {
            return None;
        }
        differing += usize::from(!same_values(&list.values, &other.values));
        add_missing(&mut list.values, &other.values);
    }
    for (operator, key, values) in &mut result.conditions {
        let mut others = from.conditions.iter();
        let (_, _, other) = others.find(|(o, k, _)| o == operator && k.eq_ignore_ascii_case(key))?;
        differing += usize::from(!same_values(values, other));
        add_missing(values, other);
    }
    (differing <= 1).then_some(result)
}

fn same_values(a: &[Out], b: &[Out]) -> bool {
    a.iter().all(|value| b.contains(value)) && b.iter().all(|value| a.contains(value))
}

fn add_missing(values: &mut Vec<Out>, more: &[Out]) {
    for value in more {
        if !values.contains(value) {
            values.push(value.clone());
        }
    }
}
