//! From text to a document, as far as that goes. What IAM's grammar refuses is reported here, everything of it.

mod condition;
mod element;
mod principal;
mod statement;

use portcullis_policy::json::{self, Json, Member, Node};
use portcullis_policy::{Kind, Span, Version};

use crate::near;
use crate::place::Place;
use crate::policy::Policy;
use crate::report::Report;
use crate::{IssueCode, checks};

/// What is read from, so that the document can borrow from it.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    pub(crate) kind: Kind,
    reading: json::Reading,
}

impl<'a> Source<'a> {
    pub(crate) fn new(text: &'a str, kind: Kind) -> Self {
        Self {
            text,
            kind,
            reading: json::read_leniently(text),
        }
    }

    /// Reads the document; `None` when there is none.
    pub(crate) fn policy(&self, report: &mut Report<'_>) -> Option<Policy<'_>> {
        checks::characters::check(self.text, report);
        self.report_json(report);
        let root = self.reading.root.as_ref()?;
        let place = Place::root(root.span);
        let members = element::object(root, place, report)?;
        Some(self.document(members, place, report))
    }

    fn report_json(&self, report: &mut Report<'_>) {
        for fault in &self.reading.faults {
            let rest = self.text.get(fault.at..).unwrap_or_default();
            let end = fault.at + rest.chars().next().map_or(0, char::len_utf8);
            let span = Span { start: fault.at, end };
            report.add(
                IssueCode::JsonSyntaxError,
                &Place::root(span),
                format!("The text is not JSON: {}.", fault.reason),
            );
        }
        for duplicate in &self.reading.duplicates {
            let message = format!("The object holds the key `{}` twice.", duplicate.key);
            report
                .add(IssueCode::DuplicateKey, &Place::root(duplicate.again), message)
                .related(&Place::root(duplicate.first), "here for the first time");
        }
    }

    fn document<'b>(
        &'b self,
        members: &'b [Member],
        place: Place<'b>,
        report: &mut Report<'_>,
    ) -> Policy<'b> {
        let mut policy = Policy {
            kind: self.kind,
            place,
            version: None,
            statements: Vec::new(),
        };
        let (mut has_version, mut has_statement) = (false, false);
        for member in members {
            let at = place.value(&member.key, member.node.span);
            match member.key.as_str() {
                "Version" => {
                    has_version = true;
                    policy.version = version(&member.node, at, self.kind, report);
                }
                "Id" => id(&member.node, at, self.kind, report),
                "Statement" => {
                    has_statement = true;
                    policy.statements = statements(&member.node, at, self.kind, report);
                }
                name => {
                    let at = place.key(name, member.key_span);
                    unknown_element(name, &["Version", "Id", "Statement"], &at, report);
                }
            }
        }
        if !has_version {
            missing_version(self.kind, place, report);
        }
        if !has_statement {
            report.add(
                IssueCode::MissingStatement,
                &place,
                "The policy has no Statement.",
            );
        }
        policy
    }
}

/// R5.
fn requires_2012(kind: Kind) -> bool {
    matches!(kind, Kind::Identity | Kind::Boundary)
}

fn missing_version(kind: Kind, place: Place<'_>, report: &mut Report<'_>) {
    let code = if requires_2012(kind) {
        IssueCode::VersionRequired
    } else {
        IssueCode::MissingVersion
    };
    report.add(
        code,
        &place,
        "The policy has no Version; write \"Version\": \"2012-10-17\".",
    );
}

fn version(node: &Node, place: Place<'_>, kind: Kind, report: &mut Report<'_>) -> Option<Version> {
    let text = element::string(node, place, report)?;
    match text {
        "2012-10-17" => Some(Version::V2012),
        "2008-10-17" => {
            let code = if requires_2012(kind) {
                IssueCode::VersionRequired
            } else {
                IssueCode::OldVersion
            };
            report
                .add(
                    code,
                    &place,
                    "Version 2008-10-17 has no policy variables; use 2012-10-17.",
                )
                .replace_string("2012-10-17");
            Some(Version::V2008)
        }
        other => {
            report
                .add(
                    IssueCode::InvalidVersion,
                    &place,
                    format!("There is no version `{other}`; use 2012-10-17."),
                )
                .replace_string("2012-10-17");
            None
        }
    }
}

fn id(node: &Node, place: Place<'_>, kind: Kind, report: &mut Report<'_>) {
    let is_string = element::string(node, place, report).is_some();
    if is_string && matches!(kind, Kind::Identity | Kind::Boundary | Kind::Session) {
        report.add(
            IssueCode::IdWithoutEffect,
            &place,
            "Id has no effect in this policy.",
        );
    }
}

fn statements<'b>(
    node: &'b Node,
    place: Place<'b>,
    kind: Kind,
    report: &mut Report<'_>,
) -> Vec<crate::policy::Statement<'b>> {
    match &node.value {
        Json::Object(members) => vec![statement::read(members, place, kind, report)],
        Json::Array(items) if items.is_empty() => {
            report.add(
                IssueCode::MissingStatement,
                &place,
                "The list of statements is empty.",
            );
            Vec::new()
        }
        Json::Array(items) => {
            let read = |(index, item): (usize, &'b Node)| {
                let at = place.item(index, item.span);
                let members = element::object(item, at, report)?;
                Some(statement::read(members, at, kind, report))
            };
            items.iter().enumerate().filter_map(read).collect()
        }
        _ => {
            element::mismatch("an object or a list of objects", node, place, report);
            Vec::new()
        }
    }
}

/// Reports an element that does not exist, with the one that was probably meant.
pub(super) fn unknown_element(name: &str, known: &[&str], place: &Place<'_>, report: &mut Report<'_>) {
    let meant = near::nearest(name, known.iter().copied());
    let hint = near::hint(meant);
    let details = report.add(
        IssueCode::InvalidPolicyElement,
        place,
        format!("There is no element `{name}` here{hint}"),
    );
    if let Some(meant) = meant {
        details.replace_string(meant);
    }
}
