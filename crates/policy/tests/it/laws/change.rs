//! Changes of policies that laws speak about.

use portcullis_policy::Kind;
use serde_json::{Map, Value as Json, json};

use crate::generate::{self, Dice, catalog};
use crate::naive::statement::action_is_listed;
use crate::naive::{Policies, Question};

/// Every statement replaced by some.
pub fn statements(policies: &Policies<Json>, with: impl Fn(Kind, &Json) -> Vec<Json>) -> Policies<Json> {
    policies.map(|policy, kind| {
        let statements = list(&policy["Statement"])
            .iter()
            .flat_map(|statement| with(kind, statement))
            .collect();
        let mut changed = policy.clone();
        changed["Statement"] = Json::Array(statements);
        changed
    })
}

fn list(value: &Json) -> Vec<Json> {
    match value {
        Json::Array(values) => values.clone(),
        single => vec![single.clone()],
    }
}

/// One more statement with this effect in one of the policies.
pub fn one_more(
    policies: &Policies<Json>,
    target: &Question,
    dice: &mut Dice,
    effect: &str,
) -> Policies<Json> {
    let mut count = 0;
    policies.map(|_, _| count += 1);
    let mut chosen = dice.below(count.max(1));
    policies.map(|policy, kind| {
        let mut more = list(&policy["Statement"]);
        if chosen == 0 {
            let mut others = list(&generate::policy(dice, kind, target, 0)["Statement"]);
            others
                .iter_mut()
                .for_each(|statement| statement["Effect"] = effect.into());
            more.extend(others);
        }
        chosen = chosen.wrapping_sub(1);
        let mut changed = policy.clone();
        changed["Statement"] = Json::Array(more);
        changed
    })
}

/// Everything in another order.
pub fn shuffled(policies: &Policies<Json>, dice: &mut Dice) -> Policies<Json> {
    let mut shuffled = policies.map(|policy, _| {
        let mut policy = policy.clone();
        shuffle_within(&mut policy, dice);
        policy
    });
    shuffled.identity.reverse();
    shuffled.session.iter_mut().for_each(|all| all.reverse());
    shuffled
        .scps
        .iter_mut()
        .chain(&mut shuffled.rcps)
        .for_each(|level| level.reverse());
    shuffled.scps.reverse();
    shuffled.rcps.reverse();
    shuffled
}

fn shuffle_within(value: &mut Json, dice: &mut Dice) {
    match value {
        Json::Array(items) => {
            shuffle(items, dice);
            items.iter_mut().for_each(|item| shuffle_within(item, dice));
        }
        Json::Object(members) => {
            let mut all: Vec<(String, Json)> = std::mem::take(members).into_iter().collect();
            shuffle(&mut all, dice);
            all.iter_mut()
                .for_each(|(_, member)| shuffle_within(member, dice));
            members.extend(all);
        }
        _ => {}
    }
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for end in (1..items.len()).rev() {
        items.swap(end, dice.below(end + 1));
    }
}

/// A statement for every action, resource and principal listed. Lists that exclude cannot be split.
pub fn split_lists(policies: &Policies<Json>) -> Policies<Json> {
    statements(policies, |_, statement| {
        let mut split = vec![statement.clone()];
        for element in ["Action", "Resource", "Principal"] {
            split = split
                .iter()
                .flat_map(|statement| split_element(statement, element))
                .collect();
        }
        split
    })
}

fn split_element(statement: &Json, element: &str) -> Vec<Json> {
    let one = |value: Json| {
        let mut one = statement.clone();
        one[element] = value;
        one
    };
    match statement.get(element) {
        None => vec![statement.clone()],
        Some(Json::Object(kinds)) => {
            let of_kind = |(kind, values): (&String, &Json)| -> Vec<Json> {
                list(values)
                    .into_iter()
                    .map(|value| one(json!({kind: value})))
                    .collect()
            };
            kinds.iter().flat_map(of_kind).collect()
        }
        Some(values) => list(values).into_iter().map(one).collect(),
    }
}

/// A policy for every statement, where a set may hold several.
pub fn split_policies(policies: &Policies<Json>) -> Policies<Json> {
    let split = |set: &[Json]| -> Vec<Json> {
        let of_policy = |policy: &Json| -> Vec<Json> {
            let one = |statement| {
                let mut one = policy.clone();
                one["Statement"] = statement;
                one
            };
            list(&policy["Statement"]).into_iter().map(one).collect()
        };
        set.iter().flat_map(of_policy).collect()
    };
    Policies {
        identity: split(&policies.identity),
        session: policies.session.as_deref().map(split),
        scps: policies.scps.iter().map(|level| split(level)).collect(),
        rcps: policies.rcps.iter().map(|level| split(level)).collect(),
        ..policies.clone()
    }
}

/// The policies with every condition block changed; `None` when no block was.
fn conditions(
    policies: &Policies<Json>,
    with: impl Fn(&Map<String, Json>) -> Vec<Map<String, Json>>,
) -> Option<Policies<Json>> {
    let changed = policies.map(|policy, _| {
        let split = |statement: &Json| -> Vec<Json> {
            let Some(Json::Object(block)) = statement.get("Condition") else {
                return vec![statement.clone()];
            };
            // Under 2008-10-17 nothing can be escaped (R6).
            if policy["Version"] != "2012-10-17" {
                return vec![statement.clone()];
            }
            let one = |block| {
                let mut one = statement.clone();
                one["Condition"] = Json::Object(block);
                one
            };
            with(block).into_iter().map(one).collect()
        };
        let mut changed = policy.clone();
        changed["Statement"] = list(&policy["Statement"]).iter().flat_map(split).collect();
        changed
    });
    (changed != *policies).then_some(changed)
}

/// StringEquals as StringLike of the escaped values, under every set operator and with IfExists.
pub fn string_equals_as_like(policies: &Policies<Json>) -> Option<Policies<Json>> {
    conditions(policies, |block| {
        let mut changed = Map::new();
        for (operator, keys) in block {
            let is_plain = !operator.contains("IgnoreCase") && operator.contains("String");
            let name = operator.replace("Equals", "Like");
            let escaped = is_plain.then(|| escape_keys(keys)).flatten();
            match escaped {
                Some(escaped) if operator.contains("Equals") && !block.contains_key(&name) => {
                    changed.insert(name, escaped)
                }
                _ => changed.insert(operator.clone(), keys.clone()),
            };
        }
        vec![changed]
    })
}

fn escape_keys(keys: &Json) -> Option<Json> {
    let escape_all = |values: &Json| -> Option<Json> {
        list(values)
            .iter()
            .map(|value| match value {
                Json::String(text) => Some(Json::String(escape(text)?)),
                other => Some(other.clone()),
            })
            .collect()
    };
    let keys = keys.as_object()?.iter();
    keys.map(|(key, values)| Some((key.clone(), escape_all(values)?)))
        .collect::<Option<Map<_, _>>>()
        .map(Json::Object)
}

/// `*` and `?` outside variables as `${*}` and `${?}` (R55); nothing for a text with an unfinished variable.
fn escape(text: &str) -> Option<String> {
    let escaped = |plain: &str| plain.replace('?', "${?}").replace('*', "${*}");
    let Some((before, rest)) = text.split_once("${") else {
        return Some(escaped(text));
    };
    let (variable, after) = rest.split_once('}')?;
    Some(format!("{}${{{variable}}}{}", escaped(before), escape(after)?))
}

/// The names of keys in another case, in conditions and in variables.
pub fn key_case(policies: &Policies<Json>, dice: &mut Dice) -> Option<Policies<Json>> {
    let swaps = dice.chance(50);
    let other = move |text: &str| -> String {
        let swap = |c: char| {
            if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        };
        if swaps {
            text.chars().map(swap).collect()
        } else {
            text.to_ascii_uppercase()
        }
    };
    conditions(policies, |block| {
        let keys = |keys: &Json| -> Json {
            let keys = keys.as_object().into_iter().flatten();
            Json::Object(keys.map(|(key, values)| (other(key), values.clone())).collect())
        };
        vec![
            block
                .iter()
                .map(|(operator, of)| (operator.clone(), keys(of)))
                .collect(),
        ]
    })
}

/// The actions in another case.
pub fn action_case(policies: &Policies<Json>, dice: &mut Dice) -> Option<Policies<Json>> {
    let upper = dice.chance(50);
    let other = |text: &str| {
        if upper {
            text.to_ascii_uppercase()
        } else {
            text.to_ascii_lowercase()
        }
    };
    let changed = statements(policies, |_, statement| {
        let mut changed = statement.clone();
        for element in ["Action", "NotAction"] {
            if let Some(patterns) = changed.get_mut(element) {
                let all = list(patterns);
                *patterns = all.iter().filter_map(Json::as_str).map(other).collect();
            }
        }
        vec![changed]
    });
    (changed != *policies).then_some(changed)
}

/// The first condition that may carry IfExists, as two statements: the key is missing, or the operator holds.
pub fn if_exists(policies: &Policies<Json>) -> Option<Policies<Json>> {
    conditions(policies, |block| {
        let first = block.iter().find_map(|(operator, keys)| {
            let base = operator.strip_suffix("IfExists")?;
            let (key, values) = keys.as_object()?.iter().next()?;
            // A condition without values never holds (R29); two blocks of one name cannot be.
            let is_clear = list(values).is_empty() || block.contains_key("Null") || block.contains_key(base);
            (!is_clear).then(|| (operator.clone(), base.to_owned(), key.clone(), values.clone()))
        });
        let Some((operator, base, key, values)) = first else {
            return vec![block.clone()];
        };
        let mut others = block.clone();
        if let Some(Json::Object(keys)) = others.get_mut(&operator) {
            keys.shift_remove(&key);
        }
        let (mut missing, mut evaluated) = (others.clone(), others);
        missing.insert("Null".to_owned(), json!({(key.as_str()): "true"}));
        evaluated.insert(base, json!({(key.as_str()): values}));
        vec![missing, evaluated]
    })
}

/// NotAction as the list of every action that is asked for and not excluded.
pub fn not_action_as_list(policies: &Policies<Json>) -> Option<Policies<Json>> {
    let changed = statements(policies, |_, statement| {
        let Some(excluded) = statement.get("NotAction") else {
            return vec![statement.clone()];
        };
        let others: Vec<Json> = catalog::actions()
            .filter(|action| !action_is_listed(excluded, action))
            // A list may not be empty (R12).
            .chain(["nobody:Asks"])
            .map(Json::from)
            .collect();
        let mut changed = statement.clone();
        if let Some(members) = changed.as_object_mut() {
            members.shift_remove("NotAction");
            members.insert("Action".to_owned(), others.into());
        }
        vec![changed]
    });
    (changed != *policies).then_some(changed)
}
