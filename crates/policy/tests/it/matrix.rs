//! The permission matrix of the mission's policies: every policy, every ECS action, the resources it could name. One page,
//! for reading: whoever changes a rule sees here what it does to real policies.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use portcullis_policy::{Context, Document, Kind, Outcome, PolicySets, Principal, Request, decide};
use portcullis_reference::{ActionId, service};

use crate::scene::{ACCOUNT, account, allow_all, parse, policy, service as of_service, source, user};

const REGION: &str = "us-east-1";
const TASK: &str = "1dc5c17a-422b-4dc4-b493-371970c6c4d6";
const INSTANCE: &str = "c9c9a6f2-8766-464b-8805-9c57b9368fb0";

const LEGEND: &str = "\
Who asks: user richard-roe, by one policy alone, in us-east-1 of account 111122223333.
    A allowed    . refused    D denied    - cannot be
Columns are what the policy's conditions look at; keys that an action does not have are absent for it (R112). Actions with the
same answers stand together; resources under `refused` are refused in every column. Actions under `allowed on everything` are
allowed on every resource of their types and in every column. What is not named is refused altogether.
TASK = 1dc5c17a-..., INSTANCE = c9c9a6f2-..., as the policies name them; resources are of us-east-1 unless marked.
";

/// A resource an action could be asked on.
#[derive(Clone)]
struct Example {
    arn: String,
    label: String,
    /// The cluster it lies in: then no other can be `ecs:cluster`.
    cluster: Option<&'static str>,
}

fn example(region: &str, owner: &str, resource: &str, cluster: Option<&'static str>) -> Example {
    let mut label = resource.replace(TASK, "TASK").replace(INSTANCE, "INSTANCE");
    if region != REGION {
        let _ = write!(label, " ({region})");
    }
    if owner != ACCOUNT {
        let _ = write!(label, " ({owner})");
    }
    Example {
        arn: format!("arn:aws:ecs:{region}:{owner}:{resource}"),
        label,
        cluster,
    }
}

/// Resources in and out of the scope of the mission's policies.
fn examples(resource_type: &str, arn_format: &str) -> Vec<Example> {
    let here = |resource: &str, cluster| example(REGION, ACCOUNT, resource, cluster);
    let (default, other) = (Some("default"), Some("other"));
    match resource_type {
        "cluster" => vec![
            here("cluster/default", None),
            here("cluster/other", None),
            here("cluster/my-cluster-1", None),
            here("cluster/my-cluster-2", None),
            example("us-west-2", ACCOUNT, "cluster/default", None),
            example(REGION, "444455556666", "cluster/default", None),
        ],
        "task-definition" => vec![
            here("task-definition/my-family:3", None),
            here("task-definition/my-family:4", None),
            here("task-definition/my-family:*", None),
            here("task-definition/my-family", None),
            here("task-definition/other:3", None),
            example("us-west-2", ACCOUNT, "task-definition/my-family:3", None),
        ],
        "task" => vec![
            here(&format!("task/default/{TASK}"), default),
            here("task/default/0", default),
            here("task/default/*", default),
            here(&format!("task/other/{TASK}"), other),
            here(&format!("task/{TASK}"), default),
        ],
        "container-instance" => vec![
            here(&format!("container-instance/default/{INSTANCE}"), default),
            here("container-instance/default/0", default),
            here("container-instance/default/*", default),
            here(&format!("container-instance/other/{INSTANCE}"), other),
            here(&format!("container-instance/{INSTANCE}"), default),
        ],
        "service" => vec![
            here("service/default/web", default),
            here("service/other/web", other),
            here("service/web", default),
        ],
        _ => vec![of_format(arn_format)],
    }
}

/// One resource of a type that no policy of the mission singles out.
fn of_format(arn_format: &str) -> Example {
    let resource = arn_format.splitn(6, ':').nth(5).unwrap();
    let mut text = resource.replace("${ClusterName}", "default");
    while let Some((before, rest)) = text.split_once("${") {
        let (name, after) = rest.split_once('}').unwrap();
        text = format!("{before}{}{after}", name.to_lowercase());
    }
    let cluster = resource.contains("${ClusterName}").then_some("default");
    example(REGION, ACCOUNT, &text, cluster)
}

/// A key that conditions look at, and the values it may have: label and value.
struct Dimension {
    key: &'static str,
    values: &'static [(&'static str, Option<&'static str>)],
}

const DIMENSIONS: [Dimension; 5] = [
    Dimension {
        key: "ecs:cluster",
        values: &[
            (
                "in default",
                Some("arn:aws:ecs:us-east-1:111122223333:cluster/default"),
            ),
            (
                "in other",
                Some("arn:aws:ecs:us-east-1:111122223333:cluster/other"),
            ),
        ],
    },
    Dimension {
        key: "aws:MultiFactorAuthPresent",
        values: &[
            ("MFA", Some("true")),
            ("no MFA", Some("false")),
            ("long-term key", None),
        ],
    },
    Dimension {
        key: "ecs:ResourceTag/Department",
        values: &[
            ("Department=Accounting", Some("Accounting")),
            ("=Finance", Some("Finance")),
            ("no tag", None),
        ],
    },
    Dimension {
        key: "ecs:ResourceTag/Owner",
        values: &[
            ("Owner=richard-roe", Some("richard-roe")),
            ("=jane", Some("jane")),
            ("no tag", None),
        ],
    },
    Dimension {
        key: "ecs:container-instances",
        values: &[
            (
                "on INSTANCE",
                Some(
                    "arn:aws:ecs:us-east-1:111122223333:container-instance/default/c9c9a6f2-8766-464b-8805-9c57b9368fb0",
                ),
            ),
            (
                "on INSTANCE, short ARN",
                Some(
                    "arn:aws:ecs:us-east-1:111122223333:container-instance/c9c9a6f2-8766-464b-8805-9c57b9368fb0",
                ),
            ),
            (
                "on another",
                Some("arn:aws:ecs:us-east-1:111122223333:container-instance/default/0"),
            ),
        ],
    },
];

/// One column: what the conditions find.
#[derive(Clone, Default)]
struct Variant {
    labels: Vec<&'static str>,
    values: Vec<(&'static str, Option<&'static str>)>,
}

/// Every combination of values of the keys a policy looks at.
fn variants(document: &Document) -> Vec<Variant> {
    let keys = document.context_keys();
    let mut variants = vec![Variant::default()];
    for dimension in DIMENSIONS.iter().filter(|known| keys.contains(&known.key)) {
        variants = variants
            .iter()
            .flat_map(|variant| {
                dimension.values.iter().map(|(label, value)| {
                    let mut longer = variant.clone();
                    longer.labels.push(label);
                    longer.values.push((dimension.key, *value));
                    longer
                })
            })
            .collect();
    }
    let unknown =
        |key: &&&str| !["aws:username"].contains(*key) && !DIMENSIONS.iter().any(|known| known.key == **key);
    let others: Vec<_> = keys
        .iter()
        .filter(unknown)
        .filter(|key| key.starts_with("ecs:"))
        .collect();
    assert!(others.is_empty(), "the matrix does not know {others:?}");
    variants
}

fn context_of(variant: &Variant) -> Context {
    let mut context = Context::new();
    context.insert("aws:username", "richard-roe");
    for (key, value) in &variant.values {
        let Some(value) = value else { continue };
        context.insert(*key, *value);
        if let Some(tag) = key.strip_prefix("ecs:ResourceTag/") {
            context.insert(format!("aws:ResourceTag/{tag}"), *value);
        }
    }
    context
}

/// Whether the resource lies in the cluster of the column.
fn can_be(example: &Example, variant: &Variant) -> bool {
    let of_variant = variant
        .values
        .iter()
        .find(|(key, _)| *key == "ecs:cluster")
        .and_then(|(_, value)| *value);
    match (example.cluster, of_variant) {
        (Some(own), Some(arn)) => arn.ends_with(&format!("/{own}")),
        _ => true,
    }
}

fn cell(document: &Document, action: &str, example: &Example, variant: &Variant) -> char {
    if !can_be(example, variant) {
        return '-';
    }
    let (principal, context) = (user(), context_of(variant));
    let request = Request {
        principal: &principal,
        action,
        resource: &example.arn,
        resource_account: None,
        context: &context,
    };
    let attached = [source("policy", document)];
    let sets = PolicySets {
        identity: &attached,
        ..PolicySets::default()
    };
    match decide(&request, &sets).outcome {
        Outcome::Allow => 'A',
        Outcome::ImplicitDeny => '.',
        Outcome::ExplicitDeny => 'D',
    }
}

/// The answers for one action: resource and one letter for each column.
type Answers = Vec<(String, String)>;

fn answers(document: &Document, action: ActionId, variants: &[Variant]) -> Answers {
    let mut resources: Vec<Example> = action
        .resource_types()
        .flat_map(|one| examples(one.resource_type.name(), one.resource_type.arn_format()))
        .collect();
    if resources.is_empty() {
        resources.push(Example {
            arn: "*".to_owned(),
            label: "*".to_owned(),
            cluster: None,
        });
    }
    let cells = |example: &Example| {
        let cells = variants
            .iter()
            .map(|variant| cell(document, &action.to_string(), example, variant));
        (example.label.clone(), cells.collect())
    };
    resources.iter().map(cells).collect()
}

fn is_refused(cells: &str) -> bool {
    cells.chars().all(|cell| matches!(cell, '.' | '-'))
}

fn is_allowed(cells: &str) -> bool {
    cells.chars().all(|cell| matches!(cell, 'A' | '-'))
}

/// A list of words over several lines.
fn wrapped(indent: &str, words: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for (n, word) in words.iter().enumerate() {
        let comma = if n + 1 < words.len() { "," } else { "" };
        let line = lines.last_mut().unwrap();
        if !line.is_empty() && line.len() + word.len() > 108 {
            lines.push(format!("{word}{comma}"));
        } else {
            let space = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{space}{word}{comma}");
        }
    }
    lines.iter().map(|line| format!("{indent}{line}\n")).collect()
}

fn section(page: &mut String, document: &Document) {
    let variants = variants(document);
    let mut groups: BTreeMap<Answers, Vec<&'static str>> = BTreeMap::new();
    let (mut everywhere, mut nowhere) = (Vec::new(), 0);
    for action in service("ecs").unwrap().actions() {
        let answers = answers(document, action, &variants);
        let all = |is: fn(&str) -> bool| answers.iter().all(|(_, cells)| is(cells));
        if all(is_refused) {
            nowhere += 1;
        } else if all(is_allowed) {
            everywhere.push(action.name());
        } else {
            groups.entry(answers).or_default().push(action.name());
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, actions)| actions[0]);
    if variants.len() > 1 {
        for (n, variant) in variants.iter().enumerate() {
            let _ = writeln!(page, "  column {}: {}", n + 1, variant.labels.join(", "));
        }
    }
    for (answers, actions) in &groups {
        page.push_str(&wrapped("  ", actions));
        print_answers(page, answers);
    }
    if !everywhere.is_empty() {
        page.push_str("  allowed on everything:\n");
        page.push_str(&wrapped("      ", &everywhere));
    }
    let _ = writeln!(page, "  refused on everything: {nowhere} actions");
}

/// Resources with the same answers in one row; those that are always refused last.
fn print_answers(page: &mut String, answers: &Answers) {
    let mut rows: Vec<(&str, Vec<&str>)> = Vec::new();
    for (label, cells) in answers {
        let shown = if is_refused(cells) { "" } else { cells };
        match rows.iter_mut().find(|(known, _)| *known == shown) {
            Some((_, labels)) => labels.push(label),
            None => rows.push((shown, vec![label])),
        }
    }
    rows.sort_by_key(|(cells, _)| cells.is_empty());
    for (cells, labels) in rows {
        let indent = if cells.is_empty() {
            "      refused: ".to_owned()
        } else {
            format!("      {cells}  ")
        };
        let list = wrapped("", &labels);
        for (n, line) in list.lines().enumerate() {
            let lead = if n == 0 {
                indent.clone()
            } else {
                " ".repeat(indent.len())
            };
            let _ = writeln!(page, "{lead}{line}");
        }
    }
}

/// A trust policy speaks of callers, not of resources.
fn trust_section(page: &mut String, trust: &Document) {
    let everything = parse(&policy(allow_all()), Kind::Identity);
    let role = "arn:aws:iam::111122223333:role/task";
    let federated = Principal::Federated {
        provider: "accounts.google.com".to_owned(),
    };
    let root = Principal::Root {
        account: account(ACCOUNT),
    };
    let callers = [
        (
            "service ecs-tasks.amazonaws.com",
            of_service("ecs-tasks.amazonaws.com"),
        ),
        ("service ecs.amazonaws.com", of_service("ecs.amazonaws.com")),
        ("service ec2.amazonaws.com", of_service("ec2.amazonaws.com")),
        ("user richard-roe, who may do everything", user()),
        ("root", root),
        ("somebody of accounts.google.com", federated),
        ("nobody", Principal::Anonymous),
    ];
    for (label, principal) in callers {
        let cells: String = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
            .into_iter()
            .map(|action| {
                let context = Context::new();
                let request = Request {
                    principal: &principal,
                    action,
                    resource: role,
                    resource_account: None,
                    context: &context,
                };
                let attached = [source("everything", &everything)];
                let sets = PolicySets {
                    identity: &attached,
                    resource: Some(source("trust policy", trust)),
                    ..PolicySets::default()
                };
                if decide(&request, &sets).is_allowed() {
                    'A'
                } else {
                    '.'
                }
            })
            .collect();
        let _ = writeln!(page, "      {cells}  {label}");
    }
}

#[test]
fn the_permission_matrix_of_the_missions_policies() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let entries = std::fs::read_dir(&directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    // The mission's policies are numbered; what else lies there belongs to other tests.
    names.retain(|name| name.ends_with(".json") && name.starts_with(|c: char| c.is_ascii_digit()));
    names.sort();
    let mut page = LEGEND.to_owned();
    for name in names {
        let text = std::fs::read_to_string(directory.join(&name)).unwrap();
        let _ = writeln!(page, "\n{name}");
        if name.starts_with("19-") {
            page.push_str("  AssumeRole, TagSession, SetSourceIdentity (in this order)\n");
            trust_section(&mut page, &Document::parse(&text, Kind::Trust).unwrap());
        } else {
            section(&mut page, &Document::parse(&text, Kind::Identity).unwrap());
        }
    }
    insta::assert_snapshot!(page);
}
