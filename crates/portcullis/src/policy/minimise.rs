//! `portcullis policy minimise`: the same meaning, with less.

use std::process::ExitCode;

use clap::Args;
use portcullis_analysis::minimise;

use super::rewrite::{Output, Rewritten};

/// What to make smaller.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    output: Output,
    /// Take the actions of the service reference for all there will ever be: full sets of them become patterns
    #[arg(long)]
    known_actions: bool,
}

/// Makes every file smaller; what was done goes to standard error.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    super::rewrite::run(&options.output, |text, kind| {
        let minimal = minimise(text, kind, options.known_actions)?;
        let mut remarks: Vec<String> = minimal.steps.iter().map(ToString::to_string).collect();
        if minimal.gave_up {
            remarks.push("there was more to try than time for it; run it again on the result".to_owned());
        }
        Ok(Rewritten {
            text: minimal.text,
            remarks,
        })
    })
}
