//! A policy taken apart so that it can be changed and written again.

use portcullis_policy::json::{self, Json, Node};
use portcullis_policy::{Document, Kind, Malformed};
use thiserror::Error;

use crate::rewrite::layout::{Out, members};

/// Why a policy cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RewriteError {
    /// IAM would refuse it.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// No statement would be left.
    #[error("no action of the policy is known: nothing would be left of it")]
    NothingLeft,
}

/// Members of a statement in their usual order.
const STATEMENT_ORDER: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// A policy's members; what they hold is kept as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    kind: Kind,
    /// Version and Id.
    head: Vec<(String, Out)>,
    pub(super) statements: Vec<DraftStatement>,
}

/// A statement's elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftStatement {
    /// Sid and Effect.
    pub(super) head: Vec<(String, Out)>,
    /// Principal, Action, Resource or their opposites: name, and the one key `AWS`, `Service` ... of a principal.
    pub(super) lists: Vec<List>,
    /// Operator, key and values.
    pub(super) conditions: Vec<(String, String, Vec<Out>)>,
    /// Operators without keys, which impose nothing but are kept.
    empty_operators: Vec<String>,
}

/// The values of one element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// `Action`, `NotResource`, ...
    pub(super) element: String,
    /// In a principal the key the values stand under.
    pub(super) key: Option<String>,
    pub(super) values: Vec<Out>,
}

impl Draft {
    /// Reads a policy that IAM would take.
    pub(super) fn read(text: &str, kind: Kind) -> Result<Self, RewriteError> {
        Document::parse(text, kind)?;
        let root = json::parse(text).map_err(|_| Malformed::Syntax)?;
        let mut draft = Self {
            kind,
            head: Vec::new(),
            statements: Vec::new(),
        };
        for name in ["Version", "Id"] {
            let found = members(&root).iter().find(|member| member.key == name);
            draft
                .head
                .extend(found.map(|member| (name.to_owned(), Out::of(&member.node))));
        }
        let statements = members(&root).iter().find(|member| member.key == "Statement");
        if let Some(member) = statements {
            draft.statements = match &member.node.value {
                Json::Array(items) => items.iter().map(DraftStatement::of).collect(),
                _ => vec![DraftStatement::of(&member.node)],
            };
        }
        Ok(draft)
    }

    /// The policy as text.
    pub(super) fn print(&self) -> String {
        let statements = self.statements.iter().map(DraftStatement::out).collect();
        let mut all = self.head.clone();
        all.push(("Statement".to_owned(), Out::Array(statements)));
        Out::Object(all).print()
    }

    /// The policy parsed; `None` when IAM would not take it.
    pub(super) fn document(&self) -> Option<Document> {
        Document::parse(&self.print(), self.kind).ok()
    }
}

impl DraftStatement {
    fn of(node: &Node) -> Self {
        let mut statement = Self {
            head: Vec::new(),
            lists: Vec::new(),
            conditions: Vec::new(),
            empty_operators: Vec::new(),
        };
        for name in STATEMENT_ORDER {
            let Some(member) = members(node).iter().find(|member| member.key == name) else {
                continue;
            };
            match name {
                "Sid" | "Effect" => statement.head.push((name.to_owned(), Out::of(&member.node))),
                "Condition" => statement.read_conditions(&member.node),
                _ => statement.read_lists(name, &member.node),
            }
        }
        statement
    }

    fn read_lists(&mut self, element: &str, node: &Node) {
        let list = |key: Option<&str>, node: &Node| List {
            element: element.to_owned(),
            key: key.map(str::to_owned),
            values: values(node),
        };
        match &node.value {
            Json::Object(keys) => self
                .lists
                .extend(keys.iter().map(|member| list(Some(&member.key), &member.node))),
            _ => self.lists.push(list(None, node)),
        }
    }

    fn read_conditions(&mut self, node: &Node) {
        for block in members(node) {
            if members(&block.node).is_empty() {
                self.empty_operators.push(block.key.clone());
            }
            for member in members(&block.node) {
                self.conditions
                    .push((block.key.clone(), member.key.clone(), values(&member.node)));
            }
        }
    }

    fn out(&self) -> Out {
        let mut all = self.head.clone();
        for list in &self.lists {
            match &list.key {
                None => all.push((list.element.clone(), one_or_many(&list.values))),
                Some(key) => push_into(&mut all, &list.element, key, one_or_many(&list.values)),
            }
        }
        if !self.conditions.is_empty() || !self.empty_operators.is_empty() {
            let mut blocks: Vec<(String, Out)> = Vec::new();
            for (operator, key, values) in &self.conditions {
                push_into(&mut blocks, operator, key, one_or_many(values));
            }
            for operator in &self.empty_operators {
                blocks.push((operator.clone(), Out::Object(Vec::new())));
            }
            all.push(("Condition".to_owned(), Out::Object(blocks)));
        }
        Out::Object(all)
    }

    /// The text of its Effect.
    pub(super) fn effect(&self) -> Option<&Out> {
        self.head
            .iter()
            .find(|(name, _)| name == "Effect")
            .map(|(_, value)| value)
    }
}

/// Adds a member to the object with this name, which is made if need be.
fn push_into(all: &mut Vec<(String, Out)>, name: &str, key: &str, value: Out) {
    let found = all.iter_mut().find(|(known, _)| known == name);
    if let Some((_, Out::Object(members))) = found {
        members.push((key.to_owned(), value));
    } else {
        all.push((name.to_owned(), Out::Object(vec![(key.to_owned(), value)])));
    }
}

fn values(node: &Node) -> Vec<Out> {
    match &node.value {
        Json::Array(items) => items.iter().map(Out::of).collect(),
        _ => vec![Out::of(node)],
    }
}

fn one_or_many(values: &[Out]) -> Out {
    match values {
        [one] => one.clone(),
        many => Out::Array(many.to_vec()),
    }
}
