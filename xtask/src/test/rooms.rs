//! Who may depend on whom: the table of ARCHITECTURE.md, held against `cargo metadata`.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::Session;
use crate::shell;

/// For the binary, which puts the rooms together, and the bench, which measures them.
const EVERY_ROOM: &[&str] = &[
    "portcullis-core",
    "portcullis-reference",
    "portcullis-policy",
    "portcullis-lint",
    "portcullis-analysis",
    "portcullis-wire",
    "portcullis-api",
    "portcullis-store",
    "portcullis-schedule",
    "portcullis-logs",
    "portcullis-blobs",
    "portcullis-control",
    "portcullis-agent",
];

/// A room and the rooms its code may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("portcullis-core", &[]),
    ("portcullis-reference", &[]),
    ("portcullis-policy", &["portcullis-core", "portcullis-reference"]),
    ("portcullis-lint", &["portcullis-policy", "portcullis-reference"]),
    (
        "portcullis-analysis",
        &["portcullis-core", "portcullis-policy", "portcullis-reference"],
    ),
    ("portcullis-wire", &["portcullis-core"]),
    ("portcullis-api", &["portcullis-wire", "portcullis-core"]),
    ("portcullis-store", &["portcullis-core"]),
    ("portcullis-schedule", &["portcullis-core"]),
    ("portcullis-logs", &["portcullis-core"]),
    ("portcullis-blobs", &["portcullis-core"]),
    (
        "portcullis-control",
        &[
            "portcullis-core",
            "portcullis-reference",
            "portcullis-policy",
            "portcullis-lint",
            "portcullis-wire",
            "portcullis-api",
            "portcullis-store",
            "portcullis-schedule",
            "portcullis-logs",
            "portcullis-blobs",
        ],
    ),
    (
        "portcullis-agent",
        &["portcullis-core", "portcullis-wire", "portcullis-api"],
    ),
    ("portcullis", EVERY_ROOM),
    ("portcullis-bench", EVERY_ROOM),
    ("xtask", &[]),
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// Null for the normal kind; `dev` and `build` are free.
    kind: Option<String>,
}

pub fn run(_: &mut Session) -> Result<()> {
    let json = shell::output(&mut shell::cargo([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
    ]))?;
    let found = offences(&serde_json::from_str(&json)?);
    if !found.is_empty() {
        bail!(
            "{}; change the code, or the table in xtask/src/test/rooms.rs with a reason",
            found.join("; ")
        );
    }
    Ok(())
}

fn offences(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut found = Vec::new();
    for package in &metadata.packages {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
            found.push(format!("{} is a room the table does not know", package.name));
            continue;
        };
        let uses = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind.is_none());
        let wrong =
            uses.filter(|used| ours.contains(used.name.as_str()) && !allowed.contains(&used.name.as_str()));
        found.extend(wrong.map(|used| format!("{} may not depend on {}", package.name, used.name)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_normal_dependency_outside_the_table_is_an_offence_and_a_dev_one_is_not() {
        let json = r#"{"packages": [
            {"name": "portcullis-core", "dependencies": [{"name": "serde", "kind": null}]},
            {"name": "portcullis-policy", "dependencies": [
                {"name": "portcullis-core", "kind": null},
                {"name": "portcullis-wire", "kind": null},
                {"name": "portcullis-store", "kind": "dev"}]},
            {"name": "portcullis-wire", "dependencies": []},
            {"name": "portcullis-store", "dependencies": []},
            {"name": "portcullis-attic", "dependencies": []}]}"#;
        assert_eq!(
            offences(&serde_json::from_str(json).unwrap()),
            [
                "portcullis-policy may not depend on portcullis-wire",
                "portcullis-attic is a room the table does not know"
            ]
        );
    }
}
