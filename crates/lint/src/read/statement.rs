//! One statement (R9-R14).

use portcullis_policy::json::{Member, Node};
use portcullis_policy::{Effect, Kind};

use super::{condition, element, principal, unknown_element};
use crate::IssueCode;
use crate::place::Place;
use crate::policy::{Statement, Text};
use crate::report::Report;

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

pub(super) fn read<'b>(
    members: &'b [Member],
    place: Place<'b>,
    kind: Kind,
    report: &mut Report<'_>,
) -> Statement<'b> {
    let mut statement = Statement {
        place,
        sid: None,
        effect: None,
        principal: None,
        action: None,
        resource: None,
        conditions: Vec::new(),
    };
    for Member { key, key_span, node } in members {
        let at = place.value(key, node.span);
        match key.as_str() {
            "Sid" => statement.sid = sid(node, at, report),
            "Effect" => statement.effect = effect(node, at, report),
            "Principal" => statement.principal = principal::read(node, false, at, report),
            "NotPrincipal" => statement.principal = principal::read(node, true, at, report),
            "Action" => statement.action = Some(element::list(node, false, at, report)),
            "NotAction" => statement.action = Some(element::list(node, true, at, report)),
            "Resource" => statement.resource = Some(element::list(node, false, at, report)),
            "NotResource" => statement.resource = Some(element::list(node, true, at, report)),
            "Condition" => statement.conditions = condition::read(node, at, report),
            name => unknown_element(name, &ELEMENTS, &place.key(name, *key_span), report),
        }
    }
    check_pairs(members, place, report);
    check_presence(members, &statement, kind, report);
    statement
}

fn member<'b>(members: &'b [Member], name: &str) -> Option<&'b Member> {
    members.iter().find(|member| member.key == name)
}

fn sid<'b>(node: &'b Node, place: Place<'b>, report: &mut Report<'_>) -> Option<Text<'b>> {
    let text = element::string(node, place, report)?;
    Some(Text { text, place })
}

/// R10.
fn effect(node: &Node, place: Place<'_>, report: &mut Report<'_>) -> Option<Effect> {
    let (effect, exact) = match element::string(node, place, report)? {
        "Allow" => return Some(Effect::Allow),
        "Deny" => return Some(Effect::Deny),
        word if word.eq_ignore_ascii_case("allow") => (Effect::Allow, "Allow"),
        word if word.eq_ignore_ascii_case("deny") => (Effect::Deny, "Deny"),
        word => {
            let message = format!("The effect `{word}` is neither Allow nor Deny.");
            report.add(IssueCode::InvalidEffect, &place, message);
            return None;
        }
    };
    report
        .add(
            IssueCode::InvalidEffect,
            &place,
            format!("The effect is spelt `{exact}`."),
        )
        .replace_string(exact);
    Some(effect)
}

fn check_pairs(members: &[Member], place: Place<'_>, report: &mut Report<'_>) {
    for (name, negated) in [
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
        ("Principal", "NotPrincipal"),
    ] {
        if let (Some(first), Some(second)) = (member(members, name), member(members, negated)) {
            report
                .add(
                    IssueCode::UnsupportedElementCombination,
                    &place.key(negated, second.key_span),
                    format!("{name} and {negated} may not stand in one statement."),
                )
                .related(&place.key(name, first.key_span), format!("{name} is here"));
        }
    }
}

/// What must be there, and what must not, for this kind of policy.
fn check_presence(members: &[Member], statement: &Statement<'_>, kind: Kind, report: &mut Report<'_>) {
    let has = |names: [&str; 2]| names.iter().any(|name| member(members, name).is_some());
    let place = &statement.place;
    if !has(["Effect", "Effect"]) {
        report.add(IssueCode::MissingEffect, place, "The statement has no Effect.");
    }
    if !has(["Action", "NotAction"]) {
        report.add(
            IssueCode::MissingAction,
            place,
            "The statement has neither Action nor NotAction.",
        );
    }
    let needs_resource = !matches!(kind, Kind::Trust | Kind::Resource | Kind::Endpoint);
    if needs_resource && !has(["Resource", "NotResource"]) {
        let message = "The statement has neither Resource nor NotResource.";
        report.add(IssueCode::MissingResource, place, message);
    }
    let names_principals = matches!(
        kind,
        Kind::Trust | Kind::Resource | Kind::ResourceControl | Kind::Endpoint
    );
    if names_principals && !has(["Principal", "NotPrincipal"]) {
        report.add(
            IssueCode::MissingPrincipal,
            place,
            "The statement names no Principal.",
        );
    }
    let code = if kind == Kind::ServiceControl {
        IssueCode::ScpSyntaxErrorPrincipal
    } else {
        IssueCode::UnsupportedPrincipal
    };
    for name in ["Principal", "NotPrincipal"] {
        if let (false, Some(member)) = (names_principals, member(members, name)) {
            let message = format!("This kind of policy takes no {name}.");
            report.add(code, &place.key(name, member.key_span), message);
        }
    }
    check_empty(statement, needs_resource, report);
}

fn check_empty(statement: &Statement<'_>, needs_resource: bool, report: &mut Report<'_>) {
    let empty = |list: &&crate::policy::List<'_>| list.items.is_empty();
    if let Some(list) = statement.action.as_ref().filter(empty) {
        report.add(
            IssueCode::MissingAction,
            &list.place,
            "The list of actions is empty.",
        );
    }
    if let Some(list) = statement.resource.as_ref().filter(empty) {
        let code = if needs_resource {
            IssueCode::MissingResource
        } else {
            IssueCode::EmptyArrayResource
        };
        report.add(code, &list.place, "The list of resources is empty.");
    }
}
