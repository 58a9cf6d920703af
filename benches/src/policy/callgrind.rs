//! Instructions of one decision, counted by callgrind: the same on a quiet and on a noisy machine, so that a regression shows.

use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::policy::workload::Case;
use crate::policy::{counted, ours};

/// Counted with so many decisions and with so many more; the difference is theirs alone.
const FEW: usize = 100;
const MORE: usize = 1_000;
const COUNTS: [usize; 4] = [1, 10, 100, 1_000];
const WHAT: [&str; 3] = ["authorize", "bounded", "prepare"];

/// Prints the instructions of one decision.
pub fn table() -> Result<()> {
    println!("| instructions | N | allow | implicit deny | explicit deny |\n| --- | --- | --- | --- | --- |");
    for what in WHAT {
        let counts = if what == "prepare" {
            [1].as_slice()
        } else {
            &COUNTS
        };
        for count in counts {
            let mut line = format!("| {} | {} |", title(what), counted(*count));
            for case in Case::ALL {
                line.push_str(&format!(" {} |", counted(instructions(what, *count, case)?)));
            }
            println!("{line}");
        }
    }
    Ok(())
}

fn title(what: &str) -> &'static str {
    match what {
        "prepare" => "Prepared::new",
        "bounded" => "authorize, boundary and session too",
        _ => "authorize",
    }
}

fn instructions(what: &str, count: usize, case: Case) -> Result<usize> {
    let few = collected(what, count, case, FEW)?;
    let many = collected(what, count, case, FEW + MORE)?;
    Ok((many - few) / MORE)
}

/// Runs the loop under callgrind, which says at the end how many instructions it collected.
fn collected(what: &str, count: usize, case: Case, times: usize) -> Result<usize> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args([
            "policy",
            "loop",
            what,
            &count.to_string(),
            case.name(),
            &times.to_string(),
        ])
        .output()
        .context("valgrind cannot be started; install it to count instructions")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind failed: {said}");
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = line.context("valgrind says nothing about what it collected")?;
    Ok(number.trim().parse()?)
}

/// The counted program: `WHAT N CASE TIMES`.
pub fn child(arguments: &[&str]) -> Result<()> {
    let [what, count, case, times] = arguments else {
        bail!("usage: policy loop WHAT N CASE TIMES");
    };
    let case = Case::ALL.into_iter().find(|known| known.name() == *case);
    ours::repeat(
        what,
        count.parse()?,
        case.context("there is no such case")?,
        times.parse()?,
    )
}
