//! Explanations for people: one line, or a page for a terminal.

use std::fmt::{self, Write as _};

use crate::explain::{ConditionReport, ElementReport, Explanation, StatementReport};
use crate::{Effect, Outcome, PolicyType};

/// Listed values shown before the rest is only counted.
const MAX_LISTED: usize = 4;

impl Explanation {
    /// The decision and its reason in one line.
    pub fn one_line(&self) -> String {
        match (self.outcome, self.stopped_by) {
            (Outcome::Allow, _) => self.allowed_by(),
            (Outcome::ExplicitDeny, _) => match self.deciding_statements().next() {
                Some(report) => format!("denied by {}", place(report)),
                None => "denied".to_owned(),
            },
            (Outcome::ImplicitDeny, by) => self.implicit_deny(by),
        }
    }

    fn allowed_by(&self) -> String {
        match self.deciding_statements().next() {
            Some(report) => format!("allowed by {}", place(report)),
            None => "allowed: the root user needs no policy".to_owned(),
        }
    }

    fn implicit_deny(&self, by: Option<PolicyType>) -> String {
        let by = by.map_or("policy", PolicyType::name);
        let mut line = format!("denied: no {by} allows {}", self.action);
        match self.nearest_statement() {
            Some(report) => {
                line.push_str(&format!("; the nearest, {}, fails on ", place(report)));
                line.push_str(&first_failure(report));
            }
            None => line.push_str(&format!("; {}", self.why_none_is_near())),
        }
        line
    }

    fn why_none_is_near(&self) -> String {
        let considered = self
            .statements
            .iter()
            .filter(|report| Some(report.policy_type) == self.stopped_by && report.effect == Effect::Allow)
            .count();
        match considered {
            0 => "there is no Allow statement to consider".to_owned(),
            1 => "the one Allow statement is about other services".to_owned(),
            several => format!("all {several} Allow statements are about other services"),
        }
    }

    /// The decision, what stopped it, and the statements that decided or came nearest, as plain text for a
    /// terminal.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing into a String cannot fail.
        let _infallible = self.write_page(&mut page);
        page
    }

    fn write_page(&self, page: &mut String) -> fmt::Result {
        let verdict = match self.outcome {
            Outcome::Allow => "ALLOWED",
            Outcome::ExplicitDeny => "DENIED (explicit)",
            Outcome::ImplicitDeny => "DENIED (implicit)",
        };
        writeln!(page, "{verdict}  {} on {}", self.action, self.resource)?;
        writeln!(page, "  asked by    {}", self.principal)?;
        if let Some(by) = self.stopped_by {
            let what = match self.outcome {
                Outcome::ImplicitDeny => format!("no {} allows it", by.name()),
                _ => format!("an explicit deny in {}", by.name_with_article()),
            };
            writeln!(page, "  stopped by  {what}")?;
        }
        for report in self.deciding_statements() {
            write_statement(page, "decided by", report)?;
        }
        match (self.outcome, self.nearest_statement()) {
            (Outcome::ImplicitDeny, Some(report)) => write_statement(page, "nearest", report),
            (Outcome::ImplicitDeny, None) => {
                writeln!(page, "  nearest     none: {}", self.why_none_is_near())
            }
            _ => Ok(()),
        }
    }
}

/// `statement 1 "RunWeb" of identity-based policy run-web`.
fn place(report: &StatementReport) -> String {
    format!(
        "{} of {} {}",
        report.label(),
        report.policy_type.name(),
        report.policy.name
    )
}

/// The first element or condition that fails, with what was asked for and what is wanted.
fn first_failure(report: &StatementReport) -> String {
    if let Some(element) = report.elements().find(|element| !element.matched) {
        return format!(
            "{}: asked for {}, wanted {}",
            element.element,
            element.asked,
            wanted_by(element)
        );
    }
    match report.conditions.iter().find(|condition| !condition.met) {
        Some(condition) => {
            let ConditionReport {
                operator, key, asked, ..
            } = condition;
            let asked = match asked {
                Some(values) => format!("asked for {}", listed(values)),
                None => "the request has no such key".to_owned(),
            };
            format!("{operator} {key}: {asked}, wanted {}", wanted_of(condition))
        }
        None => "nothing".to_owned(),
    }
}

fn write_statement(page: &mut String, title: &str, report: &StatementReport) -> fmt::Result {
    let StatementReport {
        policy,
        position,
        effect,
        ..
    } = report;
    writeln!(
        page,
        "  {title:<11} {} {}",
        report.policy_type.name(),
        policy.name
    )?;
    for (title, detail) in [("arn", &policy.arn), ("attached to", &policy.attached_to)] {
        if let Some(detail) = detail {
            writeln!(page, "    {title:<11} {detail}")?;
        }
    }
    writeln!(
        page,
        "    {} ({effect}, line {} column {})",
        report.label(),
        position.line,
        position.column
    )?;
    report
        .elements()
        .try_for_each(|element| write_element(page, element))?;
    report
        .conditions
        .iter()
        .try_for_each(|condition| write_condition(page, condition))
}

fn write_element(page: &mut String, element: &ElementReport) -> fmt::Result {
    let state = if element.matched { "ok    " } else { "FAILED" };
    writeln!(page, "      {state} {}", element.element)?;
    write_pair(page, &element.asked, &wanted_by(element))?;
    write_rule(page, element.matched, element.rule, None)
}

fn write_condition(page: &mut String, condition: &ConditionReport) -> fmt::Result {
    let state = if condition.met { "ok    " } else { "FAILED" };
    writeln!(
        page,
        "      {state} Condition {} {}",
        condition.operator, condition.key
    )?;
    write_pair(page, &asked_of(condition), &wanted_of(condition))?;
    write_rule(page, condition.met, condition.rule, Some(condition.why))
}

fn write_pair(page: &mut String, asked: &str, wanted: &str) -> fmt::Result {
    writeln!(page, "             asked   {asked}")?;
    writeln!(page, "             wanted  {wanted}")
}

/// The rule matters where something failed.
fn write_rule(page: &mut String, held: bool, rule: &str, why: Option<&str>) -> fmt::Result {
    match (held, why) {
        (true, _) | (false, None) => Ok(()),
        (false, Some(why)) => writeln!(page, "             because {why} ({rule})"),
    }
}

/// The value that matches, or what is listed.
fn wanted_by(element: &ElementReport) -> String {
    let negated = element.element.starts_with("Not");
    match &element.listed_by {
        Some(pattern) if negated => format!("anything but {pattern}"),
        Some(pattern) => pattern.clone(),
        None if negated => format!("anything but {}", listed(&element.wanted)),
        None => listed(&element.wanted),
    }
}

fn asked_of(condition: &ConditionReport) -> String {
    match &condition.asked {
        Some(values) => listed(values),
        None => "(absent)".to_owned(),
    }
}

fn wanted_of(condition: &ConditionReport) -> String {
    let listed = listed(&condition.wanted);
    if condition.negated {
        format!("none of {listed}")
    } else {
        listed
    }
}

fn listed(values: &[String]) -> String {
    let quoted = |value: &String| {
        if value.is_empty() {
            "\"\"".to_owned()
        } else {
            value.clone()
        }
    };
    let first: Vec<String> = values.iter().take(MAX_LISTED).map(quoted).collect();
    let shown = first.join(", ");
    match values.len().saturating_sub(MAX_LISTED) {
        0 if values.is_empty() => "(nothing)".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
