//! Is there a resource that some patterns match and others do not, and that the action can be about?

use std::sync::Arc;

use portcullis_policy::Statement;
use portcullis_policy::syntax::{Glob, Token};
use portcullis_reference::{ActionId, ResourceTypeId};

use crate::effort::Effort;
use crate::keys::within_fields;
use crate::text::{Demand, Found, find, find_readable, pattern};

/// What a request's resource can be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Whether it can be `*` (R39).
    pub(crate) star: bool,
    /// Whether it can be any text but `*`, not only an ARN of one of the types.
    pub(crate) any: bool,
    /// The types it can be of.
    pub(crate) types: Vec<ResourceTypeId>,
    /// The partitions it can be in.
    pub(crate) partitions: Arc<[String]>,
}

impl Shape {
    /// What the reference says an action is about: `*` where no type is required.
    pub(crate) fn of(action: ActionId, any: bool, partitions: &Arc<[String]>) -> Self {
        let types = || action.resource_types();
        Self {
            star: any || types().all(|one| !one.required),
            any,
            types: types().map(|one| one.resource_type).collect(),
            partitions: partitions.clone(),
        }
    }

    /// What an action that nobody knows is about.
    pub(crate) fn unknown() -> Self {
        Self {
            star: true,
            any: true,
            types: Vec::new(),
            partitions: Arc::from([]),
        }
    }
}

/// The partitions that ARNs in statements name; a policy that names none is one of the usual partition's.
pub(crate) fn partitions(statements: &[&Statement]) -> Arc<[String]> {
    let in_resources = |statement: &Statement| {
        let patterns = statement.resource.iter().flat_map(|list| &list.patterns);
        patterns.map(|pattern| pattern.text.clone()).collect::<Vec<_>>()
    };
    let in_conditions = |statement: &Statement| {
        let values = statement
            .conditions
            .iter()
            .flat_map(|condition| &condition.values);
        values.map(|value| value.text.clone()).collect::<Vec<_>>()
    };
    let texts = statements.iter().flat_map(|statement| {
        in_resources(statement)
            .into_iter()
            .chain(in_conditions(statement))
    });
    let mut found: Vec<String> = texts
        .filter_map(|text| text.strip_prefix("arn:")?.split(':').next().map(str::to_owned))
        .filter(|name| !name.is_empty() && !name.contains(['*', '?', '$']))
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(USUAL_PARTITION.to_owned());
    }
    Arc::from(found)
}

const USUAL_PARTITION: &str = "aws";

/// A set of resource patterns: met by a resource that one of them matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceAtom {
    pub(crate) globs: Vec<Glob>,
}

/// A set of patterns and whether one of them shall match.
pub(crate) type Wanted<'a> = (&'a ResourceAtom, bool);

/// Whether there is a resource, for shapes that can be anything; quicker than to find a likely one.
pub(crate) fn exists(shape: &Shape, wanted: &[Wanted<'_>], effort: &Effort) -> Found<String> {
    if !shape.any {
        return solve(shape, wanted, effort);
    }
    let untyped = Shape {
        types: Vec::new(),
        ..shape.clone()
    };
    solve(&untyped, wanted, effort)
}

/// Finds a resource. ARNs of the action's types are preferred, in the usual partition, Region and account; `*` is the last
/// choice where there is one.
pub(crate) fn solve(shape: &Shape, wanted: &[Wanted<'_>], effort: &Effort) -> Found<String> {
    // R41: only `*` itself matches the resource `*`, and that pattern is no atom.
    let star = || {
        if shape.star && wanted.iter().all(|(_, matches)| !matches) {
            Found::Yes("*".to_owned())
        } else {
            Found::No
        }
    };
    let typed = shape.types.iter().fold(Found::No, |found, resource_type| {
        found.or_else(|| of_type(*resource_type, &shape.partitions, wanted, effort))
    });
    typed.or_else(star).or_else(|| {
        if shape.any {
            any_text(wanted, effort)
        } else {
            Found::No
        }
    })
}

fn demands<'a>(wanted: &[Wanted<'a>]) -> Vec<Demand<'a>> {
    let demand = |(atom, any): &Wanted<'a>| Demand {
        globs: &atom.globs,
        any: *any,
    };
    wanted.iter().map(demand).collect()
}

/// Whatever could be a resource, the likeliest first.
fn any_text(wanted: &[Wanted<'_>], effort: &Effort) -> Found<String> {
    let star = [pattern_of_star()];
    let mut all = demands(wanted);
    all.push(Demand::none_of(&star));
    let found = find(&all, effort);
    if !matches!(found, Found::Yes(_)) {
        return found;
    }
    let fields = [
        "arn:aws:?*:us-east-1:123456789012:?*",
        "arn:aws:?*:?*:?*:?*",
        "arn:aws:?*:::?*",
        "arn:*:*:*:*:*",
    ];
    let likely: Vec<Glob> = fields
        .iter()
        .filter_map(|text| within_fields(&pattern(text)))
        .collect();
    let likelier = |shape: &Glob| {
        let mut all = all.clone();
        all.push(Demand::one_of(std::slice::from_ref(shape)));
        match find_readable(&all, effort) {
            Found::Yes(text) => Some(text),
            Found::No | Found::Unknown(_) => None,
        }
    };
    likely.iter().find_map(likelier).map_or(found, Found::Yes)
}

fn pattern_of_star() -> Glob {
    Glob::from_tokens(vec![Token::Char('*')])
}

/// An ARN of a type, in the usual place if there is one.
fn of_type(
    resource_type: ResourceTypeId,
    partitions: &[String],
    wanted: &[Wanted<'_>],
    effort: &Effort,
) -> Found<String> {
    let unlike = not_of_type(resource_type);
    let globs = |usual: Usual| -> Vec<Glob> {
        partitions
            .iter()
            .map(|partition| format_glob(resource_type.arn_format(), partition, usual))
            .collect()
    };
    let general = globs(Usual::default());
    let mut base = demands(wanted);
    base.push(Demand::none_of(&unlike));
    let mut all = base.clone();
    all.push(Demand::one_of(&general));
    let found = find(&all, effort);
    if !matches!(found, Found::Yes(_)) {
        return found;
    }
    for usual in Usual::PREFERENCES {
        let likely = globs(usual);
        let mut all = base.clone();
        all.push(Demand::one_of(&likely));
        if let better @ Found::Yes(_) = find_readable(&all, effort) {
            return better;
        }
    }
    found
}

/// Which placeholders get their usual value.
#[derive(Debug, Clone, Copy, Default)]
struct Usual {
    region: bool,
    account: bool,
    name: bool,
    number: bool,
}

impl Usual {
    const PREFERENCES: [Self; 9] = [
        Self::new(true, true, true, true),
        Self::new(true, true, false, true),
        Self::new(true, true, false, false),
        Self::new(false, true, true, true),
        Self::new(false, true, false, true),
        Self::new(false, true, false, false),
        Self::new(false, false, true, true),
        Self::new(false, false, false, true),
        Self::new(false, false, false, false),
    ];

    const fn new(region: bool, account: bool, name: bool, number: bool) -> Self {
        Self {
            region,
            account,
            name,
            number,
        }
    }

    fn value(self, placeholder: &str, in_fields: bool) -> Option<&'static str> {
        match placeholder {
            "Region" if self.region => Some("us-east-1"),
            "Account" if self.account => Some("123456789012"),
            "Region" | "Account" => None,
            name if !in_fields && is_number(name) => self.number.then_some("1"),
            _ => (self.name && !in_fields).then_some("example"),
        }
    }
}

/// Whether a placeholder stands for a number or an alias in its place.
fn is_number(placeholder: &str) -> bool {
    ["Number", "Revision", "Version", "Alias"]
        .iter()
        .any(|end| placeholder.ends_with(end))
}

/// The ARNs of a format: every placeholder, and every `*`, is some text that is not empty. It holds no colon in the first
/// five fields, and behind them none where a colon follows (`${Family}:${RevisionNumber}`) or where it is a number.
fn format_glob(format: &str, partition: &str, usual: Usual) -> Glob {
    let mut tokens = Vec::new();
    let mut colons = 0;
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        let in_fields = colons < 5;
        let placeholder = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'));
        match placeholder {
            Some(("Partition", after)) => {
                tokens.extend(partition.chars().map(Token::Char));
                rest = after;
            }
            Some((name, after)) => {
                match usual.value(name, in_fields) {
                    Some(text) => tokens.extend(text.chars().map(Token::Char)),
                    None => tokens.extend(some_run(in_fields || after.contains(':') || is_number(name))),
                }
                rest = after;
            }
            None => {
                rest = rest.strip_prefix(c).unwrap_or_default();
                colons += usize::from(c == ':');
                match c {
                    '*' if usual.name && !in_fields => tokens.extend("example".chars().map(Token::Char)),
                    '*' => tokens.extend(some_run(in_fields)),
                    c => tokens.push(Token::Char(c)),
                }
            }
        }
    }
    Glob::from_tokens(tokens)
}

fn some_run(within_colons: bool) -> [Token; 2] {
    if within_colons {
        [Token::OneInField, Token::ManyInField]
    } else {
        [Token::One, Token::Many]
    }
}

/// What the format alone would take for an ARN of the type: an S3 object looks like a bucket with a long name.
fn not_of_type(resource_type: ResourceTypeId) -> Vec<Glob> {
    if resource_type.service().prefix() == "s3" && resource_type.name() == "bucket" {
        vec![pattern("*/*")]
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(patterns: &[&str]) -> ResourceAtom {
        ResourceAtom {
            globs: patterns.iter().map(|text| pattern(text)).collect(),
        }
    }

    fn solved(action: &str, one_of: &[&str], none_of: &[&str]) -> Found<String> {
        let partitions = Arc::from(["aws".to_owned()]);
        let shape = Shape::of(portcullis_reference::action(action).unwrap(), false, &partitions);
        solve(
            &shape,
            &[(&atom(one_of), true), (&atom(none_of), false)],
            &Effort::new(1_000_000),
        )
    }

    #[test]
    fn resources_look_like_those_of_the_action() {
        let check = |action, one_of, none_of, expected: &str| {
            assert_eq!(
                solved(action, one_of, none_of),
                Found::Yes(expected.to_owned()),
                "{action}"
            );
        };
        check(
            "ecs:StopTask",
            &["*"],
            &["-"],
            "arn:aws:ecs:us-east-1:123456789012:task/example/example",
        );
        check(
            "ecs:StopTask",
            &["arn:aws:ecs:eu-west-1:*"],
            &["*:task/example/*"],
            "arn:aws:ecs:eu-west-1:123456789012:task/x/x",
        );
        assert_eq!(
            solved(
                "ecs:StopTask",
                &["arn:aws:ecs:us-east-1:1:task-definition/*"],
                &["-"]
            ),
            Found::No
        );
        assert_eq!(solved("ecs:ListClusters", &["*"], &["-"]), Found::No);
    }
}
