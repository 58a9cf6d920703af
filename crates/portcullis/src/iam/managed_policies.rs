//! `portcullis iam update-managed-policies`: later versions of AWS's policies than those that came with the server.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use portcullis_control::world::managed;
use portcullis_control::world::managed::collection::Collection;

/// The file in the data directory.
const FILE: &str = "managed-policies.json";

/// Where the policies are, and where they go.
#[derive(Debug, Args)]
pub struct Options {
    /// A collection of AWS managed policies, in the form of models/managed-policies.json
    file: PathBuf,
    /// The server's data directory
    #[arg(long, default_value = "portcullis-data")]
    data_dir: PathBuf,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Checks the policies and puts those that are new or newer beside the server's state.
pub fn run(options: &Options) -> Result<ExitCode> {
    if !options.data_dir.is_dir() {
        bail!(
            "{} is no directory: name the server's with --data-dir",
            options.data_dir.display()
        );
    }
    let mut kept = kept(&options.data_dir)?;
    let changes = kept.take(read(&options.file)?);
    if !options.dry_run && changes.new + changes.newer > 0 {
        replace(&options.data_dir.join(FILE), &kept.to_text()?)?;
    }
    crate::say(&format!(
        "{} new, {} newer, {} known already.",
        changes.new, changes.newer, changes.known
    ));
    if !options.dry_run && changes.new + changes.newer > 0 {
        crate::say("The server takes them when it starts the next time.");
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts what the data directory has in force, before anybody looks a policy up.
pub fn install(data_dir: &Path) -> Result<()> {
    let kept = kept(data_dir)?;
    if kept != Collection::default() && !managed::install(kept) {
        bail!("the AWS managed policies were looked at before {FILE} was read");
    }
    Ok(())
}

fn kept(data_dir: &Path) -> Result<Collection> {
    let path = data_dir.join(FILE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Collection::default()),
        _ => read(&path),
    }
}

fn read(path: &Path) -> Result<Collection> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Collection::read(&text).with_context(|| path.display().to_string())
}

/// Writes the file whole or not at all.
fn replace(path: &Path, text: &str) -> Result<()> {
    let unfinished = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}
