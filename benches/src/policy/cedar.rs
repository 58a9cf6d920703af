//! cedar-policy on the same work: each statement one policy.
//!
//! Patterns become `like` on the resource's ARN, condition keys attributes of the context. Cedar has no variables in patterns:
//! where ours says `${aws:username}` it compares attributes.

use std::collections::HashSet;
use std::hint::black_box;
use std::str::FromStr;

use anyhow::{Context as _, Result, ensure};
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityUid, PolicySet, Request, RestrictedExpression,
};
use portcullis_policy::Outcome;
use serde_json::Value;

use crate::policy::clock::measure;
use crate::policy::workload::{self, Case, USER_ARN, USER_NAME};

/// The template whose list of actions a Cedar user would make a group.
const FULL_ACCESS_TEMPLATE: usize = 4;
/// The template with `ecs:Describe*` and `ecs:List*`.
const DESCRIBE_TEMPLATE: usize = 6;

/// How lists of actions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they stand in the IAM policy.
    Literal,
    /// The long lists as action groups, as somebody who writes Cedar would.
    Groups,
}

/// The actions that `ecs:Describe*` and `ecs:List*` stand for.
const DESCRIBE_ACTIONS: [&str; 18] = [
    "ecs:DescribeCapacityProviders",
    "ecs:DescribeClusters",
    "ecs:DescribeContainerInstances",
    "ecs:DescribeServiceDeployments",
    "ecs:DescribeServiceRevisions",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:DescribeTaskSets",
    "ecs:ListAccountSettings",
    "ecs:ListAttributes",
    "ecs:ListClusters",
    "ecs:ListContainerInstances",
    "ecs:ListServiceDeployments",
    "ecs:ListServices",
    "ecs:ListTagsForResource",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
];

/// Nanoseconds of one decision.
pub fn decision(count: usize, case: Case, form: Form) -> Result<f64> {
    let policies = PolicySet::from_str(&text(count, case, form)?)?;
    let entities = entities(case, form)?;
    let request = request(case)?;
    let authorizer = Authorizer::new();
    let response = authorizer.is_authorized(&request, &policies, &entities);
    let is_silent = response.diagnostics().reason().next().is_none();
    ensure!(
        response.diagnostics().errors().next().is_none(),
        "Cedar reports errors: {response:?}"
    );
    let answer = match response.decision() {
        Decision::Allow => Outcome::Allow,
        Decision::Deny if is_silent => Outcome::ImplicitDeny,
        Decision::Deny => Outcome::ExplicitDeny,
    };
    ensure!(answer == case.expected(), "Cedar answers {answer:?} to {case:?}");
    Ok(measure(|| {
        authorizer.is_authorized(black_box(&request), black_box(&policies), black_box(&entities))
    }))
}

/// Nanoseconds to make the better form ready.
pub fn parsing(count: usize) -> Result<f64> {
    let text = text(count, Case::Allow, Form::Groups)?;
    Ok(measure(|| PolicySet::from_str(black_box(&text)).is_ok()))
}

fn text(count: usize, case: Case, form: Form) -> Result<String> {
    let statements = workload::statements(count, case)?;
    let last_templates = statements.len().saturating_sub(2);
    let policies = statements.iter().enumerate().map(|(n, statement)| {
        // With one statement, and for the last two, there is no template.
        let template = (count > 1 && n < last_templates).then_some(n % 10);
        policy(statement, template, form)
    });
    policies.collect()
}

fn policy(statement: &Value, template: Option<usize>, form: Form) -> Result<String> {
    let effect = if field(statement, "Effect") == "Deny" {
        "forbid"
    } else {
        "permit"
    };
    let action = match (template, form) {
        (Some(FULL_ACCESS_TEMPLATE), Form::Groups) => "action in Action::\"full-access\"".to_owned(),
        (Some(DESCRIBE_TEMPLATE), Form::Groups) => "action in Action::\"describe\"".to_owned(),
        (Some(DESCRIBE_TEMPLATE), Form::Literal) => listed(DESCRIBE_ACTIONS),
        _ => match statement.get("Action") {
            Some(Value::Array(actions)) => listed(actions.iter().filter_map(Value::as_str)),
            _ => format!("action == Action::\"{}\"", field(statement, "Action")),
        },
    };
    let mut tests = Vec::new();
    let resource = match statement.get("Resource") {
        Some(Value::Array(patterns)) => patterns.first().and_then(Value::as_str),
        other => other.and_then(Value::as_str),
    };
    match resource.context("every statement has a resource")? {
        "*" => {}
        own if own.contains("${") => tests.push("resource.arn == context.userArn".to_owned()),
        pattern => tests.push(format!("resource.arn like \"{pattern}\"")),
    }
    let operators = statement.get("Condition").and_then(Value::as_object);
    for keys in operators
        .into_iter()
        .flatten()
        .filter_map(|(_, keys)| keys.as_object())
    {
        for (key, value) in keys {
            tests.push(condition(key, value.as_str().unwrap_or_default()));
        }
    }
    let when = if tests.is_empty() {
        String::new()
    } else {
        format!(" when {{ {} }}", tests.join(" && "))
    };
    Ok(format!("{effect}(principal, {action}, resource){when};\n"))
}

fn field<'a>(statement: &'a Value, name: &str) -> &'a str {
    statement.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn listed<'a>(actions: impl IntoIterator<Item = &'a str>) -> String {
    let uids = actions.into_iter().map(|action| format!("Action::\"{action}\""));
    format!("action in [{}]", uids.collect::<Vec<_>>().join(", "))
}

fn condition(key: &str, value: &str) -> String {
    let name = attribute(key);
    let test = match value {
        "true" => format!("context.{name}"),
        "${aws:username}" => format!("context.{name} == context.username"),
        pattern if pattern.contains('*') => format!("context.{name} like \"{pattern}\""),
        value => format!("context.{name} == \"{value}\""),
    };
    format!("context has {name} && {test}")
}

fn attribute(key: &str) -> &'static str {
    match key {
        "ecs:cluster" => "cluster",
        "ecs:ResourceTag/Department" => "department",
        "ecs:ResourceTag/Owner" => "owner",
        "aws:MultiFactorAuthPresent" => "mfa",
        "iam:PassedToService" => "passedToService",
        _ => "username",
    }
}

fn uid(kind: &str, id: &str) -> Result<EntityUid> {
    Ok(EntityUid::from_str(&format!("{kind}::\"{id}\""))?)
}

fn entities(case: Case, form: Form) -> Result<Entities> {
    let arn = RestrictedExpression::new_string(case.resource());
    let resource = Entity::new(
        uid("Resource", &case.resource())?,
        [("arn".to_owned(), arn)].into(),
        HashSet::new(),
    )?;
    let mut all = vec![
        resource,
        Entity::new_no_attrs(uid("User", USER_NAME)?, HashSet::new()),
    ];
    let (full_access, describe) = (uid("Action", "full-access")?, uid("Action", "describe")?);
    let mut add = |action: &str, group: &EntityUid| -> Result<()> {
        let parents = if form == Form::Groups {
            HashSet::from([group.clone()])
        } else {
            HashSet::new()
        };
        all.push(Entity::new_no_attrs(uid("Action", action)?, parents));
        Ok(())
    };
    for action in workload::full_access_actions()? {
        add(&action, &full_access)?;
    }
    for action in DESCRIBE_ACTIONS {
        add(action, &describe)?;
    }
    Ok(Entities::from_entities(all, None)?)
}

fn request(case: Case) -> Result<Request> {
    let string = |value: &str| RestrictedExpression::new_string(value.to_owned());
    let mut pairs = vec![("userArn".to_owned(), string(USER_ARN))];
    for (key, value) in workload::context_keys() {
        let value = match value.as_str() {
            "true" => RestrictedExpression::new_bool(true),
            text => string(text),
        };
        pairs.push((attribute(key).to_owned(), value));
    }
    Ok(Request::new(
        uid("User", USER_NAME)?,
        uid("Action", case.action())?,
        uid("Resource", &case.resource())?,
        Context::from_pairs(pairs)?,
        None,
    )?)
}
