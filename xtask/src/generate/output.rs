//! The generated files: formatting, writing, comparing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Texts by path below the target folder.
#[derive(Default)]
pub struct Files(BTreeMap<PathBuf, String>);

impl Files {
    /// Adds a file.
    pub fn add(&mut self, path: PathBuf, text: String) {
        self.0.insert(path, text);
    }

    /// The same, as rustfmt prints them.
    pub fn formatted(self, root: &Path) -> Result<Self> {
        let formatted = self.0.into_iter().map(|(path, text)| {
            let text = rustfmt(root, &text).with_context(|| format!("formatting {}", path.display()))?;
            Ok((path, text))
        });
        Ok(Self(formatted.collect::<Result<_>>()?))
    }

    /// Fails if `target` differs from what would be written.
    pub fn check(&self, target: &Path) -> Result<()> {
        let mut stale = self.leftovers(target)?;
        for (path, text) in &self.0 {
            if fs::read_to_string(target.join(path)).ok().as_ref() != Some(text) {
                stale.push(path.clone());
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        bail!("generated code is not current ({stale:?}); run `cargo xtask generate`")
    }

    /// Writes what changed and removes what is no longer generated.
    pub fn write(&self, target: &Path) -> Result<()> {
        for leftover in self.leftovers(target)? {
            fs::remove_file(target.join(&leftover))
                .with_context(|| format!("removing {}", leftover.display()))?;
        }
        for (path, text) in &self.0 {
            let path = target.join(path);
            if fs::read_to_string(&path).ok().as_ref() == Some(text) {
                continue;
            }
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    /// Files below `target` that we do not generate.
    fn leftovers(&self, target: &Path) -> Result<Vec<PathBuf>> {
        let mut leftovers = Vec::new();
        let mut folders = vec![target.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(relative) = path.strip_prefix(target)
                    && !self.0.contains_key(relative)
                {
                    leftovers.push(relative.to_owned());
                }
            }
        }
        Ok(leftovers)
    }
}

fn rustfmt(root: &Path, text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt; is the component installed?")?;
    let mut input = child.stdin.take().context("rustfmt has a standard input")?;
    let text = text.to_owned();
    // A thread of its own, since rustfmt may answer before it has read everything.
    let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    feeder.join().ok().context("the thread that feeds rustfmt")??;
    if !output.status.success() {
        bail!("rustfmt refused the text");
    }
    Ok(String::from_utf8(output.stdout)?)
}
