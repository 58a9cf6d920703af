//! The work: one policy of N statements, ten templates in turn, the deciding statements last; three requests.

use anyhow::{Context as _, Result};
use portcullis_policy::{Context, Document, Kind, Outcome, Principal, Request};
use serde_json::{Value, json};

const FULL_ACCESS: &str = include_str!("../../../crates/policy/tests/data/05-AmazonECS_FullAccess.json");
/// The statements, in which `{n}` is the statement's number and `{108 actions}` the list below.
const TEMPLATES: &str = include_str!("../../../crates/policy/tests/data/workload/templates.json");
const HERE: &str = "us-east-1:111122223333";
pub const USER_ARN: &str = "arn:aws:iam::111122223333:user/richard-roe";
pub const USER_NAME: &str = "richard-roe";
/// What a request ought to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// RunTask of `target:7`.
    Allow,
    /// RunTask of `other:1`.
    ImplicitDeny,
    /// DeleteCluster of `prod`, which an earlier statement allows.
    ExplicitDeny,
}

impl Case {
    pub const ALL: [Self; 3] = [Self::Allow, Self::ImplicitDeny, Self::ExplicitDeny];

    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::ImplicitDeny => "implicit deny",
            Self::ExplicitDeny => "explicit deny",
        }
    }

    pub fn expected(self) -> Outcome {
        match self {
            Self::Allow => Outcome::Allow,
            Self::ImplicitDeny => Outcome::ImplicitDeny,
            Self::ExplicitDeny => Outcome::ExplicitDeny,
        }
    }

    pub fn action(self) -> &'static str {
        match self {
            Self::Allow | Self::ImplicitDeny => "ecs:RunTask",
            Self::ExplicitDeny => "ecs:DeleteCluster",
        }
    }

    pub fn resource(self) -> String {
        match self {
            Self::Allow => format!("arn:aws:ecs:{HERE}:task-definition/target:7"),
            Self::ImplicitDeny => format!("arn:aws:ecs:{HERE}:task-definition/other:1"),
            Self::ExplicitDeny => format!("arn:aws:ecs:{HERE}:cluster/prod"),
        }
    }
}

/// The keys of every request, as both engines get them.
pub fn context_keys() -> [(&'static str, String); 5] {
    [
        ("ecs:cluster", format!("arn:aws:ecs:{HERE}:cluster/default")),
        ("ecs:ResourceTag/Department", "Engineering".to_owned()),
        ("ecs:ResourceTag/Owner", "mary-major".to_owned()),
        ("aws:MultiFactorAuthPresent", "true".to_owned()),
        ("aws:username", USER_NAME.to_owned()),
    ]
}

/// The 108 actions of `AmazonECS_FullAccess`, without `ecs:*`.
pub fn full_access_actions() -> Result<Vec<String>> {
    let policy: Value = serde_json::from_str(FULL_ACCESS)?;
    let actions = policy
        .pointer("/Statement/0/Action")
        .and_then(Value::as_array)
        .context("the policy's first statement lists its actions")?;
    let names = actions
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| *name != "ecs:*");
    Ok(names.map(str::to_owned).collect())
}

/// The statements of the policy. With one statement the explicit deny needs a policy of its own, which holds that Deny only.
pub fn statements(count: usize, case: Case) -> Result<Vec<Value>> {
    let full_access = serde_json::to_string(&full_access_actions()?)?;
    let parts: Value = serde_json::from_str(TEMPLATES)?;
    let part = |name: &str| parts.get(name).context("the templates are incomplete");
    let (deny, allow) = (part("deny")?.clone(), part("allow")?.clone());
    if count == 1 {
        return Ok(vec![if case == Case::ExplicitDeny { deny } else { allow }]);
    }
    let templates = part("templates")?
        .as_array()
        .context("the templates are a list")?;
    let texts: Vec<String> = templates
        .iter()
        .map(|template| template.to_string().replace("\"{108 actions}\"", &full_access))
        .collect();
    let numbered = texts.iter().cycle().enumerate().take(count.saturating_sub(2));
    let mut all: Vec<Value> = numbered
        .map(|(n, text)| serde_json::from_str(&text.replace("{n}", &n.to_string())))
        .collect::<Result<_, _>>()?;
    all.push(deny);
    all.push(allow);
    Ok(all)
}

/// The policy's text.
pub fn text(count: usize, case: Case) -> Result<String> {
    Ok(json!({"Version": "2012-10-17", "Statement": statements(count, case)?}).to_string())
}

/// The policy, parsed.
pub fn document(count: usize, case: Case) -> Result<Document> {
    Document::parse(&text(count, case)?, Kind::Identity).context("the workload is a legal policy")
}

/// What a request is made of.
pub struct Asked {
    principal: Principal,
    action: &'static str,
    resource: String,
    context: Context,
}

impl Asked {
    pub fn new(case: Case) -> Result<Self> {
        let principal = Principal::User {
            arn: USER_ARN.parse().map_err(anyhow::Error::msg)?,
            id: "AIDAEXAMPLE0000000001".to_owned(),
            account: "111122223333".parse().map_err(anyhow::Error::msg)?,
        };
        Ok(Self {
            principal,
            action: case.action(),
            resource: case.resource(),
            context: context_keys().into_iter().collect(),
        })
    }

    pub fn request(&self) -> Request<'_> {
        Request {
            principal: &self.principal,
            action: self.action,
            resource: &self.resource,
            resource_account: None,
            context: &self.context,
        }
    }
}
