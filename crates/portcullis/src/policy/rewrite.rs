//! What `format`, `expand` and `minimise` share: policies in, policies out.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use portcullis_analysis::RewriteError;
use portcullis_policy::Kind;

use super::documents::refusal;
use super::input::PolicyFile;

/// Which policies, and where the result goes.
#[derive(Debug, Args)]
pub struct Output {
    /// The policies; `-` is standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the result back to the file instead of printing it
    #[arg(long)]
    write: bool,
    /// Print nothing; exit with 1 if a file would change
    #[arg(long, conflicts_with = "write")]
    check: bool,
}

/// A policy rewritten, and what to say about it on standard error.
pub struct Rewritten {
    /// The new text.
    pub text: String,
    /// Remarks.
    pub remarks: Vec<String>,
}

/// Rewrites every file: exit code 0, or 1 if `--check` found something to do.
pub fn run(
    output: &Output,
    rewrite: impl Fn(&str, Kind) -> Result<Rewritten, RewriteError>,
) -> anyhow::Result<ExitCode> {
    let mut changes = false;
    for path in &output.files {
        let file = PolicyFile::read(path)?;
        let document = portcullis_analysis::read(&file.text)
            .map_err(|refused| anyhow!("{}", refusal(&file.name, &file.text, Kind::Identity, &refused)))?;
        let kind = document.kind();
        let rewritten = rewrite(&file.text, kind).map_err(|error| anyhow!("{}: {error}", file.name))?;
        for remark in &rewritten.remarks {
            crate::complain(&format!("{}: {remark}", file.name));
        }
        let is_changed = rewritten.text != file.text;
        changes |= is_changed;
        if output.check {
            if is_changed {
                crate::say(&file.name);
            }
        } else if output.write && file.name != "-" {
            if is_changed {
                std::fs::write(path, &rewritten.text)?;
            }
        } else {
            crate::say(rewritten.text.trim_end());
        }
    }
    Ok(ExitCode::from(u8::from(output.check && changes)))
}
