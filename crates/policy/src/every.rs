//! Requests about every resource that a pattern names, as the policy simulator takes them (R50). At the gate a `*` in the
//! resource of a request is literal text: see [`decide`](crate::decide).

use crate::decide::{Decision, asked, combine, decide, for_each_set};
use crate::document::{ResourceList, Statement};
use crate::matching::condition;
use crate::matching::glob::Token;
use crate::matching::principal::Naming;
use crate::matching::resource::{ResourceForm, arn_glob};
use crate::text::fold;
use crate::{Context, Effect, PolicySets, Request, open_points};

/// Decides a request whose resource may hold `*` for "any such resource". The answer holds for each of them: it is allowed
/// when one pattern of an Allow covers them all, and denied when a Deny hits some. A resource that is `*` altogether is the
/// resource of actions that know none (R41), as everywhere.
pub fn decide_for_every<'a>(request: &Request<'_>, sets: &PolicySets<'a>) -> Decision<'a> {
    if request.resource == "*" || !request.resource.contains('*') {
        return decide(request, sets);
    }
    let context = request.context.applying_to(request.action);
    let request = &Request {
        context: &context,
        ..*request
    };
    let steps = steps(request.resource);
    let asked = asked(request, sets);
    let applies = |statement: &Statement| {
        asked.action(&statement.action)
            && resources_match(statement, &steps, request.context)
            && statement
                .conditions
                .iter()
                .all(|one| condition::evaluate(one, request.context).met)
    };
    let mut applying = Vec::new();
    for_each_set(request, sets, |set| {
        for (index, statement) in set.source.document.statements().iter().enumerate() {
            let naming = asked.principal(statement, set.names_principals());
            if naming > Naming::None && applies(statement) {
                applying.push(set.matched(index, statement, naming));
            }
        }
    });
    combine(request, sets, applying)
}

/// One step of the resource asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// This character of one of the first five fields.
    InField(char),
    /// This character of the sixth field.
    InSixth(char),
    /// Anything within one of the first five fields.
    AnyInField,
    /// Anything.
    Any,
}

impl Step {
    fn is_any(self) -> bool {
        matches!(self, Self::Any | Self::AnyInField)
    }
}

fn steps(resource: &str) -> Vec<Step> {
    let mut field = 1;
    let step = |c| {
        field += usize::from(c == ':');
        match c {
            '*' if field > 5 => Step::Any,
            '*' => Step::AnyInField,
            c if field > 5 => Step::InSixth(c),
            c => Step::InField(c),
        }
    };
    resource.chars().map(step).collect()
}

/// How the resources asked for lie to those of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// The pattern matches every one of them.
    Covers,
    /// The pattern matches some of them.
    Overlaps,
}

/// An Allow must be about all resources asked for, a Deny about some.
fn resources_match(statement: &Statement, steps: &[Step], context: &Context) -> bool {
    let Some(ResourceList { negated, patterns }) = &statement.resource else {
        return true;
    };
    let denies = statement.effect == Effect::Deny;
    let relation = if denies == *negated {
        Relation::Covers
    } else {
        Relation::Overlaps
    };
    let mut unresolved = false;
    let listed = patterns.iter().any(|pattern| match &pattern.form {
        ResourceForm::Everything => true,
        ResourceForm::Nothing => false,
        ResourceForm::Fixed(glob) => holds(relation, glob.tokens(), steps),
        ResourceForm::Computed(template) => match template.resolve(context) {
            Some(pieces) => holds(relation, arn_glob(&pieces).tokens(), steps),
            None => {
                unresolved = true;
                false
            }
        },
    });
    match (negated, listed, unresolved) {
        (false, listed, _) => listed,
        (true, true, _) => false,
        (true, false, false) => true,
        (true, false, true) => open_points::r57_not_resource_holds_unresolved(denies),
    }
}

/// Whether a pattern lies to the resources asked for as wanted. Token by token: which beginnings of `steps` the tokens so
/// far can stand for.
fn holds(relation: Relation, tokens: &[Token], steps: &[Step]) -> bool {
    let overlaps = relation == Relation::Overlaps;
    let is_any = |at: usize| overlaps && steps.get(at).is_some_and(|step| step.is_any());
    let at = |reached: &[bool], at: usize| reached.get(at).copied().unwrap_or_default();
    let mut reached = vec![true];
    for end in 1..=steps.len() {
        reached.push(at(&reached, end - 1) && is_any(end - 1));
    }
    for token in tokens {
        let mut next: Vec<bool> = Vec::with_capacity(reached.len());
        for end in 0..=steps.len() {
            // The step asked for takes in the token, the token is empty, or something ends here.
            let taken_in =
                is_any(end) && at(&reached, end) && steps.get(end).is_some_and(|step| takes_in(*step, token));
            let empty = is_many(token) && at(&reached, end);
            let ends = end.checked_sub(1).is_some_and(|last| {
                let before = if is_many(token) {
                    at(&next, last)
                } else {
                    at(&reached, last)
                };
                let matched = before && steps.get(last).is_some_and(|step| matches(token, *step));
                matched || (at(&next, last) && is_any(last))
            });
            next.push(taken_in || empty || ends);
        }
        reached = next;
    }
    at(&reached, steps.len())
}

fn is_many(token: &Token) -> bool {
    matches!(token, Token::Many | Token::ManyInField)
}

/// Whether a token stands for a step, whatever that step stands for.
fn matches(token: &Token, step: Step) -> bool {
    let c = match step {
        Step::InField(c) | Step::InSixth(c) => c,
        Step::AnyInField => return is_many(token),
        Step::Any => return *token == Token::Many,
    };
    match *token {
        Token::Many | Token::One => true,
        Token::ManyInField | Token::OneInField => c != ':',
        Token::Char(wanted) => wanted == c,
        Token::Folded(wanted) => wanted == fold(c),
        Token::ArnChar(wanted) if open_points::r46_floating_letter_has_case(step == Step::InSixth(c)) => {
            wanted == c
        }
        Token::ArnChar(wanted) => fold(wanted) == fold(c),
    }
}

/// Whether some of what a step stands for is matched by a token.
fn takes_in(step: Step, token: &Token) -> bool {
    match step {
        Step::Any => true,
        Step::AnyInField => !matches!(token, Token::Char(':') | Token::Folded(':')),
        Step::InField(_) | Step::InSixth(_) => false,
    }
}
