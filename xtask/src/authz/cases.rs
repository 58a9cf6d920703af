//! The cases of the authorisation tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

use super::reference::plain;
use crate::shell;

const CASES: &str = "crates/control/tests/data/authorization.json";
const TESTS: &str = "crates/control/tests/it/ecs/authorization.rs";
const MODULE: &str = "control::it::ecs::authorization";

/// The cases by group; each group is a test.
#[derive(Debug)]
pub struct Cases(BTreeMap<String, Vec<Case>>);

#[derive(Debug, Deserialize)]
struct Case {
    action: String,
    operation: Option<String>,
    note: Option<String>,
    checks: Vec<Check>,
}

#[derive(Debug, Deserialize)]
struct Check {
    r#type: Option<String>,
    #[serde(default)]
    keys: BTreeMap<String, Value>,
}

/// One check of an action and its test.
#[derive(Debug)]
pub struct Proof<'a> {
    /// `None` for actions without resource.
    pub resource_type: Option<&'a str>,
    /// Without the keys of tags.
    pub keys: BTreeSet<String>,
    /// The operation that checks it, where that has another name.
    pub operation: Option<&'a str>,
    /// Why the engine alone is asked, if it is.
    pub note: Option<&'a str>,
    /// The test's path.
    pub test: String,
}

impl Cases {
    /// Reads the file of cases.
    pub fn read() -> Result<Self> {
        let text =
            fs::read_to_string(shell::root().join(CASES)).with_context(|| format!("reading {CASES}"))?;
        Self::parse(&text).with_context(|| format!("reading {CASES}"))
    }

    /// The same from its text.
    pub fn parse(text: &str) -> Result<Self> {
        Ok(Self(serde_json::from_str(text)?))
    }

    /// What is proved of an action.
    pub fn of(&self, action: &str) -> Vec<Proof<'_>> {
        let mut proofs = Vec::new();
        for (group, cases) in &self.0 {
            for case in cases.iter().filter(|case| case.action == action) {
                let proof = |check| proof(group, case, check);
                proofs.extend(case.checks.iter().map(proof));
            }
        }
        proofs
    }

    /// The actions that have cases.
    pub fn actions(&self) -> BTreeSet<&str> {
        let cases = self.0.values().flatten();
        cases.map(|case| case.action.as_str()).collect()
    }

    /// Groups that no test runs.
    pub fn without_test(&self) -> Result<Vec<String>> {
        let tests =
            fs::read_to_string(shell::root().join(TESTS)).with_context(|| format!("reading {TESTS}"))?;
        let is_run = |group: &&String| tests.contains(&format!("fn {}()", test_of(group)));
        let idle = self.0.keys().filter(|group| !is_run(group));
        Ok(idle
            .map(|group| format!("{TESTS} has no test {}", test_of(group)))
            .collect())
    }
}

fn test_of(group: &str) -> String {
    format!("authorization_of_{group}")
}

fn proof<'a>(group: &str, case: &'a Case, check: &'a Check) -> Proof<'a> {
    Proof {
        resource_type: check.r#type.as_deref(),
        keys: check.keys.keys().map(|key| plain(key)).collect(),
        operation: case.operation.as_deref(),
        note: case.note.as_deref(),
        test: format!("{MODULE}::{}", test_of(group)),
    }
}
