//! The question, and the way to its answer.

use portcullis_policy::syntax::{ActionList, ResourceForm};
use portcullis_policy::{Context, Document, Effect, Principal, Source, Statement, Value};

use crate::actions::{ActionClass, Scope, classes};
use crate::confirm::{Asked, Confirm, names_principals};
use crate::domains::Assumptions;
use crate::effort::Effort;
use crate::keys::Domain;
use crate::principals::{self, PrincipalClass};
use crate::problem::{Assignment, Problem};
use crate::resources::{Shape, partitions};
use crate::search::{Clause, Memo, Model, Search, applying, not_applying};
use crate::{Answer, Cause, Place, Witness, twins, variables};

/// Which requests count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether actions count that the service reference does not know.
    pub unknown_actions: bool,
    /// Whether resources count that are of none of the types the reference lists for the action.
    pub any_resource: bool,
    /// Whether keys may have values that their type does not have, and several where they have one.
    pub any_value: bool,
    /// Work after which the search is given up; one unit is some nanoseconds.
    pub budget: u64,
}

impl Default for Options {
    /// Requests that can be made: known actions, resources of their types, keys with values of their types.
    fn default() -> Self {
        Self {
            unknown_actions: false,
            any_resource: false,
            any_value: false,
            budget: 60_000_000,
        }
    }
}

impl Options {
    /// Every request the policy engine can be asked.
    pub fn everything() -> Self {
        Self {
            unknown_actions: true,
            any_resource: true,
            any_value: true,
            ..Self::default()
        }
    }
}

/// Which callers count, for policies that name principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Callers {
    /// Everybody.
    All,
    /// Only those whom no statement names in any way but by `*`.
    Strangers,
    /// Only this one.
    Only(Principal),
}

/// Is there a request within some limits that some policies allow and others do not? Or, asked of denials: one that some
/// deny explicitly and others do not?
pub(crate) struct Question<'a> {
    /// Whether it is about what is allowed or about what is denied explicitly.
    pub(crate) effect: Effect,
    pub(crate) allowed_by: &'a [Source<'a>],
    pub(crate) not_by: &'a [Source<'a>],
    /// A policy without principals whose statements all must apply.
    pub(crate) within: Option<&'a Document>,
    pub(crate) callers: Callers,
    pub(crate) assumptions: Assumptions,
    pub(crate) options: Options,
}

/// The statements of all sides together, in this order: allowed by, not by, within.
struct Statements<'a> {
    all: Vec<&'a Statement>,
    allowed_by: std::ops::Range<usize>,
    not_by: std::ops::Range<usize>,
    within: std::ops::Range<usize>,
}

impl<'a> Statements<'a> {
    fn of(question: &Question<'a>) -> Self {
        let statements =
            |sources: &'a [Source<'a>]| sources.iter().flat_map(|source| source.document.statements());
        let mut all: Vec<&Statement> = statements(question.allowed_by).collect();
        let first = all.len();
        all.extend(statements(question.not_by));
        let second = all.len();
        all.extend(question.within.into_iter().flat_map(Document::statements));
        Self {
            allowed_by: 0..first,
            not_by: first..second,
            within: second..all.len(),
            all,
        }
    }

    /// For every statement whether the side it is compared with has the same one.
    fn twins(&self) -> Vec<bool> {
        let one: Vec<usize> = self.allowed_by.clone().collect();
        let other: Vec<usize> = self.not_by.clone().collect();
        twins::twins(&self.all, &one, &other)
    }

    /// Whether twins alone show that there is nothing: all that grants has one, and all that takes away from the other side.
    fn settled(&self, effect: Effect, twins: &[bool]) -> bool {
        let all_have_twins = |range: &std::ops::Range<usize>, effect: Effect| {
            range.clone().all(|at| {
                let other_effect = self
                    .all
                    .get(at)
                    .is_none_or(|statement| statement.effect != effect);
                other_effect || twins.get(at) == Some(&true)
            })
        };
        let grants = all_have_twins(&self.allowed_by, effect);
        grants && (effect == Effect::Deny || all_have_twins(&self.not_by, Effect::Deny))
    }
}

/// What a search of one combination of caller and action came to.
enum Outcome {
    Nothing,
    Found(Box<Witness>),
    /// There may be something, depending on the values of variables.
    Open(Model),
}

impl Question<'_> {
    pub(crate) fn answer(&self) -> Answer {
        self.answer_with(&Effort::new(self.options.budget))
    }

    /// The answer, if it takes no more than this effort.
    pub(crate) fn answer_with(&self, effort: &Effort) -> Answer {
        let sources = || self.allowed_by.iter().chain(self.not_by);
        let name_principals = sources().any(|source| names_principals(source.document.kind()));
        let mixed = sources().any(|source| names_principals(source.document.kind()) != name_principals);
        if mixed || (name_principals && (self.allowed_by.len() > 1 || self.not_by.len() > 1)) {
            return Answer::CannotTell(Cause::Kinds);
        }
        let statements = Statements::of(self);
        let twins = statements.twins();
        if statements.settled(self.effect, &twins) {
            return Answer::NoMore;
        }
        let callers = self.callers(&statements, name_principals);
        let confirm = Confirm::new(name_principals, principals::resource_account(&statements.all));
        let given = Given {
            statements: &statements,
            twins: &twins,
            callers: &callers,
            confirm: &confirm,
            effort,
        };
        Run::new(self, given).answer()
    }

    fn callers(&self, statements: &Statements<'_>, name_principals: bool) -> Vec<PrincipalClass> {
        let all = || statements.all.len();
        if !name_principals {
            return principals::anybody(all()).into_iter().collect();
        }
        let mut classes = match &self.callers {
            Callers::All => principals::classes(&statements.all, false),
            Callers::Strangers => principals::classes(&statements.all, true),
            Callers::Only(principal) => vec![principals::class_of(principal.clone(), &statements.all)],
        };
        // The limits name nobody.
        for class in &mut classes {
            for at in statements.within.clone() {
                if let Some(named) = class.statements.get_mut(at) {
                    *named = true;
                }
            }
        }
        classes
    }
}

/// What is known before the search.
#[derive(Clone, Copy)]
struct Given<'r> {
    statements: &'r Statements<'r>,
    twins: &'r [bool],
    callers: &'r [PrincipalClass],
    confirm: &'r Confirm,
    effort: &'r Effort,
}

/// One question on its way.
struct Run<'r> {
    question: &'r Question<'r>,
    given: Given<'r>,
    actions: Vec<ActionClass>,
    shapes: Vec<Shape>,
    given_up: Option<Cause>,
}

/// A combination that may allow something, depending on variables.
struct OpenCase {
    caller: usize,
    action: usize,
    grant: usize,
    model: Model,
}

impl<'r> Run<'r> {
    fn new(question: &'r Question<'r>, given: Given<'r>) -> Self {
        let statements = given.statements;
        let lists: Vec<&ActionList> = statements.all.iter().map(|statement| &statement.action).collect();
        let is_grant = |at: usize| {
            statements.allowed_by.contains(&at)
                && statements
                    .all
                    .get(at)
                    .is_some_and(|statement| statement.effect == question.effect)
        };
        let scope = Scope {
            partitions: partitions(&statements.all),
            unknown_actions: question.options.unknown_actions,
            any_resource: question.options.any_resource,
            resources_matter: statements
                .all
                .iter()
                .any(|statement| is_about_some_resources(statement)),
        };
        let (actions, given_up) = classes(&lists, is_grant, &keys_of(&statements.all), &scope);
        given.effort.spend(statements.all.len() * actions.len());
        let mut shapes: Vec<Shape> = Vec::new();
        for class in &actions {
            if !shapes.contains(&class.shape) {
                shapes.push(class.shape.clone());
            }
        }
        Self {
            question,
            given,
            actions,
            shapes,
            given_up,
        }
    }

    fn answer(mut self) -> Answer {
        let mut memo = Memo::default();
        let problem = Problem::new(&self.given.statements.all, None);
        let domains = self.domains(&problem, None);
        let mut open = Vec::new();
        for (grant, caller, action) in self.cases() {
            match self.search(&problem, &domains, &mut memo, (grant, caller, action), None) {
                Outcome::Nothing => {}
                Outcome::Found(witness) => return Answer::More(witness),
                Outcome::Open(model) => open.push(OpenCase {
                    caller,
                    action,
                    grant,
                    model,
                }),
            }
            if self.given.effort.is_spent() {
                return Answer::CannotTell(Cause::Budget);
            }
        }
        if let Some(witness) = self.try_variables(&problem, &open, &mut memo) {
            return Answer::More(witness);
        }
        match (open.is_empty(), self.given_up) {
            (true, None) => Answer::NoMore,
            (_, Some(cause)) => Answer::CannotTell(cause),
            (false, None) => Answer::CannotTell(Cause::Variables),
        }
    }

    /// Every statement that grants what is asked for, with every caller and action it is about.
    fn cases(&self) -> Vec<(usize, usize, usize)> {
        let mut cases = Vec::new();
        for grant in self.given.statements.allowed_by.clone() {
            if self.effect(grant) != Some(self.question.effect) {
                continue;
            }
            for caller in 0..self.given.callers.len() {
                for action in 0..self.actions.len() {
                    if self.concerns(grant, caller, action)
                        && self
                            .given
                            .statements
                            .within
                            .clone()
                            .all(|limit| self.concerns(limit, caller, action))
                    {
                        cases.push((grant, caller, action));
                    }
                }
            }
        }
        cases
    }

    fn effect(&self, statement: usize) -> Option<Effect> {
        self.given
            .statements
            .all
            .get(statement)
            .map(|statement| statement.effect)
    }

    /// Whether a statement is about the caller and the action.
    fn concerns(&self, statement: usize, caller: usize, action: usize) -> bool {
        let named = self
            .given
            .callers
            .get(caller)
            .and_then(|class| class.statements.get(statement));
        named == Some(&true) && self.actions.get(action).is_some_and(|class| class.has(statement))
    }

    fn domains(&self, problem: &Problem, assignment: Option<&Assignment>) -> Vec<Vec<Domain>> {
        let assumptions = &self.question.assumptions;
        let of = |caller: &PrincipalClass| {
            let domain = |key: &String| assumptions.domain(key, caller, assignment);
            problem.keys.iter().map(domain).collect()
        };
        self.given.callers.iter().map(of).collect()
    }

    /// Gives variables values and looks again where something was left open.
    fn try_variables(
        &mut self,
        problem: &Problem,
        open: &[OpenCase],
        memo: &mut Memo,
    ) -> Option<Box<Witness>> {
        const MOST_CASES: usize = 24;
        for case in open.iter().take(MOST_CASES) {
            for assignment in variables::assignments(problem, &case.model) {
                let assigned = Problem::new(&self.given.statements.all, Some(&assignment));
                let domains = self.domains(&assigned, Some(&assignment));
                memo.forget();
                let place = (case.grant, case.caller, case.action);
                let outcome = self.search(&assigned, &domains, memo, place, Some(&assignment));
                if let Outcome::Found(witness) = outcome {
                    return Some(witness);
                }
            }
        }
        None
    }

    /// Looks for a request that one grant allows: nothing of its side denies, and the other side does not allow.
    fn search(
        &mut self,
        problem: &Problem,
        domains: &[Vec<Domain>],
        memo: &mut Memo,
        (grant, caller, action): (usize, usize, usize),
        assignment: Option<&Assignment>,
    ) -> Outcome {
        let (Some(class), Some(own_domains)) = (self.actions.get(action), domains.get(caller)) else {
            return Outcome::Nothing;
        };
        let shape = self
            .shapes
            .iter()
            .position(|shape| *shape == class.shape)
            .unwrap_or(self.shapes.len());
        let known = class.known;
        let applies = |key: &str| known.is_none_or(|action| action.applies(key));
        let mut outcome = Outcome::Nothing;
        let mut unconfirmed = false;
        let mut given_up = None;
        for clauses in self.demands(problem, (grant, caller, action)) {
            let mut search = Search::new(
                problem,
                (shape, &class.shape),
                own_domains,
                caller,
                &applies,
                memo,
                self.given.effort,
            );
            search.run(clauses, &mut |model| {
                if model.open {
                    outcome = Outcome::Open(model.clone());
                    return true;
                }
                match self.witness(problem, model, (caller, action), assignment) {
                    Some(witness) => {
                        outcome = Outcome::Found(Box::new(witness));
                        true
                    }
                    None => {
                        unconfirmed = true;
                        false
                    }
                }
            });
            given_up = given_up.or(search.given_up);
            if matches!(outcome, Outcome::Found(_)) {
                return outcome;
            }
        }
        // With values tried at random, not finding anything says nothing anyway.
        if assignment.is_none() {
            let cause = given_up.or(unconfirmed.then_some(Cause::Unconfirmed));
            self.given_up = self.given_up.or(cause);
        }
        outcome
    }

    /// The ways in which the other side may not allow: none of its grants applies, or one of its denials does. To each
    /// the clauses that make it so.
    fn demands(&self, problem: &Problem, (grant, caller, action): (usize, usize, usize)) -> Vec<Vec<Clause>> {
        let concerned = |range: std::ops::Range<usize>, effect: Effect| {
            range.filter(move |at| self.effect(*at) == Some(effect) && self.concerns(*at, caller, action))
        };
        let formula = |at: usize| problem.formulas.get(at);
        let mut common: Vec<Clause> = formula(grant).map(applying).unwrap_or_default();
        for limit in self.given.statements.within.clone() {
            common.extend(formula(limit).map(applying).unwrap_or_default());
        }
        let (own, other) = (&self.given.statements.allowed_by, &self.given.statements.not_by);
        let about_denials = self.question.effect == Effect::Deny;
        if !about_denials {
            let denials = concerned(own.clone(), Effect::Deny);
            common.extend(denials.filter_map(|at| formula(at).map(not_applying)));
        }
        let has_twin = |at: usize| self.given.twins.get(at) == Some(&true);
        let mut ways = Vec::new();
        if !has_twin(grant) {
            let silent =
                concerned(other.clone(), self.question.effect).filter_map(|at| formula(at).map(not_applying));
            ways.push(common.iter().cloned().chain(silent).collect());
        }
        // A denial that both sides have denies on this side, too.
        for denial in concerned(other.clone(), Effect::Deny).filter(|at| !about_denials && !has_twin(*at)) {
            let denies = formula(denial).map(applying).unwrap_or_default();
            ways.push(common.iter().cloned().chain(denies).collect());
        }
        ways
    }

    /// The request of a model, if the engine confirms it on both sides.
    fn witness(
        &self,
        problem: &Problem,
        model: &Model,
        (caller, action): (usize, usize),
        assignment: Option<&Assignment>,
    ) -> Option<Witness> {
        let caller = self.given.callers.get(caller)?;
        let class = self.actions.get(action)?;
        let context = self.context(problem, model, class, assignment);
        let principal = fitting_principal(caller, &context, self.question.assumptions.any_account);
        let asked = Asked {
            principal: &principal,
            action: &class.example,
            resource: &model.resource,
            context: &context,
        };
        let (allowed_by, denied_by) = self.confirmed(&asked)?;
        Some(Witness {
            action: class.example.clone(),
            action_is_known: class.known.is_some(),
            other_actions: class.others.iter().map(ToString::to_string).collect(),
            resource: model.resource.clone(),
            principal: principal.clone(),
            context: context.clone(),
            allowed_by,
            denied_by,
        })
    }

    /// The statements that decide, if the engine agrees that one side grants (or denies) the request and the other does not.
    fn confirmed(&self, asked: &Asked<'_>) -> Option<(Vec<Place>, Vec<Place>)> {
        let confirm = self.given.confirm;
        let (one, other) = (self.question.allowed_by, self.question.not_by);
        if self.question.effect == Effect::Deny {
            let denied_by = confirm.denials(asked, one);
            let differs = !denied_by.is_empty() && confirm.denials(asked, other).is_empty();
            return differs.then_some((Vec::new(), denied_by));
        }
        let (allowed, allowed_by) = confirm.grants(asked, one);
        let (allowed_there, denied_by) = confirm.grants(asked, other);
        (allowed && !allowed_there).then_some((allowed_by, denied_by))
    }

    /// The context of a model: every key under each spelling the policies use and the action has.
    fn context(
        &self,
        problem: &Problem,
        model: &Model,
        class: &ActionClass,
        assignment: Option<&Assignment>,
    ) -> Context {
        let mut context = Context::new();
        let spellings = keys_of(&self.given.statements.all);
        let mut fill = |shared: &str, value: &Value| {
            for spelling in spellings
                .iter()
                .filter(|spelling| crate::problem::shared_key(spelling) == shared)
            {
                if class.known.is_none_or(|action| action.applies(spelling)) {
                    context.insert(spelling.clone(), value.clone());
                }
            }
        };
        for (variable, value) in assignment.into_iter().flatten() {
            if let Some(value) = value {
                fill(&crate::problem::shared_key(variable), &Value::One(value.clone()));
            }
        }
        for (key, value) in &model.values {
            if let (Some(name), Some(value)) = (problem.keys.get(*key), value) {
                fill(name, value);
            }
        }
        context
    }
}

/// Every condition key of the statements, as first spelt.
fn keys_of(statements: &[&Statement]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for key in statements.iter().flat_map(|statement| variables::keys(statement)) {
        if !keys.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            keys.push(key.to_owned());
        }
    }
    keys
}

fn is_about_some_resources(statement: &Statement) -> bool {
    let mut patterns = statement.resource.iter().flat_map(|list| &list.patterns);
    patterns.any(|pattern| pattern.form != ResourceForm::Everything)
}

/// A caller whom nobody names in person is the one that aws:PrincipalArn says, and one who stands for those of any account
/// is of the account that aws:PrincipalAccount says.
fn fitting_principal(class: &PrincipalClass, context: &Context, any_account: bool) -> Principal {
    let text = |key: &str| match context.get(key) {
        Some(Value::One(text)) if !class.in_person => Some(text.as_str()),
        _ => None,
    };
    let by_arn = text("aws:PrincipalArn").and_then(principals::of_principal_arn);
    let by_account = || {
        let account = text("aws:PrincipalAccount").filter(|_| any_account)?;
        principals::user(&format!("arn:aws:iam::{account}:user/stranger"))
    };
    by_arn
        .or_else(by_account)
        .unwrap_or_else(|| class.principal.clone())
}
