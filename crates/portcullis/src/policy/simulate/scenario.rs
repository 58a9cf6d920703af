//! A scenario: what has to be allowed and what denied.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;
use portcullis_core::{Clock as _, SystemClock};
use portcullis_policy::simulate::{CaseResult, Expected, FileError, Scenario, ScenarioError};
use serde_json::json;

use super::Format;
use crate::policy::documents::refusal;
use crate::policy::input::PolicyFile;
use crate::say;

/// Runs a scenario.
pub(super) fn run(path: &Path, format: Format) -> anyhow::Result<ExitCode> {
    let file = PolicyFile::read(path)?;
    let scenario: Scenario =
        serde_json::from_str(&file.text).map_err(|error| anyhow!("{}: {error}", file.name))?;
    let beside: PathBuf = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let read = |name: &str| {
        let file = PolicyFile::read(&beside.join(name)).map_err(|error| FileError(format!("{error:#}")))?;
        Ok(file.text)
    };
    let results = scenario
        .run(&read, SystemClock.now())
        .map_err(|error| anyhow!("{}: {}", file.name, with_place(&error, &beside)))?;
    let failed = results.iter().filter(|result| !result.is_as_expected()).count();
    match format {
        Format::Table => {
            results
                .iter()
                .filter(|result| !result.is_as_expected())
                .for_each(tell);
            let total = results.len();
            say(&format!("{} of {total} requests are as expected", total - failed));
        }
        Format::Json => {
            let all: Vec<_> = results.iter().map(as_json).collect();
            say(&serde_json::to_string_pretty(&all)?);
        }
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Where a policy is wrong, if that is what is wrong.
fn with_place(error: &ScenarioError, beside: &Path) -> String {
    let ScenarioError::Malformed {
        name,
        kind,
        malformed,
    } = error
    else {
        return error.to_string();
    };
    let text = PolicyFile::read(&beside.join(name))
        .map(|file| file.text)
        .unwrap_or_default();
    refusal(name, &text, *kind, malformed)
}

fn tell(result: &CaseResult) {
    let CaseResult {
        id,
        expected,
        explanation,
    } = result;
    say(&format!(
        "FAILED {id}: {} {} on {}",
        explanation.principal, explanation.action, explanation.resource
    ));
    say(&format!("  expected {expected:?}, got {:?}", explanation.outcome));
    say(&format!("  {}", explanation.one_line()));
    if *expected == Expected::Allow {
        for change in explanation.remedy() {
            say(&format!("  to allow it: {change}"));
        }
    }
    let missing = explanation.missing_keys();
    if !missing.is_empty() {
        say(&format!("  not in the request: {}", missing.join(", ")));
    }
}

fn as_json(result: &CaseResult) -> serde_json::Value {
    let explanation = &result.explanation;
    json!({
        "id": result.id,
        "principal": explanation.principal,
        "action": explanation.action,
        "resource": explanation.resource,
        "expected": result.expected,
        "outcome": format!("{:?}", explanation.outcome),
        "asExpected": result.is_as_expected(),
        "reason": explanation.one_line(),
        "missingContextValues": explanation.missing_keys(),
    })
}
