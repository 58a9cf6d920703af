//! Rules of the house that no compiler knows: files stay small, and nothing of the machine they were written on is in them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::Session;
use crate::shell;

/// No hand-written file is longer; 500 is the aim (functions: clippy's `too_many_lines`).
const LINES_MAX: usize = 800;

/// Folders whose Rust code nobody writes by hand.
const GENERATED: &[&str] = &["crates/api/src/"];

pub fn run(_: &mut Session) -> Result<()> {
    let listed = shell::output(shell::program("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let traces = traces_of_this_machine();
    let mut found = Vec::new();
    for name in listed.lines() {
        let path = shell::root().join(name);
        // A file deleted but not yet committed is still listed; a binary file has no lines to check.
        let Some(text) = fs::read(&path)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
        else {
            continue;
        };
        let lines = text.lines().count();
        if name.ends_with(".rs")
            && !GENERATED.iter().any(|folder| name.starts_with(folder))
            && lines > LINES_MAX
        {
            found.push(format!("{name} has {lines} lines, {LINES_MAX} at most"));
        }
        let named = traces.iter().filter(|trace| text.contains(trace.as_str()));
        found.extend(named.map(|trace| format!("{name} names `{trace}` of this machine")));
    }
    if !found.is_empty() {
        bail!("\n  {}", found.join("\n  "));
    }
    Ok(())
}

/// Texts that only make sense here: where this clone and its neighbours lie, and the registries configured for this machine.
fn traces_of_this_machine() -> Vec<String> {
    let mut traces = Vec::new();
    // A clone that lies at the top, or among temporary files, has no path that only this machine would have.
    let parent = shell::root().parent().filter(|parent| parent.parent().is_some());
    if let Some(parent) = parent.filter(|parent| *parent != std::env::temp_dir()) {
        traces.extend(neighbours(parent));
    }
    traces.extend(registry_hosts().unwrap_or_default());
    traces
}

fn neighbours(parent: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect()
}

/// Hosts that cargo and pip are told to use here in place of the public registries.
fn registry_hosts() -> Result<Vec<String>> {
    let home = shell::output(shell::program("sh").args(["-c", "echo \"${CARGO_HOME:-$HOME/.cargo}\""]))?;
    let home = PathBuf::from(home.trim());
    let mut settings = String::new();
    for name in ["config.toml", "config"] {
        settings += &fs::read_to_string(home.join(name)).unwrap_or_default();
    }
    if shell::has("pip") {
        settings += &shell::output(shell::program("pip").args(["config", "list"]))?;
    }
    let url =
        regex::Regex::new(r"https?://(?:[^/@\s]*@)?([A-Za-z0-9.-]+)").context("the pattern for addresses")?;
    let hosts = url
        .captures_iter(&settings)
        .filter_map(|found| found.get(1))
        .map(|host| host.as_str().to_owned());
    Ok(hosts
        .filter(|host| !PUBLIC_HOSTS.contains(&host.as_str()))
        .collect())
}

/// Everybody's registries may be named.
const PUBLIC_HOSTS: &[&str] = &[
    "crates.io",
    "index.crates.io",
    "github.com",
    "pypi.org",
    "files.pythonhosted.org",
];
