//! Every principal, every action, every resource.

use std::process::ExitCode;

use anyhow::ensure;
use portcullis_core::{Clock as _, SystemClock};
use portcullis_policy::simulate::{Question, actions};
use portcullis_policy::{Explanation, Outcome, PolicyType, StatementReport};
use serde_json::json;

use super::{Format, Options, subjects};
use crate::policy::question::{is_action, known_form, oddity};
use crate::say;

/// Requests named that are never asked like this.
const MAX_ODDITIES: usize = 5;

/// Decides and prints them all.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut names = Vec::new();
    for pattern in &options.actions {
        let matching = actions(pattern);
        ensure!(!matching.is_empty(), "--action {pattern}: no action matches");
        ensure!(
            matching.iter().all(|name| is_action(name)),
            "--action {pattern}: wanted SERVICE:NAME, such as ecs:RunTask"
        );
        names.extend(matching);
    }
    options
        .resources
        .iter()
        .try_for_each(|resource| known_form(resource))?;
    let cells = cells(options, &names)?;
    match options.format {
        Format::Table => {
            for (nth, resource) in options.resources.iter().enumerate() {
                if nth > 0 {
                    say("");
                }
                say(&table(&cells, &names, resource));
            }
            hint(&cells);
        }
        Format::Json => {
            let decisions: Vec<_> = cells.iter().map(Cell::json).collect();
            say(&serde_json::to_string_pretty(&decisions)?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One decision.
struct Cell {
    principal: String,
    explanation: Explanation,
}

fn cells(options: &Options, names: &[String]) -> anyhow::Result<Vec<Cell>> {
    let given = options.keys.read()?;
    let now = SystemClock.now();
    let mut cells = Vec::new();
    for subject in subjects(options)? {
        let policies = options.sets.read(subject.policies)?;
        for resource in &options.resources {
            for action in names {
                let question = Question {
                    principal: &subject.principal,
                    action,
                    resource,
                    given: &given,
                };
                cells.push(Cell {
                    principal: subject.name.clone(),
                    explanation: question.explain(&policies, now),
                });
            }
        }
    }
    Ok(cells)
}

impl Cell {
    /// The answer in a word or three.
    fn text(&self) -> String {
        let deciding = self
            .explanation
            .deciding_statements()
            .next()
            .map(short)
            .unwrap_or_default();
        let text = match (self.explanation.outcome, self.explanation.stopped_by) {
            (Outcome::Allow, _) => format!("allow {deciding}"),
            (Outcome::ExplicitDeny, _) => format!("explicit deny {deciding}"),
            (Outcome::ImplicitDeny, Some(PolicyType::Identity) | None) => "deny".to_owned(),
            (Outcome::ImplicitDeny, Some(by)) => format!("deny ({})", by.name()),
        };
        text.trim_end().to_owned()
    }

    fn json(&self) -> serde_json::Value {
        let Self {
            principal,
            explanation,
        } = self;
        let statement = |report: &StatementReport| json!({"policy": report.policy.name, "statement": report.index, "sid": report.sid});
        json!({
            "principal": principal,
            "principalArn": explanation.principal,
            "action": explanation.action,
            "resource": explanation.resource,
            "decision": word(explanation.outcome),
            "stoppedBy": explanation.stopped_by,
            "statements": explanation.deciding_statements().map(statement).collect::<Vec<_>>(),
            "reason": explanation.one_line(),
            "missingContextValues": explanation.missing_keys(),
        })
    }
}

/// The words of IAM's own simulator.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::ExplicitDeny => "explicitDeny",
        Outcome::ImplicitDeny => "implicitDeny",
    }
}

/// A statement by its Sid, or by policy and number.
fn short(report: &StatementReport) -> String {
    match report.sid.as_deref() {
        Some(sid) if !sid.is_empty() => sid.to_owned(),
        _ => {
            let policy = report.policy.name.trim_end_matches(".json");
            format!("{policy}#{}", report.index + 1)
        }
    }
}

/// A row for each action, a column for each principal.
fn table(cells: &[Cell], actions: &[String], resource: &str) -> String {
    let mut principals: Vec<&str> = Vec::new();
    for cell in cells {
        if !principals.contains(&cell.principal.as_str()) {
            principals.push(&cell.principal);
        }
    }
    let heading =
        std::iter::once(format!("on {resource}")).chain(principals.iter().map(|name| (*name).to_owned()));
    let mut rows: Vec<Vec<String>> = vec![heading.collect()];
    for action in actions {
        let answers = principals.iter().map(|principal| {
            let cell = cells.iter().find(|cell| {
                let Explanation {
                    action: asked,
                    resource: on,
                    ..
                } = &cell.explanation;
                cell.principal == *principal && asked == action && on == resource
            });
            cell.map_or_else(String::new, Cell::text)
        });
        rows.push(std::iter::once(action.clone()).chain(answers).collect());
    }
    let widths: Vec<usize> = (0..=principals.len())
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn hint(cells: &[Cell]) {
    let mut missing: Vec<&str> = Vec::new();
    for key in cells.iter().flat_map(|cell| cell.explanation.missing_keys()) {
        if !missing.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            missing.push(key);
        }
    }
    if !missing.is_empty() {
        crate::complain(&format!(
            "hint: conditions ask for {}, which the requests do not have; give it with --context KEY=VALUE",
            missing.join(", ")
        ));
    }
    for oddity in oddities(cells) {
        crate::complain(&format!("hint: {oddity}"));
    }
}

/// What is odd about the requests, once for each: a matrix asks the same of every principal. Of a pattern's actions most
/// go with other resources than the one that is meant, so that only a few are told.
fn oddities(cells: &[Cell]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for cell in cells {
        let oddity = oddity(&cell.explanation.action, &cell.explanation.resource);
        if let Some(oddity) = oddity.filter(|oddity| !told.contains(oddity)) {
            told.push(oddity);
        }
    }
    let more = told.len().saturating_sub(MAX_ODDITIES);
    told.truncate(MAX_ODDITIES);
    if more > 0 {
        told.push(format!("{more} more of the requests are never asked like this"));
    }
    told
}
