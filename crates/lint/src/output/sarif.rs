//! SARIF 2.1.0, as code scanning reads it.

use std::fmt::Write as _;

use portcullis_policy::Span;
use serde::Serialize;

use super::{Checked, help_page};
use crate::lines::Lines;
use crate::{Finding, FindingKind, IssueCode, PathElement, Replacement};

/// A log of one run over all documents.
#[derive(Debug, Serialize)]
pub struct Sarif {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    column_kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invocations: Vec<Invocation>,
    results: Vec<RunResult>,
}

/// What there is to say about the run itself.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    tool_execution_notifications: Vec<Notification>,
}

#[derive(Debug, Serialize)]
struct Notification {
    level: &'static str,
    message: Text,
    locations: [NotedFile; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NotedFile {
    physical_location: WholeFile,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WholeFile {
    artifact_location: ArtifactLocation,
}

#[derive(Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver {
    name: &'static str,
    semantic_version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Text,
    full_description: Text,
    help: Help,
    default_configuration: Configuration,
    properties: Properties,
}

#[derive(Debug, Serialize)]
struct Text {
    text: String,
}

#[derive(Debug, Serialize)]
struct Help {
    text: String,
    markdown: String,
}

#[derive(Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Debug, Serialize)]
struct Properties {
    tags: Vec<&'static str>,
    precision: &'static str,
    #[serde(rename = "problem.severity")]
    problem_severity: &'static str,
    #[serde(rename = "security-severity", skip_serializing_if = "Option::is_none")]
    security_severity: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunResult {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Text,
    locations: Vec<Location>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Location>,
    partial_fingerprints: Fingerprints,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fixes: Vec<Fix>,
}

#[derive(Debug, Serialize)]
struct Fingerprints {
    #[serde(rename = "portcullisFinding/v1")]
    finding: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    physical_location: PhysicalLocation,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Text>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Debug, Clone, Serialize)]
struct ArtifactLocation {
    uri: String,
}

/// Lines and columns from 1; the end is the column after the last character.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: usize,
    start_column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fix {
    description: Text,
    artifact_changes: [ArtifactChange; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactChange {
    artifact_location: ArtifactLocation,
    replacements: [Change; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    deleted_region: Region,
    inserted_content: Text,
}

/// The findings as a SARIF log. The rules are all codes, whether found or not, so that indexes never change within a version.
pub fn sarif(documents: &[Checked<'_>]) -> Sarif {
    let results = |document: &Checked<'_>| {
        let source = Source {
            location: ArtifactLocation {
                uri: uri(document.name),
            },
            lines: Lines::new(document.text),
        };
        let results: Vec<RunResult> = document
            .findings
            .iter()
            .map(|found| source.result(found))
            .collect();
        results
    };
    Sarif {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "portcullis",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    rules: IssueCode::ALL.iter().map(|code| rule(*code)).collect(),
                },
            },
            column_kind: "unicodeCodePoints",
            invocations: Vec::new(),
            results: documents.iter().flat_map(results).collect(),
        }],
    }
}

impl Sarif {
    /// Notes files that were not checked, since they are no policies.
    #[must_use]
    pub fn with_skipped(mut self, skipped: &[String]) -> Self {
        let note = |name: &String| Notification {
            level: "note",
            message: Text {
                text: "This is not a policy; it was skipped.".to_owned(),
            },
            locations: [NotedFile {
                physical_location: WholeFile {
                    artifact_location: ArtifactLocation { uri: uri(name) },
                },
            }],
        };
        if !skipped.is_empty() {
            let [run] = &mut self.runs;
            run.invocations.push(Invocation {
                execution_successful: true,
                tool_execution_notifications: skipped.iter().map(note).collect(),
            });
        }
        self
    }
}

fn level(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Error => "error",
        FindingKind::SecurityWarning | FindingKind::Warning => "warning",
        FindingKind::Suggestion => "note",
    }
}

fn rule(code: IssueCode) -> Rule {
    let info = code.info();
    let is_security = info.kind == FindingKind::SecurityWarning;
    let text = |text: &str| Text {
        text: text.to_owned(),
    };
    Rule {
        id: info.name,
        short_description: text(info.title),
        full_description: text(info.help),
        help: Help {
            text: format!("{} {}", info.title, info.help),
            markdown: format!("**{}** {}\n\nSee `{}`.", info.title, info.help, help_page(code)),
        },
        default_configuration: Configuration {
            level: level(info.kind),
        },
        properties: Properties {
            tags: if is_security {
                vec!["iam", "security"]
            } else {
                vec!["iam"]
            },
            precision: "high",
            problem_severity: match info.kind {
                FindingKind::Error => "error",
                FindingKind::SecurityWarning | FindingKind::Warning => "warning",
                FindingKind::Suggestion => "recommendation",
            },
            security_severity: is_security.then_some("7.0"),
        },
    }
}

struct Source<'a> {
    location: ArtifactLocation,
    lines: Lines<'a>,
}

impl Source<'_> {
    fn result(&self, found: &Finding) -> RunResult {
        let related = found.related.iter().enumerate().map(|(index, place)| Location {
            id: Some(index + 1),
            physical_location: self.physical(place.span),
            message: Some(Text {
                text: place.label.clone(),
            }),
        });
        RunResult {
            rule_id: found.code.name(),
            rule_index: IssueCode::ALL
                .iter()
                .position(|code| *code == found.code)
                .unwrap_or_default(),
            level: level(found.kind()),
            message: Text {
                text: found.message.clone(),
            },
            locations: vec![Location {
                id: None,
                physical_location: self.physical(found.span),
                message: None,
            }],
            related_locations: related.collect(),
            partial_fingerprints: Fingerprints {
                finding: format!("{}:{}", found.code, path_text(&found.path)),
            },
            fixes: found
                .replacement
                .iter()
                .map(|replacement| self.fix(replacement))
                .collect(),
        }
    }

    fn physical(&self, span: Span) -> PhysicalLocation {
        PhysicalLocation {
            artifact_location: self.location.clone(),
            region: self.region(span),
        }
    }

    fn region(&self, span: Span) -> Region {
        let (start, end) = (self.lines.position(span.start), self.lines.position(span.end));
        Region {
            start_line: start.line,
            start_column: start.column + 1,
            end_line: end.line,
            end_column: end.column + 1,
        }
    }

    fn fix(&self, replacement: &Replacement) -> Fix {
        Fix {
            description: Text {
                text: format!("Write {} instead.", replacement.text),
            },
            artifact_changes: [ArtifactChange {
                artifact_location: self.location.clone(),
                replacements: [Change {
                    deleted_region: self.region(replacement.span),
                    inserted_content: Text {
                        text: replacement.text.clone(),
                    },
                }],
            }],
        }
    }
}

/// `Statement[0].Action[1]`: what a finding is about, whatever line it stands on.
fn path_text(path: &[PathElement]) -> String {
    let mut text = String::new();
    for element in path {
        let written = match element {
            PathElement::Index(index) => write!(text, "[{index}]"),
            PathElement::Key(key) | PathElement::Value(key) if text.is_empty() => write!(text, "{key}"),
            PathElement::Key(key) | PathElement::Value(key) => write!(text, ".{key}"),
            PathElement::Substring { start, length } => write!(text, "[{start}+{length}]"),
        };
        // Writing into a string does not fail.
        debug_assert!(written.is_ok());
    }
    text
}

/// A path as a URI reference: what is not plain is percent-encoded.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~');
    let encoded: String = path
        .replace('\\', "/")
        .bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    if encoded.starts_with('/') {
        format!("file://{encoded}")
    } else {
        encoded
    }
}
