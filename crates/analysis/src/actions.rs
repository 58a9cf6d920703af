//! Actions, sorted into classes that the policies cannot tell apart.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use portcullis_policy::elements::known_actions;
use portcullis_policy::syntax::{ActionForm, ActionList, Glob};
use portcullis_reference::{ActionId, Reach, reach};

use crate::Cause;
use crate::resources::Shape;
use crate::text::Found;
use crate::unknown_actions;

/// Statements, as bits.
pub(crate) type Bits = Vec<u64>;

/// Actions that are the same to all policies asked about.
#[derive(Debug, Clone)]
pub(crate) struct ActionClass {
    /// One of them, as AWS spells it.
    pub(crate) example: String,
    /// The same, if the reference knows it.
    pub(crate) known: Option<ActionId>,
    /// The other known ones.
    pub(crate) others: Vec<ActionId>,
    /// Which statements' Action element matches.
    pub(crate) statements: Bits,
    /// What their resource can be.
    pub(crate) shape: Shape,
}

impl ActionClass {
    /// Whether the action element of a statement matches.
    pub(crate) fn has(&self, statement: usize) -> bool {
        has_bit(&self.statements, statement)
    }
}

pub(crate) fn has_bit(bits: &Bits, at: usize) -> bool {
    bits.get(at / 64).is_some_and(|word| word & (1 << (at % 64)) != 0)
}

fn set_bit(bits: &mut Bits, at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

/// What actions there are to be asked about.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    /// The partitions resources are in.
    pub(crate) partitions: Arc<[String]>,
    /// Whether actions count that the reference does not know.
    pub(crate) unknown_actions: bool,
    /// Whether resources count that are of none of the action's types.
    pub(crate) any_resource: bool,
    /// Whether any statement is about some resources only.
    pub(crate) resources_matter: bool,
}

/// The classes of the actions that at least one statement of `needed` matches. `keys` are all condition keys of the
/// policies: actions to which different ones apply are not the same (R112).
pub(crate) fn classes(
    lists: &[&ActionList],
    needed: impl Fn(usize) -> bool,
    keys: &[String],
    scope: &Scope,
) -> (Vec<ActionClass>, Option<Cause>) {
    let per_action = statements_by_action(lists);
    let needed: Vec<usize> = (0..lists.len()).filter(|at| needed(*at)).collect();
    let mut classes: Vec<ActionClass> = Vec::new();
    let mut known: HashMap<(&Bits, Vec<bool>, Option<Shape>), usize> = HashMap::new();
    // A key that reaches every action tells none of them apart.
    let listed: Vec<Reach> = keys
        .iter()
        .map(|key| reach(key))
        .filter(|reach| *reach != Reach::Everywhere)
        .collect();
    let shapes_matter = scope.resources_matter && !scope.any_resource;
    for (action, statements) in ActionId::all().zip(&per_action) {
        if !needed.iter().any(|at| has_bit(statements, *at)) {
            continue;
        }
        let applying = listed.iter().map(|reach| action.reached_by(*reach)).collect();
        let shape = || Shape::of(action, scope.any_resource, &scope.partitions);
        let next = classes.len();
        let at = *known
            .entry((statements, applying, shapes_matter.then(shape)))
            .or_insert(next);
        match classes.get_mut(at) {
            Some(class) => class.others.push(action),
            None => classes.push(ActionClass {
                example: action.to_string(),
                known: Some(action),
                others: Vec::new(),
                statements: statements.clone(),
                shape: shape(),
            }),
        }
    }
    if !scope.unknown_actions {
        return (classes, None);
    }
    let mut given_up = None;
    for service in services_named(lists) {
        match unknown(&service, lists) {
            Found::Yes(more) => classes.extend(
                more.into_iter()
                    .filter(|class| needed.iter().any(|at| class.has(*at))),
            ),
            Found::No => {}
            Found::Unknown(cause) => given_up = Some(cause),
        }
    }
    (classes, given_up)
}

/// For every action of the reference the statements whose Action element matches it.
fn statements_by_action(lists: &[&ActionList]) -> Vec<Bits> {
    let words = lists.len().div_ceil(64);
    let mut all: Vec<Bits> = vec![vec![0; words]; ActionId::COUNT];
    for (at, list) in lists.iter().enumerate() {
        for action in known_actions(list) {
            if let Some(bits) = all.get_mut(action.index()) {
                set_bit(bits, at);
            }
        }
    }
    all
}

/// Every service that some pattern names, and one that nobody knows.
fn services_named(lists: &[&ActionList]) -> BTreeSet<String> {
    let forms = lists
        .iter()
        .flat_map(|list| &list.patterns)
        .map(|pattern| &pattern.form);
    let named = forms.filter_map(|form| match form {
        ActionForm::Named { service, .. } => service.as_ref().map(|service| service.to_ascii_lowercase()),
        ActionForm::Everything | ActionForm::Nothing => None,
    });
    let mut services: BTreeSet<String> = named.collect();
    let free = (0..)
        .map(|n| format!("service{n}"))
        .find(|name| !services.contains(name));
    services.extend(free);
    services
}

/// Classes of the actions of one service that the reference does not know.
fn unknown(prefix: &str, lists: &[&ActionList]) -> Found<Vec<ActionClass>> {
    let name_of = |form: &ActionForm| -> Option<Glob> {
        match form {
            ActionForm::Named { service, name } => {
                let same = service
                    .as_ref()
                    .is_none_or(|service| service.eq_ignore_ascii_case(prefix));
                same.then(|| name.clone())
            }
            ActionForm::Everything | ActionForm::Nothing => None,
        }
    };
    let mut globs: Vec<Glob> = Vec::new();
    for glob in lists
        .iter()
        .flat_map(|list| &list.patterns)
        .filter_map(|pattern| name_of(&pattern.form))
    {
        if !globs.contains(&glob) {
            globs.push(glob);
        }
    }
    let is_known = |name: &str| portcullis_reference::action(&format!("{prefix}:{name}")).is_some();
    unknown_actions::names(&globs, is_known).map(|names| {
        let class = |name: String| {
            let mut statements: Bits = vec![0; lists.len().div_ceil(64)];
            for (at, list) in lists.iter().enumerate() {
                let matches = |form: &ActionForm| match form {
                    ActionForm::Everything => true,
                    form => name_of(form).is_some_and(|glob| glob.matches(&name)),
                };
                if list.patterns.iter().any(|pattern| matches(&pattern.form)) != list.negated {
                    set_bit(&mut statements, at);
                }
            }
            ActionClass {
                example: format!("{prefix}:{name}"),
                known: None,
                others: Vec::new(),
                statements,
                shape: Shape::unknown(),
            }
        };
        names.into_iter().map(class).collect()
    })
}
