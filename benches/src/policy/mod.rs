//! `cargo xtask bench policy`: nanoseconds of one decision, beside Cedar in the same run.

mod callgrind;
#[cfg(feature = "cedar")]
mod cedar;
mod clock;
mod ours;
mod targets;
mod workload;

use anyhow::{Result, bail};

use targets::Reached;
use workload::Case;

use crate::stats;

const USAGE: &str = "\
usage: cargo xtask bench policy [--callgrind]

  --callgrind   count instructions under valgrind instead of measuring time
";
const COUNTS: [usize; 4] = [1, 10, 100, 1_000];

/// Measures policy decisions.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] => measure(),
        ["--callgrind"] => callgrind::table(),
        ["loop", rest @ ..] => callgrind::child(rest),
        _ => bail!("usage: {USAGE}"),
    }
}

fn measure() -> Result<()> {
    println!("ns of processor time for one decision, the least of many batches; every answer is checked\n");
    println!(
        "| N | case | authorize | + Prepared::new | + boundary, session | decide | explain | Cedar, literal | Cedar, action groups | times faster |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut reached = Reached::default();
    for count in COUNTS {
        for case in Case::ALL {
            let ours = ours::decisions(count, case)?;
            let cedar = cedar_decisions(count, case)?;
            let ratio = cedar.map(|(_, better)| better / ours.authorize);
            reached.decided(count, &ours, ratio);
            println!(
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                counted(count),
                case.name(),
                shown(Some(ours.authorize)),
                shown(Some(ours.with_prepare)),
                shown(Some(ours.with_boundary_and_session)),
                shown(Some(ours.decide)),
                shown(Some(ours.explain)),
                shown(cedar.map(|(literal, _)| literal)),
                shown(cedar.map(|(_, better)| better)),
                shown(ratio),
            );
        }
    }
    println!(
        "\n| N | parse, ns per statement | compile, ns per statement | program, bytes per statement | text | Cedar: parse, ns per statement |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for count in COUNTS {
        let ours = ours::compiling(count)?;
        reached.compiled(each(ours.compile_ns, count));
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            counted(count),
            shown(Some(each(ours.parse_ns, count))),
            shown(Some(each(ours.compile_ns, count))),
            counted(ours.memory / count),
            counted(ours.text / count),
            shown(cedar_parsing(count)?.map(|ns| each(ns, count))),
        );
    }
    println!("\n{}", reached.table());
    Ok(())
}

fn each(all: f64, count: usize) -> f64 {
    all / as_number(count)
}

fn shown(figure: Option<f64>) -> String {
    match figure {
        Some(figure) if figure < 100.0 => format!("{figure:.1}"),
        Some(figure) => stats::grouped(figure),
        None => "-".to_owned(),
    }
}

/// A count as people read it.
fn counted(count: usize) -> String {
    stats::grouped(as_number(count))
}

fn as_number(count: usize) -> f64 {
    stats::number(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(feature = "cedar")]
fn cedar_decisions(count: usize, case: Case) -> Result<Option<(f64, f64)>> {
    let literal = cedar::decision(count, case, cedar::Form::Literal)?;
    let better = cedar::decision(count, case, cedar::Form::Groups)?;
    Ok(Some((literal, better)))
}

#[cfg(feature = "cedar")]
fn cedar_parsing(count: usize) -> Result<Option<f64>> {
    cedar::parsing(count).map(Some)
}

#[cfg(not(feature = "cedar"))]
fn cedar_decisions(_count: usize, _case: Case) -> Result<Option<(f64, f64)>> {
    Ok(None)
}

#[cfg(not(feature = "cedar"))]
fn cedar_parsing(_count: usize) -> Result<Option<f64>> {
    Ok(None)
}
