//! One statement in detail.

use std::borrow::Cow;
use std::sync::Arc;

use crate::decide::InSet;
use crate::document::{
    ActionList, ActionPattern, Condition, ConditionValue, PrincipalEntry, PrincipalKind, ResourceList,
    ResourcePattern, Statement,
};
use crate::explain::{ExplainedPolicy, Listed};
use crate::matching::condition::{self, Reason};
use crate::matching::operator::Operator;
use crate::matching::principal::Naming;
use crate::matching::resource::{ResourceForm, ResourceMatch};
use crate::matching::statement::{Asked, NamesPrincipals};
use crate::{Context, Effect, Position, Request, Span, open_points};

/// A statement and how each of its elements answered.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementReport {
    /// Its policy.
    pub policy: Arc<ExplainedPolicy>,
    /// Its place in the policy, counted from 0.
    pub index: usize,
    /// Its Sid.
    pub sid: Option<String>,
    /// Its effect.
    pub effect: Effect,
    /// Where it stands in the policy's text.
    pub span: Span,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementReport {
    /// The element's name, such as `NotAction`.
    pub element: &'static str,
    /// Whether the element lets the statement apply.
    pub matched: bool,
    /// What the request asks for.
    pub asked: Arc<str>,
    /// What the policy lists, variables replaced.
    pub wanted: Listed,
    /// Which of `wanted` matches the request, if one does.
    pub listed_at: Option<usize>,
    /// The rule that decided.
    pub rule: &'static str,
}

impl ElementReport {
    /// The listed value that matches the request, if one does.
    pub fn listed_by(&self) -> Option<Cow<'_, str>> {
        self.wanted.get(self.listed_at?)
    }
}

/// A condition against the request's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionReport {
    /// The operator as written.
    pub operator: Operator,
    /// Whether the operator is a negated one, whose values must not match.
    pub negated: bool,
    /// The condition key as written.
    pub key: String,
    /// Whether the condition holds.
    pub met: bool,
    /// The request's values; `None` when the key is absent.
    pub asked: Option<Vec<String>>,
    /// The policy's values, variables replaced.
    pub wanted: Listed,
    /// The rule that decided.
    pub rule: &'static str,
    /// The rule in words.
    pub why: &'static str,
    /// Where the key stands in the policy's text.
    pub key_span: Span,
}

impl StatementReport {
    /// The elements before the conditions, in the order people read them.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &ElementReport> {
        self.principal
            .iter()
            .chain(std::iter::once(&self.action))
            .chain(&self.resource)
    }

    /// The line and column it begins at.
    pub fn position(&self) -> Position {
        self.policy.position(self.span)
    }

    /// The statement's place and name for people: `statement 1 "RunWeb"`.
    pub(crate) fn label(&self) -> String {
        match self.sid.as_deref() {
            Some(sid) if !sid.is_empty() => format!("statement {} \"{sid}\"", self.index + 1),
            _ => format!("statement {}", self.index + 1),
        }
    }
}

/// What all statements are held against.
pub(super) struct Question<'r> {
    pub(super) asked: Asked<'r>,
    /// The request's keys with those that its action does not have (R112).
    pub(super) given: &'r Context,
    principal: Arc<str>,
    action: Arc<str>,
    resource: Arc<str>,
}

impl<'r> Question<'r> {
    pub(super) fn new(asked: Asked<'r>, given: &'r Context) -> Self {
        let request = &asked.request;
        Self {
            principal: request.principal.name().into(),
            action: request.action.into(),
            resource: request.resource.into(),
            asked,
            given,
        }
    }

    /// Reports a statement, and how closely it names the caller if it applies.
    pub(super) fn statement(
        &self,
        set: &InSet<'_>,
        policy: &Arc<ExplainedPolicy>,
        index: usize,
        statement: &Statement,
    ) -> (StatementReport, Naming) {
        let naming = self.asked.principal(statement, set.names_principals());
        let principal = match set.names_principals() {
            NamesPrincipals::Yes => Some(self.principal(policy, statement, naming)),
            NamesPrincipals::No => None,
        };
        let action = self.action(policy, &statement.action);
        let effect = statement.effect;
        let resource = statement
            .resource
            .as_ref()
            .map(|list| self.resource(policy, list, effect));
        let conditions = statement.conditions.iter().map(|one| self.condition(policy, one));
        let conditions: Vec<_> = conditions.collect();
        let applies = naming > Naming::None
            && action.matched
            && resource.as_ref().is_none_or(|report| report.matched)
            && conditions.iter().all(|report| report.met);
        let is_about_service = |pattern: &ActionPattern| pattern.form.names_service_of(self.asked.action);
        let names_service =
            action.listed_at.is_some() || statement.action.patterns.iter().any(is_about_service);
        let report = StatementReport {
            policy: Arc::clone(policy),
            index,
            sid: statement.sid.clone(),
            effect,
            span: statement.span,
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
        &self,
        policy: &Arc<ExplainedPolicy>,
        statement: &Statement,
        naming: Naming,
    ) -> ElementReport {
        let element = statement.principal.as_ref();
        let negated = element.is_some_and(|element| element.negated);
        let rule = match (element, naming, negated) {
            (None, _, _) => "R72",
            (Some(_), _, true) => "R71",
            (Some(_), Naming::Account, false) => "R64",
            (Some(_), _, false) => "R67",
        };
        let entries = element.map_or(&[][..], |element| &element.entries);
        ElementReport {
            element: if negated { "NotPrincipal" } else { "Principal" },
            matched: naming > Naming::None,
            asked: Arc::clone(&self.principal),
            wanted: Listed::of(
                policy,
                entries,
                |entry| entry.span,
                |entry| Some(shown_principal(entry)),
            ),
            listed_at: None,
            rule,
        }
    }

    fn action(&self, policy: &Arc<ExplainedPolicy>, list: &ActionList) -> ElementReport {
        let matches = |pattern: &ActionPattern| pattern.form.matches(self.asked.action);
        let listed_at = list.patterns.iter().position(matches);
        ElementReport {
            element: if list.negated { "NotAction" } else { "Action" },
            matched: listed_at.is_some() != list.negated,
            asked: Arc::clone(&self.action),
            wanted: Listed::of(policy, &list.patterns, |pattern| pattern.span, |_| None),
            listed_at,
            rule: "R37",
        }
    }

    fn resource(&self, policy: &Arc<ExplainedPolicy>, list: &ResourceList, effect: Effect) -> ElementReport {
        let Request {
            resource, context, ..
        } = self.asked.request;
        let mut is_unresolved = false;
        let listed_at = list.patterns.iter().position(|pattern| {
            let answer = pattern.form.matches(resource, context);
            is_unresolved |= answer == ResourceMatch::Unresolved;
            answer == ResourceMatch::Yes
        });
        let shown = |pattern: &ResourcePattern| match &pattern.form {
            ResourceForm::Computed(template) => Some(template.display(context)),
            ResourceForm::Everything | ResourceForm::Fixed(_) | ResourceForm::Nothing => None,
        };
        ElementReport {
            element: if list.negated { "NotResource" } else { "Resource" },
            matched: match (listed_at, list.negated) {
                (Some(_), negated) => !negated,
                (None, true) if is_unresolved => {
                    open_points::r57_not_resource_holds_unresolved(effect == Effect::Deny)
                }
                (None, negated) => negated,
            },
            asked: Arc::clone(&self.resource),
            wanted: Listed::of(policy, &list.patterns, |pattern| pattern.span, shown),
            listed_at,
            rule: match (listed_at, is_unresolved, resource) {
                (None, true, _) => "R57",
                (_, _, "*") => "R41",
                _ => "R49",
            },
        }
    }

    fn condition(&self, policy: &Arc<ExplainedPolicy>, condition: &Condition) -> ConditionReport {
        let context = self.asked.request.context;
        let verdict = condition::evaluate(condition, context);
        let negated = condition.operator.negated();
        let asked = context.present(&condition.key);
        let is_left_out = asked.is_none() && self.given.present(&condition.key).is_some();
        let (rule, why) = match is_left_out {
            true => ("R112", "the action has no such key: it is left out"),
            false => (verdict.reason.rule(), why(verdict.reason, verdict.met, negated)),
        };
        let shown = |value: &ConditionValue| match value.template.fixed() {
            Some(_) => None,
            None => Some(value.template.display(context)),
        };
        ConditionReport {
            operator: condition.operator,
            negated,
            key: condition.key.clone(),
            met: verdict.met,
            asked: asked.map(|value| value.values().to_vec()),
            wanted: Listed::of(policy, &condition.values, |value| value.span, shown),
            rule,
            why,
            key_span: condition.key_span,
        }
    }
}

/// A principal with the key it stands under.
fn shown_principal(entry: &PrincipalEntry) -> String {
    let kind = match entry.kind {
        PrincipalKind::Aws => "AWS",
        PrincipalKind::Service => "Service",
        PrincipalKind::Federated => "Federated",
        PrincipalKind::CanonicalUser => "CanonicalUser",
    };
    format!("{kind}: {}", entry.value)
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
