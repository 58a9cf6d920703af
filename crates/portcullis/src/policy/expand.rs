//! `portcullis policy expand`: wildcards in actions written out.

use std::process::ExitCode;

use clap::Args;
use portcullis_analysis::{Expansion, expand};

use super::rewrite::{Output, Rewritten};

/// What to write out.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    output: Output,
    /// Drop actions that the service reference does not know
    #[arg(long)]
    only_known: bool,
    /// Write NotAction as the Action list of all others
    #[arg(long)]
    not_action: bool,
    /// Write out a bare `*`, too: more than 20,000 actions
    #[arg(long)]
    everything: bool,
}

/// Writes out the actions of every file.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let how = Expansion {
        only_known: options.only_known,
        not_action: options.not_action,
        everything: options.everything,
    };
    super::rewrite::run(&options.output, |text, kind| {
        Ok(Rewritten {
            text: expand(text, kind, how)?,
            remarks: Vec::new(),
        })
    })
}
