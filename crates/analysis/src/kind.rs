//! What a policy's text is written for, when nobody says.

use portcullis_policy::json::{self, Json, Node};
use portcullis_policy::{Document, Kind, Malformed};

use crate::rewrite::members;

/// Reads a policy as what it looks like: with principals a trust policy (only `sts:` actions, no resources) or the policy
/// of a resource, otherwise an identity policy. IAM wants version 2012-10-17 of the latter; for a comparison the older one
/// does as well.
pub fn read(text: &str) -> Result<Document, Malformed> {
    let kind = kind_of(text);
    match Document::parse(text, kind) {
        Err(Malformed::Version) => Document::parse(text, Kind::Session),
        parsed => parsed,
    }
}

fn kind_of(text: &str) -> Kind {
    let Ok(root) = json::parse(text) else {
        return Kind::Identity;
    };
    let statements = members(&root).iter().filter(|member| member.key == "Statement");
    let statements: Vec<&Node> = statements
        .flat_map(|member| match &member.node.value {
            Json::Array(items) => items.iter().collect(),
            _ => vec![&member.node],
        })
        .collect();
    let has = |name: &str| {
        statements
            .iter()
            .any(|node| members(node).iter().any(|member| member.key == name))
    };
    if !has("Principal") && !has("NotPrincipal") {
        Kind::Identity
    } else if has("Resource") || has("NotResource") || !text.contains("sts:") {
        Kind::Resource
    } else {
        Kind::Trust
    }
}
