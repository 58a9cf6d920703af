//! `cargo xtask rules`: which tests prove which rule of the policy language, from the tests' names.

mod open_points;
mod scan;
mod table;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::shell;
use table::Table;

/// The rules there are: R1 to R182.
const RULES: u16 = 182;

const TABLE: &str = "docs/policy-rules.md";
const FIDELITY: &str = "docs/fidelity.md";

/// Writes the table anew, or with `--check` fails if it is not current, a rule has no test, or an open point no row.
pub fn command(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [] => write()?,
        [flag] if flag == "--check" => check()?,
        _ => bail!("usage: cargo xtask rules [--check]"),
    }
    Ok(ExitCode::SUCCESS)
}

fn write() -> Result<()> {
    let table = table()?;
    fs::write(shell::root().join(TABLE), table.print()).with_context(|| format!("writing {TABLE}"))?;
    println!("{TABLE}: {}", table.summary());
    Ok(())
}

/// Fails if the table is not current, a rule has no test, or an open point has no test or no row in the fidelity page.
pub fn check() -> Result<()> {
    let table = table()?;
    let mut found = table.offences();
    let text = fs::read_to_string(shell::root().join(TABLE)).unwrap_or_default();
    if text != table.print() {
        found.push(format!("{TABLE} is not current; run `cargo xtask rules`"));
    }
    let fidelity =
        fs::read_to_string(shell::root().join(FIDELITY)).with_context(|| format!("reading {FIDELITY}"))?;
    found.extend(open_points::offences(&table, &fidelity));
    if found.is_empty() {
        println!("{}", table.summary());
        return Ok(());
    }
    bail!("\n  {}", found.join("\n  "))
}

fn table() -> Result<Table> {
    let sources = scan::sources()?;
    Table::new(include_str!("subjects.txt"), &sources)
}
