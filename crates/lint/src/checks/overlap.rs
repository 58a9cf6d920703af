//! Entries and statements that others cover: redundant ones, conditions made pointless, and what a denial takes away
//! (R114, R115). Coverage is by containment of patterns, so that everything reported is so; more may be so.

use std::collections::HashMap;

use portcullis_policy::elements;
use portcullis_policy::syntax::{ActionForm, ResourceForm, Token};

use super::enumerate;
use crate::IssueCode;
use crate::glob;
use crate::policy::{Condition, List, Policy, Principals, Statement, Text};
use crate::report::Report;
use crate::scope::Scope;

/// More statements than this are not held against each other: the time grows with the square.
const MAX_STATEMENTS: usize = 200;

/// More entries with wildcards than this are not held against the others of their list.
const MAX_WIDE_ENTRIES: usize = 200;

pub(super) fn check(policy: &Policy<'_>, scopes: &[Option<Scope<'_>>], report: &mut Report<'_>) {
    let shapes: Vec<Shape<'_, '_>> = policy
        .statements
        .iter()
        .zip(scopes)
        .filter_map(|(statement, scope)| Shape::of(policy, statement, scope.as_ref()?))
        .collect();
    for shape in &shapes {
        within_list(IssueCode::RedundantAction, &shape.actions, report);
        if let Some(resources) = &shape.resources {
            within_list(IssueCode::RedundantResource, resources, report);
        }
    }
    if shapes.len() > MAX_STATEMENTS {
        return;
    }
    for (index, narrow) in shapes.iter().enumerate() {
        for (other, wide) in shapes.iter().enumerate() {
            if index != other {
                between(wide, narrow, other < index, report);
            }
        }
    }
}

/// A statement with its patterns as steps.
struct Shape<'p, 's> {
    statement: &'p Statement<'s>,
    actions: Patterns<'s>,
    resources: Option<Patterns<'s>>,
}

struct Patterns<'s> {
    negated: bool,
    entries: Vec<Pattern<'s>>,
}

struct Pattern<'s> {
    text: Text<'s>,
    form: Form,
}

/// What a pattern matches, as far as it can be compared.
enum Form {
    Everything,
    /// The service of an action and its name; no service for resources and for `*:` actions.
    Tokens(Option<String>, Vec<Token>),
    /// With variables, or without meaning: equal only to the same text.
    Opaque,
}

impl<'p, 's> Shape<'p, 's> {
    fn of(policy: &Policy<'_>, statement: &'p Statement<'s>, scope: &Scope<'s>) -> Option<Self> {
        statement.effect?;
        let action = |entry: &crate::scope::Entry<'s>| Pattern {
            text: entry.text,
            form: match &entry.form {
                ActionForm::Everything => Form::Everything,
                ActionForm::Named { service, name } => {
                    let service = service.as_ref().map(|service| service.to_ascii_lowercase());
                    Form::Tokens(service, name.tokens().to_vec())
                }
                ActionForm::Nothing => Form::Opaque,
            },
        };
        let resource = |text: &Text<'s>| Pattern {
            text: *text,
            form: match elements::resource(text.text, policy.has_variables(), policy.kind) {
                ResourceForm::Everything => Form::Everything,
                ResourceForm::Fixed(glob) => Form::Tokens(None, glob.tokens().to_vec()),
                ResourceForm::Computed(_) | ResourceForm::Nothing => Form::Opaque,
            },
        };
        let list = |list: &List<'s>| Patterns {
            negated: list.negated,
            entries: list.items.iter().map(resource).collect(),
        };
        Some(Self {
            statement,
            actions: Patterns {
                negated: scope.negated,
                entries: scope.entries.iter().map(action).collect(),
            },
            resources: statement.resource.as_ref().map(list),
        })
    }
}

impl Pattern<'_> {
    fn covers(&self, narrow: &Pattern<'_>) -> bool {
        match (&self.form, &narrow.form) {
            (Form::Everything, _) => true,
            (Form::Tokens(wide_service, wide), Form::Tokens(service, tokens)) => {
                (wide_service.is_none() || wide_service == service) && glob::covers(wide, tokens)
            }
            _ => self.text.text == narrow.text.text,
        }
    }

    fn has_wildcard(&self) -> bool {
        self.text.text.contains(['*', '?'])
    }
}

impl Patterns<'_> {
    /// Whether everything this narrow entry matches is matched here.
    fn cover(&self, narrow: &Pattern<'_>) -> bool {
        if !self.negated {
            return self.entries.iter().any(|wide| wide.covers(narrow));
        }
        // What no listed pattern can match is left by NotAction; that is certain for texts without wildcards.
        let is_plain = matches!(narrow.form, Form::Tokens(Some(_), _)) && !narrow.has_wildcard();
        is_plain && !self.entries.iter().any(|listed| listed.covers(narrow))
    }

    /// Whether everything the narrow list matches is matched here.
    fn cover_all(&self, narrow: &Self) -> bool {
        if !narrow.negated {
            return narrow.entries.iter().all(|entry| self.cover(entry));
        }
        let everything = !self.negated && self.entries.iter().any(|e| matches!(e.form, Form::Everything));
        // The more NotAction lists, the less it leaves.
        everything
            || (self.negated
                && self
                    .entries
                    .iter()
                    .all(|listed| narrow.entries.iter().any(|wide| wide.covers(listed))))
    }
}

/// Entries that another entry of the same list covers.
fn within_list(code: IssueCode, patterns: &Patterns<'_>, report: &mut Report<'_>) {
    let mut seen: HashMap<String, Text<'_>> = HashMap::new();
    let wide: Vec<&Pattern<'_>> = patterns
        .entries
        .iter()
        .filter(|entry| entry.has_wildcard())
        .collect();
    let may_compare = wide.len() <= MAX_WIDE_ENTRIES;
    for entry in &patterns.entries {
        let name = match code {
            IssueCode::RedundantAction => entry.text.text.to_ascii_lowercase(),
            _ => entry.text.text.to_owned(),
        };
        let twin = seen.get(&name).copied();
        let covering = || {
            let differs = |other: &&&Pattern<'_>| !other.text.text.eq_ignore_ascii_case(entry.text.text);
            wide.iter()
                .filter(differs)
                .find(|other| may_compare && other.covers(entry) && !entry.covers(other))
                .map(|other| other.text)
        };
        if let Some(other) = twin.or_else(covering) {
            let message = format!("`{}` is covered by `{}`.", entry.text.text, other.text);
            report
                .add(code, &entry.text.place, message)
                .related(&other.place, "this covers it");
        }
        seen.entry(name).or_insert(entry.text);
    }
}

/// What the wide statement means for the narrow one.
fn between(wide: &Shape<'_, '_>, narrow: &Shape<'_, '_>, wide_is_first: bool, report: &mut Report<'_>) {
    let resources_are_covered = match (&wide.resources, &narrow.resources) {
        (Some(wide), Some(narrow)) => wide.cover_all(narrow),
        (None, None) => true,
        _ => false,
    };
    if !resources_are_covered || !principals_are_covered(wide.statement, narrow.statement) {
        return;
    }
    let all_actions = wide.actions.cover_all(&narrow.actions);
    match (wide.statement.denies(), narrow.statement.denies()) {
        (true, false) if all_actions && wide.statement.conditions.is_empty() => {
            let message = "Everything this statement allows is denied by another.";
            report
                .add(IssueCode::AllowAlwaysDenied, &narrow.statement.place, message)
                .related(&wide.statement.place, "this denies all of it");
        }
        (true, true) | (false, false) => same_effect(wide, narrow, all_actions, wide_is_first, report),
        _ => {}
    }
}

fn same_effect(
    wide: &Shape<'_, '_>,
    narrow: &Shape<'_, '_>,
    all_actions: bool,
    wide_is_first: bool,
    report: &mut Report<'_>,
) {
    let Some(extra) = extra_conditions(wide.statement, narrow.statement) else {
        return;
    };
    if extra.is_empty() || narrow.statement.denies() {
        // Of two equal statements the later one is called redundant.
        let is_mutual = extra.is_empty()
            && wide.statement.conditions.len() == narrow.statement.conditions.len()
            && narrow.actions.cover_all(&wide.actions)
            && narrow
                .resources
                .as_ref()
                .zip(wide.resources.as_ref())
                .is_none_or(|(n, w)| n.cover_all(w))
            && principals_are_covered(narrow.statement, wide.statement);
        if all_actions && (wide_is_first || !is_mutual) {
            let message = "Another statement covers all of this one.";
            report
                .add(IssueCode::RedundantStatement, &narrow.statement.place, message)
                .related(&wide.statement.place, "this covers it");
        }
        return;
    }
    if narrow.actions.negated {
        return;
    }
    let covered: Vec<String> = narrow
        .actions
        .entries
        .iter()
        .filter(|entry| wide.actions.cover(entry))
        .map(|entry| entry.text.text.to_owned())
        .collect();
    if let (Some(condition), false) = (extra.first(), covered.is_empty()) {
        let code = if covered.len() == narrow.actions.entries.len() {
            IssueCode::ConditionMadePointless
        } else {
            IssueCode::ConditionPartlyPointless
        };
        let message = format!(
            "The condition on `{}` does nothing for {}: another statement allows the same without it.",
            condition.key.text,
            enumerate(&covered)
        );
        report
            .add(code, &condition.key.place, message)
            .related(&wide.statement.place, "this allows it without the condition");
    }
}

/// The conditions the narrow statement has beyond those of the wide one; `None` when the wide one has some of its own.
fn extra_conditions<'p, 's>(
    wide: &Statement<'_>,
    narrow: &'p Statement<'s>,
) -> Option<Vec<&'p Condition<'s>>> {
    let in_both = |condition: &Condition<'_>, others: &[Condition<'_>]| {
        others.iter().any(|other| same(condition, other))
    };
    if !wide
        .conditions
        .iter()
        .all(|condition| in_both(condition, &narrow.conditions))
    {
        return None;
    }
    Some(
        narrow
            .conditions
            .iter()
            .filter(|condition| !in_both(condition, &wide.conditions))
            .collect(),
    )
}

fn same(a: &Condition<'_>, b: &Condition<'_>) -> bool {
    a.operator == b.operator
        && elements::same_name(a.key.text, b.key.text)
        && a.values.len() == b.values.len()
        && a.values
            .iter()
            .all(|value| b.values.iter().any(|other| other.text == value.text))
}

fn principals_are_covered(wide: &Statement<'_>, narrow: &Statement<'_>) -> bool {
    match (&wide.principal, &narrow.principal) {
        (None, None) => true,
        (Some(wide), Some(narrow)) => names_all(wide, narrow),
        _ => false,
    }
}

fn names_all(wide: &Principals<'_>, narrow: &Principals<'_>) -> bool {
    let names = |entry: &crate::policy::PrincipalEntry<'_>| {
        wide.entries
            .iter()
            .any(|other| other.kind == entry.kind && other.name.text == entry.name.text)
    };
    !wide.negated && !narrow.negated && narrow.entries.iter().all(names)
}
