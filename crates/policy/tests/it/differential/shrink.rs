//! The smallest case that still shows a difference.

use portcullis_policy::Value;
use serde_json::Value as Json;

use crate::naive::{Policies, Question};

/// A question and the policies it is asked of.
#[derive(Debug, Clone)]
pub struct Case {
    pub policies: Policies<Json>,
    pub question: Question,
}

/// Removes whatever can go while `fails` still holds.
pub fn shrink(mut case: Case, fails: impl Fn(&Case) -> bool) -> Case {
    while let Some(smaller) = smaller(&case).into_iter().find(&fails) {
        case = smaller;
    }
    case
}

/// Every case with one thing less.
fn smaller(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    let policies = &case.policies;
    let mut with = |policies: Policies<Json>| {
        found.push(Case {
            policies,
            question: case.question.clone(),
        });
    };
    for (at, _) in policies.scps.iter().enumerate() {
        let mut fewer = policies.clone();
        fewer.scps.remove(at);
        with(fewer);
    }
    for (at, _) in policies.rcps.iter().enumerate() {
        let mut fewer = policies.clone();
        fewer.rcps.remove(at);
        with(fewer);
    }
    with(Policies {
        boundary: None,
        ..policies.clone()
    });
    with(Policies {
        session: None,
        ..policies.clone()
    });
    with(Policies {
        resource: None,
        ..policies.clone()
    });
    with(Policies {
        endpoint: None,
        ..policies.clone()
    });
    for smaller in smaller_policies(policies) {
        with(smaller);
    }
    found.extend(
        smaller_questions(&case.question)
            .into_iter()
            .map(|question| Case {
                policies: policies.clone(),
                question,
            }),
    );
    found.retain(|smaller| smaller.policies != case.policies || smaller.question != case.question);
    found
}

/// The sets with one policy made smaller or removed.
fn smaller_policies(policies: &Policies<Json>) -> Vec<Policies<Json>> {
    let mut count = 0;
    policies.map(|_, _| count += 1);
    let mut found = Vec::new();
    for target in 0..count {
        let mut texts = Vec::new();
        policies.map(|policy, _| texts.push(policy.clone()));
        for smaller in smaller_policy(&texts[target]) {
            let mut at = 0;
            found.push(policies.map(|policy, _| {
                at += 1;
                if at - 1 == target {
                    smaller.clone()
                } else {
                    policy.clone()
                }
            }));
        }
    }
    for at in 0..policies.identity.len() {
        let mut fewer = policies.clone();
        fewer.identity.remove(at);
        found.push(fewer);
    }
    found
}

/// A policy with something less. Of many statements parts go first: all that could go one by one would fill the memory.
fn smaller_policy(policy: &Json) -> Vec<Json> {
    let statements = policy["Statement"].as_array().map_or(&[][..], Vec::as_slice);
    if statements.len() <= 8 {
        return smaller_values(policy);
    }
    let sizes = [2, 4, 8]
        .map(|part| statements.len().div_ceil(part))
        .into_iter()
        .chain([1]);
    let without_part = |size: usize| {
        (0..statements.len()).step_by(size).map(move |start| {
            let mut fewer = statements.to_vec();
            fewer.drain(start..(start + size).min(statements.len()));
            let mut changed = policy.clone();
            changed["Statement"] = Json::Array(fewer);
            changed
        })
    };
    let few = statements.len() <= 64;
    sizes
        .filter(|size| few || *size > 1)
        .flat_map(without_part)
        .collect()
}

/// A JSON value with one member or item less, at any depth, or a list of one as its item.
fn smaller_values(value: &Json) -> Vec<Json> {
    let mut found = Vec::new();
    match value {
        Json::Array(items) => {
            if let [only] = items.as_slice() {
                found.push(only.clone());
            }
            for (at, item) in items.iter().enumerate() {
                let mut fewer = items.clone();
                fewer.remove(at);
                found.push(Json::Array(fewer));
                for smaller in smaller_values(item) {
                    let mut changed = items.clone();
                    changed[at] = smaller;
                    found.push(Json::Array(changed));
                }
            }
        }
        Json::Object(members) => {
            for (name, member) in members {
                let mut fewer = members.clone();
                fewer.shift_remove(name);
                found.push(Json::Object(fewer));
                for smaller in smaller_values(member) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), smaller);
                    found.push(Json::Object(changed));
                }
            }
        }
        _ => {}
    }
    found
}

fn smaller_questions(question: &Question) -> Vec<Question> {
    let mut found = Vec::new();
    for (key, value) in question.context.iter() {
        let mut fewer = question.clone();
        fewer.context.remove(key);
        found.push(fewer);
        if let Value::Many(values) = value
            && values.len() > 1
        {
            let mut fewer = question.clone();
            fewer.context.insert(key.to_owned(), values[1..].to_vec());
            found.push(fewer);
        }
    }
    found.push(Question {
        owner: None,
        ..question.clone()
    });
    found
}
