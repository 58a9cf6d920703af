//! Principal and NotPrincipal (R61).

use portcullis_policy::PrincipalKind;
use portcullis_policy::json::{Json, Member, Node};

use super::element;
use crate::IssueCode;
use crate::near;
use crate::place::Place;
use crate::policy::{PrincipalEntry, Principals, Text};
use crate::report::Report;

const KINDS: [&str; 4] = ["AWS", "Service", "Federated", "CanonicalUser"];

pub(super) fn read<'b>(
    node: &'b Node,
    negated: bool,
    place: Place<'b>,
    report: &mut Report<'_>,
) -> Option<Principals<'b>> {
    let entries = match &node.value {
        Json::String(text) if text == "*" => vec![PrincipalEntry {
            kind: PrincipalKind::Aws,
            name: Text { text, place },
        }],
        Json::Object(members) => members
            .iter()
            .flat_map(|member| entries(member, place, report))
            .collect(),
        _ => {
            let message = "Principal is `*` or an object such as {\"AWS\": \"123456789012\"}.";
            report.add(IssueCode::InvalidPrincipalFormat, &place, message);
            return None;
        }
    };
    Some(Principals {
        negated,
        place,
        entries,
    })
}

fn entries<'b>(member: &'b Member, place: Place<'b>, report: &mut Report<'_>) -> Vec<PrincipalEntry<'b>> {
    let name = member.key.as_str();
    let kind = match name {
        "AWS" => PrincipalKind::Aws,
        "Service" => PrincipalKind::Service,
        "Federated" => PrincipalKind::Federated,
        "CanonicalUser" => PrincipalKind::CanonicalUser,
        _ => {
            let meant = near::nearest(name, KINDS.into_iter());
            let hint = near::hint(meant);
            let at = place.key(name, member.key_span);
            let message = format!("There is no kind of principal `{name}`{hint}");
            let details = report.add(IssueCode::InvalidPrincipalKey, &at, message);
            if let Some(meant) = meant {
                details.replace_string(meant);
            }
            return Vec::new();
        }
    };
    let at = place.value(name, member.node.span);
    let names = element::strings(&member.node, at, report);
    if matches!(&member.node.value, Json::Array(items) if items.is_empty()) {
        report.add(
            IssueCode::EmptyArrayPrincipal,
            &at,
            format!("The list of {name} principals is empty."),
        );
    }
    names
        .into_iter()
        .map(|name| PrincipalEntry { kind, name })
        .collect()
}
