//! Prints the service authorisation reference: texts and tables that `portcullis-reference` reads where they lie. The layout's
//! other half is `crates/reference/src/blob.rs`.

mod build;
mod facts;
mod names;
mod output;
mod source;
mod spelling;

/// The hash and the order of names, shared with the crate that reads the tables.
#[path = "../../../../crates/reference/src/fold.rs"]
mod fold;

/// What the crate decides where AWS is silent.
#[path = "../../../../crates/reference/src/open_points.rs"]
#[expect(dead_code, reason = "the crate uses the rest")]
mod open_points;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use source::Source;

/// Writes `crates/reference/data`, or with `check` fails if what is there differs.
pub fn run(root: &Path, check: bool) -> Result<()> {
    let source = Source::read(&root.join("models"))?;
    let (texts, tables) = build::files(&source).context("building the service authorisation reference")?;
    let target = root.join("crates/reference/data");
    for (name, bytes) in [("reference.txt", texts.into_bytes()), ("reference.bin", tables)] {
        let path = target.join(name);
        if fs::read(&path).ok().as_ref() == Some(&bytes) {
            continue;
        }
        if check {
            bail!("{name} is not current; run `cargo xtask generate`");
        }
        fs::create_dir_all(&target)?;
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
