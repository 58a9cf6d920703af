//! Statements as formulas over atoms: resource pattern sets and conditions, each distinct one once.

use std::collections::{BTreeMap, HashMap};

use portcullis_policy::elements::{self, Substitute};
use portcullis_policy::syntax::{
    Condition, ConditionValue, Glob, Part, ResourceForm, ResourceList, SetOperator, Template, Test,
};
use portcullis_policy::{Effect, Statement};

use crate::keys::{KeyAtom, value_glob};
use crate::resources::ResourceAtom;

pub(crate) type AtomId = usize;

/// An atom and whether it shall be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lit {
    pub(crate) atom: AtomId,
    pub(crate) holds: bool,
}

/// What a statement's elements come down to.
#[derive(Debug, Clone)]
pub(crate) enum Atom {
    /// True or false for every request.
    Constant(bool),
    /// The resource matches one of the patterns.
    Resource(ResourceAtom),
    /// A condition holds; `key` is its key in the form shared by all its spellings.
    Key { key: usize, atom: Box<KeyAtom> },
    /// Something with variables, known only by what follows from it.
    Opaque { if_true: Vec<Lit>, if_false: Vec<Lit> },
}

/// Holds when one of the atoms does; or, negated, when none does.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) atoms: Vec<AtomId>,
    pub(crate) negated: bool,
}

/// A statement without its actions and principals: all elements must hold.
#[derive(Debug, Clone)]
pub(crate) struct Formula {
    pub(crate) elements: Vec<Element>,
}

/// What variables stand for: `None` is no value at all. Names are in lower case.
pub(crate) type Assignment = BTreeMap<String, Option<String>>;

/// The formulas of all statements, and their atoms.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) atoms: Vec<Atom>,
    pub(crate) formulas: Vec<Formula>,
    /// Every condition key, in the form shared by its spellings.
    pub(crate) keys: Vec<String>,
    /// Every key that variables name, in lower case.
    pub(crate) variables: Vec<String>,
    known: HashMap<String, AtomId>,
    assignment: Option<Assignment>,
}

/// The form of a key that all its spellings share. `ecs:ResourceTag/K` carries what `aws:ResourceTag/K` does (R166).
pub(crate) fn shared_key(key: &str) -> String {
    let key = key.to_lowercase();
    match key.split_once(":resourcetag/") {
        Some((_, tag)) => format!("aws:resourcetag/{tag}"),
        None => key,
    }
}

impl Problem {
    /// Takes statements apart. Without an assignment variables stay unknown.
    pub(crate) fn new(statements: &[&Statement], assignment: Option<&Assignment>) -> Self {
        let mut problem = Self {
            atoms: Vec::new(),
            formulas: Vec::new(),
            keys: Vec::new(),
            variables: Vec::new(),
            known: HashMap::new(),
            assignment: assignment.cloned(),
        };
        for statement in statements {
            let mut elements = Vec::new();
            if let Some(list) = &statement.resource {
                elements.push(problem.resource_element(list, statement.effect));
            }
            for condition in &statement.conditions {
                elements.push(problem.condition_element(condition));
            }
            problem.formulas.push(Formula { elements });
        }
        problem.variables.sort_unstable();
        problem.variables.dedup();
        problem
    }

    fn intern(&mut self, name: String, make: impl FnOnce(&mut Self) -> Atom) -> AtomId {
        if let Some(known) = self.known.get(&name) {
            return *known;
        }
        let atom = make(self);
        let id = self.atoms.len();
        self.atoms.push(atom);
        self.known.insert(name, id);
        id
    }

    fn constant(&mut self, holds: bool) -> AtomId {
        self.intern(format!("constant {holds}"), |_| Atom::Constant(holds))
    }

    fn resource_set(&mut self, mut globs: Vec<Glob>) -> AtomId {
        globs.sort_by_cached_key(|glob| format!("{glob:?}"));
        globs.dedup();
        self.intern(format!("resource {globs:?}"), |_| {
            Atom::Resource(ResourceAtom { globs })
        })
    }

    fn key_number(&mut self, key: &str) -> usize {
        let shared = shared_key(key);
        match self.keys.iter().position(|known| *known == shared) {
            Some(at) => at,
            None => {
                self.keys.push(shared);
                self.keys.len() - 1
            }
        }
    }

    fn resource_element(&mut self, list: &ResourceList, effect: Effect) -> Element {
        let forms = || list.patterns.iter().map(|pattern| &pattern.form);
        if forms().any(|form| *form == ResourceForm::Everything) {
            let everything = self.constant(true);
            return Element {
                atoms: vec![everything],
                negated: list.negated,
            };
        }
        let has_variables = |form: &&ResourceForm| matches!(form, ResourceForm::Computed(template) if template.keys().next().is_some());
        let mut fixed = Vec::new();
        let mut computed = Vec::new();
        let mut unresolved = false;
        for form in forms() {
            let resolved = elements::resource_glob(form, |key, default| self.substitute(key, default));
            if has_variables(&form) {
                self.note_variables(form);
            }
            match resolved {
                Some(glob) if has_variables(&form) && self.assignment.is_none() => {
                    computed.push((shown(form), glob));
                }
                Some(glob) => fixed.push(glob),
                None => unresolved |= has_variables(&form),
            }
        }
        if list.negated && !computed.is_empty() {
            return self.open_not_resource(fixed, computed, effect);
        }
        // R57: an unresolved variable in NotResource keeps an Allow from applying, but not a Deny.
        if list.negated && unresolved && effect == Effect::Allow {
            let never = self.constant(true);
            return Element {
                atoms: vec![never],
                negated: true,
            };
        }
        let mut atoms = vec![self.resource_set(fixed)];
        for (name, glob) in computed {
            let wider = self.resource_set(vec![glob]);
            atoms.push(self.intern(format!("template {name}"), |_| Atom::Opaque {
                if_true: vec![Lit {
                    atom: wider,
                    holds: true,
                }],
                if_false: Vec::new(),
            }));
        }
        Element {
            atoms,
            negated: list.negated,
        }
    }

    /// NotResource with variables: true only if no fixed pattern matches; for a Deny true also whenever not even the
    /// widest reading of the others matches.
    fn open_not_resource(
        &mut self,
        fixed: Vec<Glob>,
        computed: Vec<(String, Glob)>,
        effect: Effect,
    ) -> Element {
        let mut names: Vec<&str> = computed.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let name = format!("not {effect} {names:?} {fixed:?}");
        let widest: Vec<Glob> = fixed
            .iter()
            .cloned()
            .chain(computed.iter().map(|(_, glob)| glob.clone()))
            .collect();
        let narrow = self.resource_set(fixed);
        let wide = self.resource_set(widest);
        let if_false = match effect {
            Effect::Deny => vec![Lit {
                atom: wide,
                holds: true,
            }],
            Effect::Allow => Vec::new(),
        };
        let opaque = self.intern(name, |_| Atom::Opaque {
            if_true: vec![Lit {
                atom: narrow,
                holds: false,
            }],
            if_false,
        });
        Element {
            atoms: vec![opaque],
            negated: false,
        }
    }

    /// The stand-in for a variable under the assignment; without one it may be anything.
    fn substitute(&self, key: &str, default: Option<&str>) -> Substitute {
        let Some(assignment) = &self.assignment else {
            return Substitute::Anything;
        };
        let value = assignment.get(&key.to_lowercase()).cloned().flatten();
        match value.or_else(|| default.map(str::to_owned)) {
            Some(text) => Substitute::Text(text),
            None => Substitute::Unresolved,
        }
    }

    fn note_variables(&mut self, form: &ResourceForm) {
        if let ResourceForm::Computed(template) = form {
            self.variables.extend(template.keys().map(str::to_lowercase));
        }
    }

    /// A condition, value by value where variables stand in it and its meaning allows.
    fn condition_element(&mut self, condition: &Condition) -> Element {
        let one = |atom| Element {
            atoms: vec![atom],
            negated: false,
        };
        let has_variables = |value: &ConditionValue| value.template.keys().next().is_some();
        for value in condition.values.iter().filter(|value| has_variables(value)) {
            self.variables
                .extend(value.template.keys().map(str::to_lowercase));
        }
        if self.assignment.is_some() || !condition.values.iter().any(has_variables) {
            return one(self.closed_condition(condition));
        }
        let splits_into_or =
            !condition.operator.negated() && condition.operator.set() != Some(SetOperator::ForAllValues);
        if splits_into_or && condition.values.len() > 1 {
            let (open, closed): (Vec<_>, Vec<_>) = condition.values.iter().cloned().partition(has_variables);
            let mut parts: Vec<Vec<ConditionValue>> = open.into_iter().map(|value| vec![value]).collect();
            if !closed.is_empty() {
                parts.insert(0, closed);
            }
            let atoms = parts
                .into_iter()
                .map(|values| Condition {
                    values,
                    ..condition.clone()
                })
                .map(|part| {
                    if part.values.iter().any(has_variables) {
                        self.open_condition(&part)
                    } else {
                        self.closed_condition(&part)
                    }
                })
                .collect();
            return Element {
                atoms,
                negated: false,
            };
        }
        one(self.open_condition(condition))
    }

    /// A condition whose variables, if any, are assigned.
    fn closed_condition(&mut self, condition: &Condition) -> AtomId {
        let test = condition.operator.test();
        let globs = condition
            .values
            .iter()
            .filter_map(|value| self.value(test, value))
            .collect();
        self.key_atom(condition, globs)
    }

    fn key_atom(&mut self, condition: &Condition, globs: Vec<Glob>) -> AtomId {
        let mut shown: Vec<String> = if is_text(condition.operator.test()) {
            globs.iter().map(|glob| format!("{glob:?}")).collect()
        } else {
            condition.values.iter().map(|value| value.text.clone()).collect()
        };
        shown.sort_unstable();
        shown.dedup();
        let name = format!(
            "{} {} {} {shown:?}",
            condition.operator,
            condition.key.to_lowercase(),
            condition.values.is_empty()
        );
        let key = self.key_number(&condition.key);
        let condition = condition.clone();
        self.intern(name, |_| Atom::Key {
            key,
            atom: Box::new(KeyAtom::new(condition, globs)),
        })
    }

    /// The pattern of one value; `None` when it matches nothing.
    fn value(&self, test: Test, value: &ConditionValue) -> Option<Glob> {
        let mut parts = Vec::new();
        for part in value.template.parts() {
            parts.push(match part {
                Part::Text(text) => (Some(text.clone()), false),
                Part::Escaped(text) => (Some((*text).to_owned()), true),
                Part::Variable { key, default } => match self.substitute(key, default.as_deref()) {
                    Substitute::Text(text) => (Some(text), true),
                    Substitute::Anything => (None, true),
                    Substitute::Unresolved => return None,
                },
            });
        }
        value_glob(test, &parts)
    }

    /// A condition with variables: it lies between the same condition with "anything" in their place and the one without
    /// the values they stand in. A negated operator turns the two around.
    fn open_condition(&mut self, condition: &Condition) -> AtomId {
        let has_variables = |value: &&ConditionValue| value.template.keys().next().is_some();
        let mut shown: Vec<String> = condition
            .values
            .iter()
            .map(|value| shown_template(&value.template))
            .collect();
        shown.sort_unstable();
        let name = format!(
            "open {} {} {shown:?}",
            condition.operator,
            condition.key.to_lowercase()
        );
        let without = Condition {
            values: condition
                .values
                .iter()
                .filter(|value| !has_variables(value))
                .cloned()
                .collect(),
            ..condition.clone()
        };
        let test = condition.operator.test();
        // What an ARN pattern with a variable means field by field is not known.
        let wide = (test != Test::Arn).then(|| self.closed_condition(condition));
        let narrow = (!without.values.is_empty()).then(|| self.closed_condition(&without));
        let (above, below) = if condition.operator.negated() {
            (narrow, wide)
        } else {
            (wide, narrow)
        };
        self.intern(name, |_| Atom::Opaque {
            if_true: above.map(|atom| Lit { atom, holds: true }).into_iter().collect(),
            if_false: below.map(|atom| Lit { atom, holds: false }).into_iter().collect(),
        })
    }
}

/// A pattern with variables, the same for the same pattern.
fn shown(form: &ResourceForm) -> String {
    match form {
        ResourceForm::Computed(template) => shown_template(template),
        ResourceForm::Everything | ResourceForm::Fixed(_) | ResourceForm::Nothing => format!("{form:?}"),
    }
}

/// As `shown`. Keys have no case (R51).
fn shown_template(template: &Template) -> String {
    let part = |part: &Part| match part {
        Part::Variable { key, default } => format!("variable {:?} {default:?}", key.to_lowercase()),
        Part::Text(_) | Part::Escaped(_) => format!("{part:?}"),
    };
    template.parts().iter().map(part).collect()
}

fn is_text(test: Test) -> bool {
    matches!(
        test,
        Test::StringEquals
            | Test::StringEqualsIgnoreCase
            | Test::StringLike
            | Test::Arn
            | Test::Bool
            | Test::Binary
    )
}
