//! What kind of policy a document is, when nobody says.

use portcullis_policy::Kind;
use portcullis_policy::json::{self, Json, Member, Node};

/// What a document most likely is: with principals it is a trust policy if its actions are those of sts and it names no
/// resources, and a resource policy otherwise; without principals it is an identity policy.
pub fn detect_kind(text: &str) -> Kind {
    let root = json::read_leniently(text).root;
    let members = root.as_ref().map(object).unwrap_or_default();
    let statements: Vec<&[Member]> = members
        .iter()
        .filter(|member| member.key == "Statement")
        .flat_map(|member| one_or_many(&member.node))
        .map(object)
        .collect();
    let has = |names: &[&str]| {
        let names_it = |member: &Member| names.contains(&member.key.as_str());
        statements.iter().any(|statement| statement.iter().any(names_it))
    };
    if !has(&["Principal", "NotPrincipal"]) {
        return Kind::Identity;
    }
    let is_sts = statements.iter().all(|statement| actions_are_of_sts(statement));
    if is_sts && !has(&["Resource", "NotResource"]) {
        Kind::Trust
    } else {
        Kind::Resource
    }
}

fn actions_are_of_sts(statement: &[Member]) -> bool {
    let is_sts = |node: &Node| {
        matches!(&node.value, Json::String(text)
            if text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sts:")))
    };
    statement
        .iter()
        .filter(|member| matches!(member.key.as_str(), "Action" | "NotAction"))
        .flat_map(|member| one_or_many(&member.node))
        .all(is_sts)
}

fn object(node: &Node) -> &[Member] {
    match &node.value {
        Json::Object(members) => members,
        _ => &[],
    }
}

fn one_or_many(node: &Node) -> &[Node] {
    match &node.value {
        Json::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}
