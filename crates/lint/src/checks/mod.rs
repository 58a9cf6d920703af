//! The checks, by subject.

mod actions;
pub(crate) mod arns;
pub(crate) mod characters;
mod conditions;
mod document;
mod ecs;
mod federation;
mod fit;
mod keys;
mod logic;
mod organization;
mod overlap;
mod power;
mod principals;
mod tags;
mod trust;
mod values;
mod variables;

use std::collections::HashSet;

use crate::policy::{Policy, Statement};
use crate::report::Report;
use crate::scope::Scope;

/// Every check on what could be read of a document.
pub(crate) fn check(policy: &Policy<'_>, text: &str, report: &mut Report<'_>) {
    document::check(policy, text, report);
    let scopes: Vec<Option<Scope<'_>>> = policy.statements.iter().map(Scope::of).collect();
    for (statement, scope) in policy.statements.iter().zip(&scopes) {
        report.begin_statement();
        check_statement(policy, statement, scope.as_ref(), report);
    }
    logic::check_mfa(policy, report);
    ecs::check_exec(policy, &scopes, report);
    overlap::check(policy, &scopes, report);
}

fn check_statement(
    policy: &Policy<'_>,
    statement: &Statement<'_>,
    scope: Option<&Scope<'_>>,
    report: &mut Report<'_>,
) {
    variables::check(policy, statement, report);
    principals::check(policy, statement, report);
    trust::check(policy, statement, report);
    federation::check(policy, statement, report);
    if let Some(scope) = scope {
        actions::check(policy, statement, scope, report);
    }
    arns::check(policy, statement, report);
    conditions::check(statement, report);
    logic::check(statement, report);
    if let Some(scope) = scope {
        keys::check_reach(statement, scope, report);
        tags::check(statement, scope, report);
        fit::check(policy, statement, scope, report);
        power::check(policy, statement, scope, report);
        organization::check(policy, statement, scope, report);
    }
}

/// `a`, `a and b`, `a, b and 3 more`: the first few of many names, each once whatever its case.
fn enumerate(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut seen = HashSet::new();
    let names: Vec<&String> = names
        .iter()
        .filter(|name| seen.insert(name.to_ascii_lowercase()))
        .collect();
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = names.len().saturating_sub(SHOWN);
    match (quoted.split_last(), more) {
        (None, _) => String::new(),
        (Some(_), 1..) => format!("{} and {more} more", quoted.join(", ")),
        (Some((only, [])), 0) => only.clone(),
        (Some((last, others)), 0) => format!("{} and {last}", others.join(", ")),
    }
}
