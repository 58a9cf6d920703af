//! The search for a request: choose what makes each statement apply or not, and keep only choices for which every key still
//! has a value and the resource still exists.

use std::collections::HashMap;

use portcullis_policy::Value;

use crate::Cause;
use crate::effort::Effort;
use crate::keys::{self, Domain};
use crate::problem::{Atom, AtomId, Formula, Lit, Problem};
use crate::resources::{self, Shape};
use crate::text::Found;

/// What one choice costs besides what it has to look at.
const STEP_WORK: usize = 20;

/// Ways to satisfy a demand; one is enough. All literals of a way must come out.
pub(crate) type Clause = Vec<Vec<Lit>>;

/// A resource and values for keys under which everything comes out as wanted.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) resource: String,
    /// By number of the key; `None` is an absent key. Keys that do not matter are left out.
    pub(crate) values: Vec<(usize, Option<Value>)>,
    /// Whether something with variables was taken on trust.
    pub(crate) open: bool,
}

/// What was found out before.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    resources: HashMap<(usize, Vec<Lit>), Found<String>>,
    keys: HashMap<(usize, usize, Vec<Lit>), Found<Option<Value>>>,
}

impl Memo {
    /// Forgets what belonged to another problem.
    pub(crate) fn forget(&mut self) {
        self.resources.clear();
        self.keys.clear();
    }
}

/// What one kind of caller and one kind of action make of the atoms.
pub(crate) struct Search<'p> {
    pub(crate) problem: &'p Problem,
    /// What the resource can be, and a number for that.
    pub(crate) shape: (usize, &'p Shape),
    /// For every key its domain.
    pub(crate) domains: &'p [Domain],
    /// Which caller this is, for what is remembered.
    pub(crate) caller: usize,
    /// Whether a key, as a condition spells it, can be present (R112).
    pub(crate) applies: &'p dyn Fn(&str) -> bool,
    pub(crate) memo: &'p mut Memo,
    pub(crate) effort: &'p Effort,
    /// Why the answer "there is none" would be no proof.
    pub(crate) given_up: Option<Cause>,
    assigned: HashMap<AtomId, bool>,
    trail: Vec<Lit>,
}

/// What a set of choices came to.
type Consistent = bool;

impl<'p> Search<'p> {
    pub(crate) fn new(
        problem: &'p Problem,
        shape: (usize, &'p Shape),
        domains: &'p [Domain],
        caller: usize,
        applies: &'p dyn Fn(&str) -> bool,
        memo: &'p mut Memo,
        effort: &'p Effort,
    ) -> Self {
        Self {
            problem,
            shape,
            domains,
            caller,
            applies,
            memo,
            effort,
            given_up: None,
            assigned: HashMap::new(),
            trail: Vec::new(),
        }
    }

    /// Tries all ways to satisfy the clauses until `accept` takes a model.
    pub(crate) fn run(&mut self, clauses: Vec<Clause>, accept: &mut dyn FnMut(&Model) -> bool) -> bool {
        let mark = self.trail.len();
        let found = self.consistent() && self.descend(clauses, accept);
        self.undo(mark);
        found
    }

    fn descend(&mut self, mut open: Vec<Clause>, accept: &mut dyn FnMut(&Model) -> bool) -> bool {
        let Some(branch) = self.propagate(&mut open) else {
            return false;
        };
        let Some(at) = branch else {
            return self.model().is_some_and(|model| accept(&model));
        };
        let clause = open.swap_remove(at);
        for way in clause {
            let mark = self.trail.len();
            if self.assert_all(&way) && self.descend(open.clone(), accept) {
                return true;
            }
            self.undo(mark);
            // From here on this way is known to be closed: what it alone asked for can be ruled out.
            if let [only] = way.as_slice()
                && !self.assert_lit(only.negated())
            {
                return false;
            }
        }
        false
    }

    /// Settles every clause that leaves no choice. `None` when one cannot be satisfied; otherwise the clause with the
    /// fewest ways left, if any is open.
    fn propagate(&mut self, open: &mut Vec<Clause>) -> Option<Option<usize>> {
        loop {
            let mut progress = false;
            let mut at = 0;
            while let Some(clause) = open.get(at) {
                let ways: Clause = clause
                    .iter()
                    .filter(|way| !self.is_contradicted(way))
                    .cloned()
                    .collect();
                let possible = self.possible(ways);
                match possible {
                    Ways::Settled => {
                        open.swap_remove(at);
                        progress = true;
                    }
                    Ways::Left(ways) if ways.is_empty() => return None,
                    Ways::Left(ways) => {
                        if let [only] = ways.as_slice() {
                            if !self.assert_all(only) {
                                return None;
                            }
                            open.swap_remove(at);
                            progress = true;
                        } else {
                            if let Some(slot) = open.get_mut(at) {
                                *slot = ways;
                            }
                            at += 1;
                        }
                    }
                }
            }
            if !progress {
                let sizes = open.iter().enumerate();
                return Some(sizes.min_by_key(|(_, ways)| ways.len()).map(|(at, _)| at));
            }
        }
    }

    fn is_contradicted(&self, way: &[Lit]) -> bool {
        way.iter().any(|lit| {
            self.assigned
                .get(&lit.atom)
                .is_some_and(|holds| *holds != lit.holds)
        })
    }

    /// The ways that are still consistent; settled if one of them holds already or costs nothing.
    fn possible(&mut self, ways: Clause) -> Ways {
        let mut left = Vec::new();
        for way in ways {
            if way
                .iter()
                .all(|lit| self.assigned.get(&lit.atom) == Some(&lit.holds))
            {
                return Ways::Settled;
            }
            if way.iter().all(|lit| !self.is_possible(&[lit.negated()])) {
                // The opposite is impossible: it holds whatever else is chosen.
                return Ways::Settled;
            }
            if self.is_possible(&way) {
                left.push(way);
            }
        }
        Ways::Left(left)
    }

    fn is_possible(&mut self, way: &[Lit]) -> Consistent {
        let mark = self.trail.len();
        let possible = self.assert_all(way);
        self.undo(mark);
        possible
    }

    pub(crate) fn assert_all(&mut self, lits: &[Lit]) -> Consistent {
        lits.iter().all(|lit| self.assert_lit(*lit))
    }

    fn assert_lit(&mut self, lit: Lit) -> Consistent {
        if let Some(holds) = self.assigned.get(&lit.atom) {
            return *holds == lit.holds;
        }
        if !self.effort.spend(STEP_WORK + self.trail.len()) {
            self.given_up = Some(Cause::Budget);
            return false;
        }
        self.assigned.insert(lit.atom, lit.holds);
        self.trail.push(lit);
        match self.problem.atoms.get(lit.atom) {
            Some(Atom::Constant(holds)) => *holds == lit.holds,
            Some(Atom::Resource(_)) => self.resource_exists(),
            Some(Atom::Key { atom, .. }) if !(self.applies)(atom.key()) => {
                atom.holds_for_absent() == lit.holds
            }
            Some(Atom::Key { key, .. }) => self.value_exists(*key),
            Some(Atom::Opaque { if_true, if_false }) => {
                self.assert_all(if lit.holds { if_true } else { if_false })
            }
            None => false,
        }
    }

    fn undo(&mut self, mark: usize) {
        for lit in self.trail.drain(mark..) {
            self.assigned.remove(&lit.atom);
        }
    }

    /// Whether there is a resource and a value for every key even before anything is chosen.
    fn consistent(&mut self) -> Consistent {
        self.resource_exists()
    }

    fn keep<T>(&mut self, found: Found<T>) -> Option<T> {
        match found {
            Found::Yes(found) => Some(found),
            Found::No => None,
            Found::Unknown(cause) => {
                self.given_up = Some(cause);
                None
            }
        }
    }

    fn resource_exists(&mut self) -> Consistent {
        let (chosen, atoms) = self.chosen_resources();
        let place = (self.shape.0, chosen);
        let found = match self.memo.resources.get(&place) {
            Some(found) => found.clone(),
            None => {
                let found = resources::exists(self.shape.1, &atoms, self.effort);
                self.memo.resources.insert(place, found.clone());
                found
            }
        };
        self.keep(found).is_some()
    }

    fn chosen_resources(&self) -> (Vec<Lit>, Vec<resources::Wanted<'p>>) {
        let mut chosen = Vec::new();
        let mut atoms = Vec::new();
        for lit in &self.trail {
            if let Some(Atom::Resource(atom)) = self.problem.atoms.get(lit.atom) {
                chosen.push(*lit);
                atoms.push((atom, lit.holds));
            }
        }
        chosen.sort_unstable();
        (chosen, atoms)
    }

    fn value_exists(&mut self, key: usize) -> Consistent {
        self.value(key).is_some()
    }

    fn value(&mut self, key: usize) -> Option<Option<Value>> {
        let mut chosen = Vec::new();
        let mut atoms = Vec::new();
        for lit in &self.trail {
            if let Some(Atom::Key { key: of, atom }) = self.problem.atoms.get(lit.atom)
                && *of == key
                && (self.applies)(atom.key())
            {
                chosen.push(*lit);
                atoms.push((&**atom, lit.holds));
            }
        }
        chosen.sort_unstable();
        let place = (self.caller, key, chosen);
        let found = match self.memo.keys.get(&place) {
            Some(found) => found.clone(),
            None => {
                let domain = self.domains.get(key)?;
                let found = keys::solve(domain, &atoms, self.effort);
                self.memo.keys.insert(place, found.clone());
                found
            }
        };
        self.keep(found)
    }

    fn model(&mut self) -> Option<Model> {
        let (_, atoms) = self.chosen_resources();
        let resource = self.keep(resources::solve(self.shape.1, &atoms, self.effort))?;
        let mut keys = Vec::new();
        let mut open = false;
        for lit in &self.trail {
            match self.problem.atoms.get(lit.atom) {
                Some(Atom::Key { key, atom }) if (self.applies)(atom.key()) => keys.push(*key),
                Some(Atom::Opaque { .. }) => open = true,
                _ => {}
            }
        }
        // What cannot be absent has a value even if nothing asks for one.
        let is_there = |domain: &Domain| !domain.absent || domain.given.is_some();
        keys.extend(
            self.domains
                .iter()
                .enumerate()
                .filter(|(_, domain)| is_there(domain))
                .map(|(key, _)| key),
        );
        keys.sort_unstable();
        keys.dedup();
        let mut values = Vec::new();
        for key in keys {
            values.push((key, self.value(key)?));
        }
        Some(Model {
            resource,
            values,
            open,
        })
    }
}

/// What is left of a clause.
enum Ways {
    /// It holds.
    Settled,
    /// One of these is needed.
    Left(Clause),
}

impl Lit {
    pub(crate) fn negated(self) -> Self {
        Self {
            holds: !self.holds,
            ..self
        }
    }
}

/// What makes a statement apply.
pub(crate) fn applying(formula: &Formula) -> Vec<Clause> {
    let mut clauses = Vec::new();
    for element in &formula.elements {
        let lits = element.atoms.iter().map(|atom| Lit {
            atom: *atom,
            holds: !element.negated,
        });
        if element.negated {
            clauses.push(vec![lits.collect()]);
        } else {
            clauses.push(lits.map(|lit| vec![lit]).collect());
        }
    }
    clauses
}

/// What keeps a statement from applying.
pub(crate) fn not_applying(formula: &Formula) -> Clause {
    let mut ways = Vec::new();
    for element in &formula.elements {
        let lits = element.atoms.iter().map(|atom| Lit {
            atom: *atom,
            holds: element.negated,
        });
        if element.negated {
            ways.extend(lits.map(|lit| vec![lit]));
        } else {
            ways.push(lits.collect());
        }
    }
    ways
}
