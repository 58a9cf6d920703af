//! Every dependency stands under a licence that `deny.toml` allows. cargo-deny does this if it is installed; if not, we read
//! the licence expressions ourselves and say that known vulnerabilities were not looked up.

use std::fs;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::Session;
use crate::shell;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

pub fn run(session: &mut Session) -> Result<()> {
    if shell::has("cargo-deny") {
        return run_cargo_deny(session);
    }
    session.leave_out(
        "known vulnerabilities of dependencies",
        "cargo-deny is not installed",
    );
    let allowed = allowed_licences()?;
    let json = shell::output(&mut shell::cargo([
        "metadata",
        "--format-version",
        "1",
        "--locked",
    ]))?;
    let metadata: Metadata = serde_json::from_str(&json)?;
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| refusal(package, &allowed))
        .collect();
    if !refused.is_empty() {
        bail!("not allowed by deny.toml: {}", refused.join(", "));
    }
    println!(
        "{} packages, all under licences of deny.toml",
        metadata.packages.len()
    );
    Ok(())
}

fn run_cargo_deny(session: &mut Session) -> Result<()> {
    shell::run(&mut shell::cargo([
        "deny", "check", "licenses", "bans", "sources",
    ]))?;
    if shell::run(&mut shell::cargo(["deny", "fetch", "db"])).is_err() {
        session.leave_out(
            "known vulnerabilities of dependencies",
            "the advisory database cannot be had here",
        );
        return Ok(());
    }
    shell::run(&mut shell::cargo(["deny", "check", "advisories"]))
}

/// The strings of `allow = [...]` in deny.toml's section on licences.
fn allowed_licences() -> Result<Vec<String>> {
    let text = fs::read_to_string(shell::root().join("deny.toml")).context("cannot read deny.toml")?;
    let section = text
        .split_once("[licenses]")
        .map(|(_, rest)| rest)
        .context("deny.toml has no [licenses]")?;
    let list = section
        .split_once("allow = [")
        .and_then(|(_, rest)| rest.split_once(']'));
    let (list, _) = list.context("deny.toml has no list of allowed licences")?;
    Ok(list.split('"').skip(1).step_by(2).map(str::to_owned).collect())
}

fn refusal(package: &Package, allowed: &[String]) -> Option<String> {
    let Package {
        name,
        version,
        license,
    } = package;
    match license {
        None => Some(format!("{name} {version} (no licence given)")),
        Some(expression) if satisfied(expression, allowed) => None,
        Some(expression) => Some(format!("{name} {version} ({expression})")),
    }
}

/// Whether an SPDX expression can be met with allowed licences alone: AND binds tighter than OR, `/` is the old OR.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Expression {
        words: &words,
        allowed,
    };
    parser.any() && parser.words.is_empty()
}

struct Expression<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Expression<'_> {
    fn any(&mut self) -> bool {
        let mut met = self.all();
        while self.take("OR") {
            met |= self.all();
        }
        met
    }

    fn all(&mut self) -> bool {
        let mut met = self.one();
        while self.take("AND") {
            met &= self.one();
        }
        met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let met = self.any();
            return self.take(")") && met;
        }
        let Some((name, rest)) = self.words.split_first() else {
            return false;
        };
        self.words = rest;
        if !self.take("WITH") {
            return self.allows(name);
        }
        let Some((exception, rest)) = self.words.split_first() else {
            return false;
        };
        self.words = rest;
        // An exception only ever adds permissions to the licence it stands with.
        self.allows(name) || self.allows(&format!("{name} WITH {exception}"))
    }

    fn allows(&self, licence: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == licence)
    }

    fn take(&mut self, word: &str) -> bool {
        let Some((first, rest)) = self.words.split_first() else {
            return false;
        };
        let taken = *first == word;
        if taken {
            self.words = rest;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_as_spdx_says() {
        let allowed = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned);
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("(MIT", false),
            ("", false),
        ] {
            assert_eq!(satisfied(expression, &allowed), met, "{expression}");
        }
    }
}
