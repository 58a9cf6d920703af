//! Explanations as a page for a terminal: the policy's own text, with the places that decided marked in it.

mod excerpt;
mod labels;

use std::fmt::{self, Write as _};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode,
};

use crate::Outcome;
use crate::explain::{CheckEffect, Explanation, Place, Refusal, StatementReport};
use excerpt::Excerpt;

/// Statements shown at most; the rest is counted.
const MAX_SHOWN: usize = 3;

/// How a page is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether ANSI colours may be used; without them the page says the same.
    pub colours: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for Style {
    /// Plain, 120 columns.
    fn default() -> Self {
        Self {
            colours: false,
            width: 120,
        }
    }
}

/// The decision, the statements that decided or came nearest, and what would change it.
pub fn page(explanation: &Explanation, style: Style) -> String {
    let mut page = String::new();
    // Writing into a String cannot fail.
    let _infallible = write_page(explanation, style, &mut page);
    page
}

fn write_page(explanation: &Explanation, style: Style, page: &mut String) -> fmt::Result {
    write_verdict(explanation, style, page)?;
    let shown = shown(explanation);
    let more = shown.len().saturating_sub(MAX_SHOWN);
    for statement in shown.into_iter().take(MAX_SHOWN) {
        page.push('\n');
        let theme = match style.colours {
            true => GraphicalTheme::unicode(),
            false => GraphicalTheme::unicode_nocolor(),
        };
        GraphicalReportHandler::new_themed(theme)
            .with_width(style.width)
            .with_context_lines(1)
            .render_report(page, &statement)?;
    }
    if more > 0 {
        writeln!(page, "\n  and {more} more statements that say the same")?;
    }
    for refusal in explanation
        .refusals
        .iter()
        .filter(|refusal| is_told_in_words(refusal))
    {
        writeln!(page, "\n  {}", nothing_near(explanation, refusal))?;
    }
    write_changes(explanation, page)
}

fn write_verdict(explanation: &Explanation, style: Style, page: &mut String) -> fmt::Result {
    let mut verdict = String::new();
    explanation.write_verdict(&mut verdict)?;
    let colour = match explanation.outcome {
        Outcome::Allow => "\u{1b}[1;32m",
        Outcome::ExplicitDeny | Outcome::ImplicitDeny => "\u{1b}[1;31m",
    };
    match (style.colours, verdict.split_once("  ")) {
        (true, Some((word, rest))) => write!(page, "{colour}{word}\u{1b}[0m  {rest}"),
        _ => page.write_str(&verdict),
    }
}

/// An implicit deny without any statement to show.
fn is_told_in_words(refusal: &Refusal) -> bool {
    refusal.effect == CheckEffect::ImplicitDeny && refusal.nearest.is_none()
}

fn nothing_near(explanation: &Explanation, refusal: &Refusal) -> String {
    let set = refusal.policy_type.name();
    let policies = explanation
        .policies
        .iter()
        .filter(|policy| policy.policy_type == refusal.policy_type && policy.level == refusal.level)
        .count();
    match policies {
        0 => format!("there is no {set}"),
        _ => format!(
            "no Allow statement of {} is about {}",
            refusal.policy_type.name_with_article(),
            service_of(&explanation.action)
        ),
    }
}

fn service_of(action: &str) -> &str {
    action.split_once(':').map_or(action, |(service, _)| service)
}

fn write_changes(explanation: &Explanation, page: &mut String) -> fmt::Result {
    if explanation.outcome == Outcome::Allow {
        return Ok(());
    }
    let is_walled =
        |refusal: &Refusal| refusal.effect == CheckEffect::ExplicitDeny && refusal.changes.is_empty();
    let steps = explanation.remedy();
    match steps.as_slice() {
        [] if explanation.refusals.iter().any(is_walled) => {
            writeln!(
                page,
                "\n  to allow it: a Deny has to go; nothing else overrides it"
            )
        }
        [] => writeln!(page, "\n  to allow it: nothing would do"),
        [only] => writeln!(page, "\n  to allow it: {only}"),
        several => {
            writeln!(page, "\n  to allow it, all of:")?;
            several.iter().try_for_each(|step| writeln!(page, "    - {step}"))
        }
    }
}

/// A statement with its marks.
#[derive(Debug)]
struct Shown {
    headline: String,
    severity: Severity,
    source: NamedSource<String>,
    labels: Vec<LabeledSpan>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// The statements that decided; of sets that are silent the nearest.
fn shown(explanation: &Explanation) -> Vec<Shown> {
    match explanation.outcome {
        Outcome::Allow => explanation
            .deciding_statements()
            .map(|report| marked(report, "allows it", Severity::Advice))
            .collect(),
        Outcome::ExplicitDeny => explanation
            .deciding_statements()
            .map(|report| marked(report, "denies it", Severity::Error))
            .collect(),
        Outcome::ImplicitDeny => {
            let nearest = explanation.refusals.iter().filter_map(|refusal| {
                let report = explanation.statements.get(refusal.nearest?)?;
                Some(marked(
                    report,
                    "comes nearest, but does not apply",
                    Severity::Warning,
                ))
            });
            nearest.collect()
        }
    }
}

fn marked(report: &StatementReport, what_it_does: &str, severity: Severity) -> Shown {
    let excerpt = Excerpt::of(&report.policy.text, report.span);
    let position = report.position();
    let name = match excerpt.is_reformatted {
        true => format!(
            "{} at line {} column {}, laid out",
            report.policy.name, position.line, position.column
        ),
        false => report.policy.name.clone(),
    };
    let marks = labels::of(report);
    let labels = marks.into_iter().filter_map(|(span, text)| {
        let (start, length) = excerpt.place(span)?;
        Some(LabeledSpan::new(Some(text), start, length))
    });
    Shown {
        headline: format!("{} {what_it_does}", Place::of(report)),
        severity,
        labels: labels.collect(),
        source: NamedSource::new(name, excerpt.text),
    }
}
