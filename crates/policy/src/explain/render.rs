//! Explanations for people: one line, or a page for a terminal.

use std::fmt::{self, Write as _};

use crate::explain::nearest::closest_first;
use crate::explain::{
    Change, CheckEffect, ConditionReport, ElementReport, Explanation, Place, Refusal, StatementReport,
};
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
        let stopped_by = self
            .refusals
            .first()
            .map(|refusal| (refusal.policy_type, refusal.level));
        let considered = self
            .statements
            .iter()
            .filter(|report| {
                let policy = &report.policy;
                report.effect == Effect::Allow && Some((policy.policy_type, policy.level)) == stopped_by
            })
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
        self.write_verdict(page)?;
        for report in self.deciding_statements() {
            write_statement(page, "decided by", report)?;
        }
        match (self.outcome, self.nearest_statement()) {
            (Outcome::ImplicitDeny, Some(report)) => write_statement(page, "nearest", report)?,
            (Outcome::ImplicitDeny, None) => {
                writeln!(page, "  nearest     none: {}", self.why_none_is_near())?;
            }
            _ => {}
        }
        self.write_changes(page)
    }

    /// The answer, who asked, and what stopped it.
    pub(crate) fn write_verdict(&self, page: &mut String) -> fmt::Result {
        let verdict = match self.outcome {
            Outcome::Allow => "ALLOWED",
            Outcome::ExplicitDeny => "DENIED (explicit)",
            Outcome::ImplicitDeny => "DENIED (implicit)",
        };
        writeln!(page, "{verdict}  {} on {}", self.action, self.resource)?;
        writeln!(page, "  asked by    {}", self.principal)?;
        for (nth, refusal) in self.refusals.iter().enumerate() {
            let title = if nth == 0 { "stopped by" } else { "and by" };
            writeln!(page, "  {title:<11} {}", self.what_refuses(refusal))?;
        }
        Ok(())
    }

    fn what_refuses(&self, refusal: &Refusal) -> String {
        let set = refusal.policy_type;
        let levels = self
            .policies
            .iter()
            .any(|policy| policy.policy_type == set && policy.level > 0);
        let level = match levels || refusal.level > 0 {
            true => format!(" (level {})", refusal.level + 1),
            false => String::new(),
        };
        match refusal.effect {
            CheckEffect::ExplicitDeny => format!("an explicit deny in {}{level}", set.name_with_article()),
            _ => format!("no {}{level} allows it", set.name()),
        }
    }

    /// What would change the answer, a line for each step; all of them are needed.
    fn write_changes(&self, page: &mut String) -> fmt::Result {
        for (nth, change) in self.remedy().iter().enumerate() {
            let title = if nth == 0 { "change" } else { "and" };
            writeln!(page, "  {title:<11} {change}")?;
        }
        Ok(())
    }

    /// Every step that is needed before the request is allowed, each once; none when a set cannot be helped, since nothing
    /// overrides an explicit deny. Steps that the change of the resource's policy makes needless are left out (R118).
    pub fn remedy(&self) -> Vec<&Change> {
        if self.refusals.iter().any(|refusal| refusal.changes.is_empty()) {
            return Vec::new();
        }
        let to_change = self.refusals.iter().filter(|refusal| !refusal.is_lifted);
        let mut steps: Vec<&Change> = Vec::new();
        for step in to_change.flat_map(|refusal| &refusal.changes) {
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        steps
    }
}

/// `statement 1 "RunWeb" of identity-based policy run-web`.
fn place(report: &StatementReport) -> String {
    Place::of(report).to_string()
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
                Some(values) => format!("asked for {}", listed(values.iter())),
                None => "the request has no such key".to_owned(),
            };
            format!("{operator} {key}: {asked}, wanted {}", wanted_of(condition))
        }
        None => "nothing".to_owned(),
    }
}

fn write_statement(page: &mut String, title: &str, report: &StatementReport) -> fmt::Result {
    let StatementReport { policy, effect, .. } = report;
    let position = report.position();
    writeln!(
        page,
        "  {title:<11} {} {}",
        policy.policy_type.name(),
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
    let why = (element.rule == "R57").then_some("a variable in the policy has no value");
    write_rule(page, element.matched, element.rule, why)
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

/// The value that matches, or what is listed, the closest first.
pub(crate) fn wanted_by(element: &ElementReport) -> String {
    let negated = element.element.starts_with("Not");
    let closest = || {
        let closest = closest_first(&element.asked, &element.wanted).into_iter();
        listed(closest.map(|(_, value)| value))
    };
    match element.listed_by() {
        Some(pattern) if negated => format!("anything but {pattern}"),
        Some(pattern) => pattern.into_owned(),
        None if negated => format!("anything but {}", closest()),
        None if element.wanted.len() > MAX_LISTED => closest(),
        None => listed(element.wanted.iter()),
    }
}

pub(crate) fn asked_of(condition: &ConditionReport) -> String {
    match &condition.asked {
        Some(values) => listed(values.iter()),
        None => "(absent)".to_owned(),
    }
}

pub(crate) fn wanted_of(condition: &ConditionReport) -> String {
    let listed = listed(condition.wanted.iter());
    if condition.negated {
        format!("none of {listed}")
    } else {
        listed
    }
}

/// The first few values, and how many more there are.
pub(crate) fn listed<V: AsRef<str>>(values: impl ExactSizeIterator<Item = V>) -> String {
    let more = values.len().saturating_sub(MAX_LISTED);
    let quoted = |value: V| match value.as_ref() {
        "" => "\"\"".to_owned(),
        value => value.to_owned(),
    };
    let first: Vec<String> = values.take(MAX_LISTED).map(quoted).collect();
    let shown = first.join(", ");
    match more {
        0 if first.is_empty() => "(nothing)".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
