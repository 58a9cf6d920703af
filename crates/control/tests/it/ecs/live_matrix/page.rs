//! The page of the engine's matrix, read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// What the conditions of a policy find.
#[derive(Default, Clone)]
pub struct Column {
    /// The cluster that `ecs:cluster` names.
    pub cluster: Option<String>,
    /// Whether the caller has MFA; nothing for a long-term key.
    pub mfa: Option<bool>,
    /// The tags of what is asked for.
    pub tags: Value,
    /// The instances of StartTask, as the page calls them.
    pub on: Option<String>,
}

impl Column {
    fn read(labels: &str) -> Self {
        let mut column = Self {
            tags: json!([]),
            ..Self::default()
        };
        let tag = |key: &str, value: &str| json!([{ "key": key, "value": value }]);
        for label in labels.split(", ") {
            match label {
                "in default" | "in other" => column.cluster = label.strip_prefix("in ").map(str::to_owned),
                "MFA" => column.mfa = Some(true),
                "no MFA" => column.mfa = Some(false),
                "long-term key" | "no tag" => {}
                "Department=Accounting" => column.tags = tag("Department", "Accounting"),
                "=Finance" => column.tags = tag("Department", "Finance"),
                "Owner=richard-roe" => column.tags = tag("Owner", "richard-roe"),
                "=jane" => column.tags = tag("Owner", "jane"),
                "on INSTANCE" | "on another" => column.on = Some(label.to_owned()),
                // No request fills the key with an ARN of the old form: no request is of this column.
                "short ARN" => column.on = Some(label.to_owned()),
                other => panic!("the page has a column of its own kind: {other}"),
            }
        }
        column
    }
}

/// Of one policy.
#[derive(Default)]
struct Section {
    columns: Vec<Column>,
    everywhere: BTreeSet<String>,
    /// By action, the letters of each resource; none for those refused in every column.
    rows: BTreeMap<String, BTreeMap<String, String>>,
}

/// The whole page.
pub struct Page(BTreeMap<String, Section>);

impl Page {
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut sections = BTreeMap::new();
        for part in text.split("\n\n") {
            let mut lines = part.lines();
            let Some(name) = lines
                .next()
                .filter(|name| name.ends_with(".json") && !name.starts_with("19-"))
            else {
                continue;
            };
            sections.insert(name.to_owned(), Section::read(lines));
        }
        assert_eq!(sections.len(), 30, "the policies of the page");
        Self(sections)
    }

    pub fn policies(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    pub fn columns(&self, policy: &str) -> Vec<Column> {
        let columns = self.0[policy].columns.clone();
        if columns.is_empty() {
            vec![Column::read("no tag")]
        } else {
            columns
        }
    }

    /// Whether the action is allowed on the resource in the column.
    pub fn allows(&self, policy: &str, action: &str, resource: &str, column: usize) -> bool {
        let section = &self.0[policy];
        if section.everywhere.contains(action) {
            return true;
        }
        let Some(rows) = section.rows.get(action) else {
            return false;
        };
        let letters = rows
            .get(resource)
            .unwrap_or_else(|| panic!("{policy} has no row {resource} for {action}"));
        letters.chars().nth(column) == Some('A')
    }
}

impl Section {
    fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut section = Self::default();
        let (mut actions, mut ended, mut everywhere) = (Vec::new(), false, false);
        let mut letters = String::new();
        for line in lines {
            let (indent, text) = (line.len() - line.trim_start().len(), line.trim());
            match indent {
                2 if text.starts_with("column ") => {
                    section
                        .columns
                        .push(Column::read(text.split_once(": ").unwrap().1));
                }
                2 if text == "allowed on everything:" => everywhere = true,
                2 if text.starts_with("refused on everything:") => {}
                2 => {
                    if ended {
                        actions.clear();
                        ended = false;
                    }
                    actions.extend(words(text));
                }
                _ if everywhere => section.everywhere.extend(words(text)),
                _ => {
                    ended = true;
                    let labels = if indent == 6 {
                        let (first, labels) = text.split_once(' ').unwrap();
                        letters = if first == "refused:" {
                            String::new()
                        } else {
                            first.to_owned()
                        };
                        labels
                    } else {
                        text
                    };
                    for action in &actions {
                        let rows = section.rows.entry(action.clone()).or_default();
                        rows.extend(words(labels).map(|label| (label, letters.clone())));
                    }
                }
            }
        }
        section
    }
}

/// The words of a list that goes on after a comma at the line's end.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}
