//! `portcullis policy format`: policies laid out as the AWS console does.

use std::process::ExitCode;

use clap::Args;

use super::rewrite::{Output, Rewritten};

/// What to lay out.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    output: Output,
}

/// Lays out every file.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    super::rewrite::run(&options.output, |text, kind| {
        Ok(Rewritten {
            text: portcullis_analysis::format(text, kind)?,
            remarks: Vec::new(),
        })
    })
}
