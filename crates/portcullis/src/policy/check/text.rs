//! Findings for people: each with its place marked in the policy.

use std::fmt;
use std::io::IsTerminal as _;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    NamedSource, Severity, SourceCode, SourceSpan, SpanContents,
};
use portcullis_lint::output::Checked;
use portcullis_lint::{Finding, FindingKind};
use portcullis_policy::Span;

use super::files::Found;

/// Lines longer than this are cut to what is around the place.
const MAX_LINE: usize = 140;

/// Names of files that are skipped, of which there may be thousands.
const MAX_SKIPPED: usize = 5;

/// Characters shown on either side of a place in a line that is cut.
const AROUND: usize = 50;

/// Prints every finding, and how many there are.
pub(super) fn print(documents: &[Checked<'_>], found: &Found) {
    let theme = if std::io::stdout().is_terminal() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    for document in documents {
        for finding in document.findings {
            let mut text = String::new();
            if handler
                .render_report(&mut text, &Shown::of(document, finding))
                .is_ok()
            {
                crate::say(&text);
            }
        }
    }
    crate::say(&summary(documents));
    if !found.skipped.is_empty() {
        crate::say(&skipped(&found.skipped));
    }
    if !found.unreadable.is_empty() {
        crate::say(&format!("{} could not be read", files(found.unreadable.len())));
    }
}

/// JSON files of directories that are no policies.
fn skipped(names: &[String]) -> String {
    let first: Vec<&str> = names.iter().take(MAX_SKIPPED).map(String::as_str).collect();
    let more = match names.len().saturating_sub(MAX_SKIPPED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} not a policy, skipped: {}{more}",
        files(names.len()),
        first.join(", ")
    )
}

fn files(count: usize) -> String {
    format!("{count} file{}", if count == 1 { "" } else { "s" })
}

fn summary(documents: &[Checked<'_>]) -> String {
    let kinds = [
        FindingKind::Error,
        FindingKind::SecurityWarning,
        FindingKind::Warning,
        FindingKind::Suggestion,
    ];
    let counts = kinds.map(|kind| {
        let found = documents.iter().flat_map(|document| document.findings);
        (kind, found.filter(|finding| finding.kind() == kind).count())
    });
    let found: Vec<String> = counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{count} {kind}{}", if *count == 1 { "" } else { "s" }))
        .collect();
    let plural = if documents.len() == 1 {
        "policy"
    } else {
        "policies"
    };
    let found = if found.is_empty() {
        "nothing to report".to_owned()
    } else {
        found.join(", ")
    };
    format!("{} {plural} checked: {found}", documents.len())
}

/// A finding as miette prints it.
#[derive(Debug)]
struct Shown {
    code: &'static str,
    kind: FindingKind,
    message: String,
    help: String,
    source: Source,
    labels: Vec<LabeledSpan>,
}

impl Shown {
    fn of(document: &Checked<'_>, finding: &Finding) -> Self {
        let info = finding.code.info();
        let mut help = info.help.to_owned();
        if let Some(replacement) = &finding.replacement {
            help = format!("{help}\nInstead: {}", replacement.text);
        }
        let place = first_line(document.text, finding.span);
        let is_long = line_around(document.text, place.start).chars().count() > MAX_LINE;
        let (source, labels) = if is_long {
            for related in &finding.related {
                let (line, column) = position(document.text, related.span.start);
                help = format!(
                    "{help}\nLine {}, column {}: {}",
                    line + 1,
                    column + 1,
                    related.label
                );
            }
            let (source, place) = Excerpt::of(document, place);
            let primary = LabeledSpan::new_primary_with_span(None, place);
            (Source::Cut(source), vec![primary])
        } else {
            let primary = LabeledSpan::new_primary_with_span(None, range(place));
            let related = finding.related.iter().map(|place| {
                let span = first_line(document.text, place.span);
                LabeledSpan::new_with_span(Some(place.label.clone()), range(span))
            });
            let source = NamedSource::new(document.name, document.text.to_owned());
            (
                Source::Whole(source),
                std::iter::once(primary).chain(related).collect(),
            )
        };
        Self {
            code: info.name,
            kind: info.kind,
            message: finding.message.clone(),
            help,
            source,
            labels,
        }
    }
}

/// What is shown of a policy.
#[derive(Debug)]
enum Source {
    Whole(NamedSource<String>),
    Cut(Excerpt),
}

/// A piece of a long line, and where its place is in the policy; both counted from 0.
#[derive(Debug)]
struct Excerpt {
    name: String,
    text: String,
    line: usize,
    column: usize,
}

impl Excerpt {
    /// The place with some text around it, and where it is in that.
    fn of(document: &Checked<'_>, span: Span) -> (Self, (usize, usize)) {
        let (line, column) = position(document.text, span.start);
        let whole = line_around(document.text, span.start);
        let skipped = column.saturating_sub(AROUND);
        let left: String = whole.chars().take(column).skip(skipped).collect();
        let inside = span.of(document.text).unwrap_or_default();
        let place: String = inside.chars().take(MAX_LINE).collect();
        let after = column + place.chars().count();
        let right: String = whole.chars().skip(after).take(AROUND).collect();
        let range = ('…'.len_utf8() + left.len(), place.len());
        let excerpt = Self {
            name: document.name.to_owned(),
            text: format!("…{left}{place}{right}…"),
            line,
            column,
        };
        (excerpt, range)
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        _: &SourceSpan,
        _: usize,
        _: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let whole = (0, self.text.len()).into();
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            self.text.as_bytes(),
            whole,
            self.line,
            self.column,
            1,
        )))
    }
}

/// Line and column of a byte, both from 0, in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).map_or(0, |text| text.chars().count());
    (before.matches('\n').count(), column)
}

fn range(span: Span) -> (usize, usize) {
    (span.start, span.end.saturating_sub(span.start))
}

/// A place that spans lines is shown by its first one.
fn first_line(text: &str, span: Span) -> Span {
    let within = span.of(text).unwrap_or_default();
    let end = within.find('\n').map_or(span.end, |at| span.start + at);
    Span {
        start: span.start,
        end,
    }
}

fn line_around(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    text.get(start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default()
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.kind {
            FindingKind::Error => Severity::Error,
            FindingKind::SecurityWarning | FindingKind::Warning => Severity::Warning,
            FindingKind::Suggestion => Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match &self.source {
            Source::Whole(text) => Some(text),
            Source::Cut(excerpt) => Some(excerpt),
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}
