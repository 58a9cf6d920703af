//! Expressions made as trees, decided by a plain model, written as text and read again.

use proptest::prelude::{Just, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::{BoxedStrategy, Strategy};

use super::super::*;
use super::Instance;

/// An expression as a tree; comparisons know their answer by a rule of their own.
#[derive(Debug, Clone)]
enum Tree {
    Any(Vec<Tree>),
    All(Vec<Tree>),
    Not(Box<Tree>),
    Compare(Compare),
}

#[derive(Debug, Clone)]
enum Compare {
    /// Name of the attribute, operator with its words, values.
    Attribute(&'static str, Text, Vec<&'static str>),
    Group(Text, Vec<&'static str>),
    Ec2Id(Text, Vec<&'static str>),
    Connected(Text, bool),
    Running(&'static str, i64),
    Version(&'static str, [u8; 3]),
    /// Days after the first of January 2018, and whether the time is written too.
    Registered(&'static str, i64, bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Is(&'static str, bool),
    In(&'static str, bool),
    Matches(&'static str, bool),
    Exists(&'static str, bool),
}

const NAMES: [&str; 3] = ["stack", "ecs.instance-type", "absent"];
const VALUES: [&str; 5] = ["blue", "t2.small", "t2", "prod blue", "service:web"];
const IS: [Text; 4] = [
    Text::Is("==", true),
    Text::Is("equals", true),
    Text::Is("!=", false),
    Text::Is("not_equals", false),
];
const IN: [Text; 3] = [
    Text::In("in", true),
    Text::In("!in", false),
    Text::In("not_in", false),
];
const MATCHES: [Text; 4] = [
    Text::Matches("=~", true),
    Text::Matches("matches", true),
    Text::Matches("!~", false),
    Text::Matches("not_matches", false),
];
const EXISTS: [Text; 3] = [
    Text::Exists("exists", true),
    Text::Exists("!exists", false),
    Text::Exists("not_exists", false),
];
const ORDERS: [&str; 12] = [
    "==",
    "equals",
    "!=",
    "not_equals",
    ">",
    "greater_than",
    ">=",
    "greater_than_equal",
    "<",
    "less_than",
    "<=",
    "less_than_equal",
];

fn holds(order: &str, ordering: std::cmp::Ordering) -> bool {
    match order {
        "==" | "equals" => ordering.is_eq(),
        "!=" | "not_equals" => ordering.is_ne(),
        ">" | "greater_than" => ordering.is_gt(),
        ">=" | "greater_than_equal" => ordering.is_ge(),
        "<" | "less_than" => ordering.is_lt(),
        _ => ordering.is_le(),
    }
}

impl Text {
    /// By the rule that a negative operator is the opposite of the positive one, for absent values too. Patterns here
    /// are values with `.*` behind.
    fn decide(self, found: &[&str], values: &[&str]) -> bool {
        let first = values.first().copied().unwrap_or_default();
        match self {
            Self::Is(_, yes) => found.contains(&first) == yes,
            Self::In(_, yes) => found.iter().any(|one| values.contains(one)) == yes,
            Self::Matches(_, yes) => found.iter().any(|one| one.starts_with(first)) == yes,
            Self::Exists(_, yes) => found.is_empty() != yes,
        }
    }

    fn write(self, values: &[&str]) -> String {
        let quoted = |value: &&str| format!("'{value}'");
        match self {
            Self::Is(word, _) => format!("{word} '{}'", values.first().copied().unwrap_or_default()),
            Self::In(word, _) => {
                let list: Vec<_> = values.iter().map(quoted).collect();
                format!("{word} [{}]", list.join(", "))
            }
            Self::Matches(word, _) => {
                format!(
                    "{word} '{}.*'",
                    values.first().copied().unwrap_or_default().replace('.', r"\.")
                )
            }
            Self::Exists(word, _) => word.to_owned(),
        }
    }
}

impl Tree {
    fn decide(&self, instance: &Instance) -> bool {
        match self {
            Self::Any(trees) => trees.iter().any(|one| one.decide(instance)),
            Self::All(trees) => trees.iter().all(|one| one.decide(instance)),
            Self::Not(tree) => !tree.decide(instance),
            Self::Compare(compare) => compare.decide(instance),
        }
    }

    fn write(&self, style: usize) -> String {
        let join = |trees: &[Self], words: [&str; 2]| {
            let word = words[style % 2];
            let parts: Vec<_> = trees.iter().map(|one| one.write(style + 1)).collect();
            format!("({})", parts.join(&format!(" {word} ")))
        };
        match self {
            Self::Any(trees) => join(trees, ["||", "or"]),
            Self::All(trees) => join(trees, ["and", "&&"]),
            Self::Not(tree) => format!("{}({})", ["!", "not"][style % 2], tree.write(style + 1)),
            Self::Compare(compare) => compare.write(),
        }
    }
}

impl Compare {
    fn decide(&self, instance: &Instance) -> bool {
        match self {
            Self::Attribute(name, text, values) => {
                let found: Vec<_> = instance.attribute(name).into_iter().collect();
                text.decide(&found, values)
            }
            Self::Group(text, values) => text.decide(instance.groups, values),
            Self::Ec2Id(text, values) => text.decide(&[instance.ec2.unwrap_or_default()], values),
            Self::Connected(text, value) => {
                text.decide(&[&instance.connected.to_string()], &[&value.to_string()])
            }
            Self::Running(order, value) => holds(order, instance.running.cmp(value)),
            Self::Version(order, value) => holds(order, [1_u8, 14, 4].cmp(value)),
            Self::Registered(order, days, _) => holds(order, 42_i64.cmp(days)),
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Attribute(name, text, values) => format!("attribute:{name} {}", text.write(values)),
            Self::Group(text, values) => format!("task:group {}", text.write(values)),
            Self::Ec2Id(text, values) => format!("ec2InstanceId {}", text.write(values)),
            Self::Connected(text, value) => {
                format!("agentConnected {}", text.write(&[&value.to_string()]))
            }
            Self::Running(order, value) => format!("runningTasksCount {order} {value}"),
            Self::Version(order, [a, b, c]) => format!("agentVersion {order} {a}.{b}.{c}"),
            Self::Registered(order, days, with_time) => {
                let first: Timestamp = "2018-01-01T00:00:00Z".parse().unwrap();
                let at = first.plus_seconds(days * 86_400).to_string();
                let day = at.split('T').next().unwrap();
                let text = if *with_time {
                    format!("{day}T00:00:00+00:00")
                } else {
                    day.to_owned()
                };
                format!("registeredAt {order} {text}")
            }
        }
    }
}

fn compares() -> impl Strategy<Value = Compare> {
    let text = |sets: Vec<Text>| prop::sample::select(sets);
    let common = || text([&IS[..], &IN, &MATCHES].concat());
    let values = || prop::collection::vec(prop::sample::select(&VALUES[..]), 1..4);
    let order = || prop::sample::select(&ORDERS[..]);
    let all = text([&IS[..], &IN, &MATCHES, &EXISTS].concat());
    prop_oneof![
        (prop::sample::select(&NAMES[..]), all, values()).prop_map(|(a, b, c)| Compare::Attribute(a, b, c)),
        (common(), values()).prop_map(|(a, b)| Compare::Group(a, b)),
        (common(), values()).prop_map(|(a, b)| Compare::Ec2Id(a, b)),
        (text(IS.to_vec()), any::<bool>()).prop_map(|(a, b)| Compare::Connected(a, b)),
        (order(), -1..4_i64).prop_map(|(a, b)| Compare::Running(a, b)),
        (order(), [0..3_u8, 13..16, 3..6]).prop_map(|(a, b)| Compare::Version(a, b)),
        (order(), 40..45_i64, any::<bool>()).prop_map(|(a, b, c)| Compare::Registered(a, b, c)),
    ]
}

fn trees() -> BoxedStrategy<Tree> {
    let leaf = compares().prop_map(Tree::Compare);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            list.clone().prop_map(Tree::Any),
            list.prop_map(Tree::All),
            inner.prop_map(|one| Tree::Not(Box::new(one))),
        ]
    })
    .boxed()
}

fn instances() -> impl Strategy<Value = Instance> {
    let attributes: [&'static [(&'static str, &'static str)]; 3] = [
        &[],
        &[("stack", "blue"), ("ecs.instance-type", "t2.small")],
        &[("stack", "prod blue")],
    ];
    let groups: [&'static [&'static str]; 3] = [&[], &["service:web"], &["blue", "t2"]];
    (
        any::<bool>(),
        0..3_i64,
        prop::sample::select(attributes.to_vec()),
        prop::sample::select(groups.to_vec()),
        prop_oneof![Just(Some("t2")), Just(Some("i-1"))],
    )
        .prop_map(|(connected, running, attributes, groups, ec2)| Instance {
            connected,
            version: "1.14.4",
            ec2,
            registered: "2018-02-12T00:00:00Z",
            running,
            attributes,
            groups,
        })
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.connected, self.attributes, self.groups)
    }
}

proptest! {
    #[test]
    fn what_is_written_decides_as_the_tree_it_was_written_from(
        tree in trees(),
        instance in instances(),
        style in 0..2_usize,
    ) {
        let text = tree.write(style);
        if text.chars().count() <= EXPRESSION_CHARS_MAX {
            let expression = Expression::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            prop_assert_eq!(expression.matches(&instance), tree.decide(&instance), "{}", text);
        }
    }
}
