//! One statement in detail.

use serde::Serialize;

use crate::decide::InSet;
use crate::document::{ActionList, Condition, PrincipalElement, PrincipalKind, ResourceList, Statement};
use crate::explain::PolicyName;
use crate::matching::condition::{self, Reason};
use crate::matching::principal::Naming;
use crate::matching::resource::{ResourceForm, ResourceMatch};
use crate::matching::statement::{Asked, NamesPrincipals};
use crate::{Context, Effect, PolicyType, Position, Span};

/// A statement and how each of its elements answered.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementReport {
    /// The set it stands in.
    pub policy_type: PolicyType,
    /// Its policy.
    pub policy: PolicyName,
    /// Its place in the policy, counted from 0.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
    /// Its effect.
    pub effect: Effect,
    /// Where it stands in the policy's text.
    pub span: Span,
    /// The line and column it begins at.
    pub position: Position,
    /// Whether every element matches.
    pub applies: bool,
    /// Principal or NotPrincipal, in policies that name principals.
    pub principal: Option<ElementReport>,
    /// Action or NotAction.
    pub action: ElementReport,
    /// Resource or NotResource, if there is one.
    pub resource: Option<ElementReport>,
    /// Its conditions, in the order of the text.
    pub conditions: Vec<ConditionReport>,
    /// Whether an action pattern is at least about the service asked for.
    pub(crate) names_service: bool,
}

/// An element of a statement against the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementReport {
    /// The element's name, such as `NotAction`.
    pub element: &'static str,
    /// Whether the element lets the statement apply.
    pub matched: bool,
    /// What the request asks for.
    pub asked: String,
    /// What the policy lists, variables replaced.
    pub wanted: Vec<String>,
    /// The listed value that matches the request, if one does.
    pub listed_by: Option<String>,
    /// The rule that decided.
    pub rule: &'static str,
}

/// A condition against the request's context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConditionReport {
    /// The operator as written.
    pub operator: String,
    /// Whether the operator is a negated one, whose values must not match.
    pub negated: bool,
    /// The condition key as written.
    pub key: String,
    /// Whether the condition holds.
    pub met: bool,
    /// The request's values; `None` when the key is absent.
    pub asked: Option<Vec<String>>,
    /// The policy's values, variables replaced.
    pub wanted: Vec<String>,
    /// The rule that decided.
    pub rule: &'static str,
    /// The rule in words.
    pub why: &'static str,
}

impl StatementReport {
    /// The elements before the conditions, in the order people read them.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &ElementReport> {
        self.principal
            .iter()
            .chain(std::iter::once(&self.action))
            .chain(&self.resource)
    }

    /// The statement's place and name for people: `statement 1 "RunWeb"`.
    pub(crate) fn label(&self) -> String {
        match self.sid.as_deref() {
            Some(sid) if !sid.is_empty() => format!("statement {} \"{sid}\"", self.index + 1),
            _ => format!("statement {}", self.index + 1),
        }
    }
}

/// Reports a statement, and how closely it names the caller if it applies.
pub(super) fn statement(
    asked: &Asked<'_>,
    set: &InSet<'_>,
    index: usize,
    statement: &Statement,
) -> (StatementReport, Naming) {
    let naming = asked.principal(statement, set.names_principals());
    let principal = principal(asked, set, statement, naming);
    let action = action(asked, &statement.action);
    let resource = statement
        .resource
        .as_ref()
        .map(|list| resource(asked, list, statement.effect));
    let context = asked.request.context;
    let conditions: Vec<_> = statement
        .conditions
        .iter()
        .map(|one| self::condition(one, context))
        .collect();
    let applies = naming > Naming::None
        && action.matched
        && resource.as_ref().is_none_or(|report| report.matched)
        && conditions.iter().all(|report| report.met);
    let names_service = statement
        .action
        .patterns
        .iter()
        .any(|pattern| pattern.form.names_service_of(asked.action));
    let report = StatementReport {
        policy_type: set.policy_type,
        policy: set.source.into(),
        index,
        sid: statement.sid.clone(),
        effect: statement.effect,
        span: statement.span,
        position: set.source.document.position(statement.span.start),
        applies,
        principal,
        action,
        resource,
        conditions,
        names_service,
    };
    (report, if applies { naming } else { Naming::None })
}

fn principal(
    asked: &Asked<'_>,
    set: &InSet<'_>,
    statement: &Statement,
    naming: Naming,
) -> Option<ElementReport> {
    if set.names_principals() == NamesPrincipals::No {
        return None;
    }
    let element = statement.principal.as_ref();
    let negated = element.is_some_and(|element| element.negated);
    let rule = match (element, naming, negated) {
        (None, _, _) => "R72",
        (Some(_), _, true) => "R71",
        (Some(_), Naming::Account, false) => "R64",
        (Some(_), _, false) => "R67",
    };
    Some(ElementReport {
        element: if negated { "NotPrincipal" } else { "Principal" },
        matched: naming > Naming::None,
        asked: asked.request.principal.name().into_owned(),
        wanted: element.map(principals).unwrap_or_default(),
        listed_by: None,
        rule,
    })
}

fn principals(element: &PrincipalElement) -> Vec<String> {
    let shown = element.entries.iter().map(|entry| {
        let kind = match entry.kind {
            PrincipalKind::Aws => "AWS",
            PrincipalKind::Service => "Service",
            PrincipalKind::Federated => "Federated",
            PrincipalKind::CanonicalUser => "CanonicalUser",
        };
        format!("{kind}: {}", entry.value)
    });
    shown.collect()
}

fn action(asked: &Asked<'_>, list: &ActionList) -> ElementReport {
    let listed_by = list
        .patterns
        .iter()
        .find(|pattern| pattern.form.matches(asked.action));
    ElementReport {
        element: if list.negated { "NotAction" } else { "Action" },
        matched: asked.action(list),
        asked: asked.request.action.to_owned(),
        wanted: list.patterns.iter().map(|pattern| pattern.text.clone()).collect(),
        listed_by: listed_by.map(|pattern| pattern.text.clone()),
        rule: "R37",
    }
}

fn resource(asked: &Asked<'_>, list: &ResourceList, effect: Effect) -> ElementReport {
    let context = asked.request.context;
    let answers: Vec<_> = list
        .patterns
        .iter()
        .map(|pattern| pattern.form.matches(asked.request.resource, context))
        .collect();
    let wanted: Vec<String> = list
        .patterns
        .iter()
        .map(|p| shown(&p.form, &p.text, context))
        .collect();
    let listed_by = answers
        .iter()
        .zip(&wanted)
        .find(|(answer, _)| **answer == ResourceMatch::Yes);
    let is_unresolved = listed_by.is_none() && answers.contains(&ResourceMatch::Unresolved);
    ElementReport {
        element: if list.negated { "NotResource" } else { "Resource" },
        matched: asked.resource(Some(list), effect),
        asked: asked.request.resource.to_owned(),
        listed_by: listed_by.map(|(_, text)| text.clone()),
        wanted,
        rule: match (is_unresolved, asked.request.resource) {
            (true, _) => "R57",
            (false, "*") => "R41",
            (false, _) => "R49",
        },
    }
}

fn shown(form: &ResourceForm, text: &str, context: &Context) -> String {
    match form {
        ResourceForm::Computed(template) => template.display(context),
        ResourceForm::Everything | ResourceForm::Fixed(_) | ResourceForm::Nothing => text.to_owned(),
    }
}

fn condition(condition: &Condition, context: &Context) -> ConditionReport {
    let verdict = condition::evaluate(condition, context);
    ConditionReport {
        operator: condition.operator.to_string(),
        negated: condition.operator.negated(),
        key: condition.key.clone(),
        met: verdict.met,
        asked: context
            .present(&condition.key)
            .map(|value| value.values().to_vec()),
        wanted: condition
            .values
            .iter()
            .map(|value| value.template.display(context))
            .collect(),
        rule: verdict.reason.rule(),
        why: why(verdict.reason, verdict.met, condition.operator.negated()),
    }
}

fn why(reason: Reason, met: bool, negated: bool) -> &'static str {
    match (reason, met, negated) {
        (Reason::Compared(_), true, false) => "a listed value matches",
        (Reason::Compared(_), false, false) => "no listed value matches",
        (Reason::Compared(_), true, true) => "no listed value matches, as it must be",
        (Reason::Compared(_), false, true) => "a listed value matches, but none may",
        (Reason::Incomparable(_), _, _) => "a value is not of the operator's type",
        (Reason::Unresolved, _, _) => "a variable in the policy has no value",
        (Reason::Missing, true, _) => "the key is not in the request; a negated operator holds then",
        (Reason::Missing, false, _) => "the key is not in the request",
        (Reason::MissingIfExists, _, _) => "the key is not in the request; IfExists holds then",
        (Reason::MissingForAllValues, _, _) => "the key is not in the request; ForAllValues holds then",
        (Reason::MissingForAnyValue, _, _) => "the key is not in the request; ForAnyValue needs a value",
        (Reason::MissingSetIfExists, _, _) => "the key is not in the request; IfExists decides",
        (Reason::MultiValued, _, _) => {
            "the key holds several values; without ForAnyValue or ForAllValues it never matches"
        }
        (Reason::NoPolicyValues, _, _) => "the policy lists no values",
        (Reason::Presence, true, _) => "the key's presence is as wanted",
        (Reason::Presence, false, _) => "the key's presence is not as wanted",
    }
}
