//! Reading policies from files.

use std::path::Path;

use anyhow::Context as _;

/// A policy's text and what to call it.
#[derive(Debug)]
pub struct PolicyFile {
    /// The path as given; `-` is standard input.
    pub name: String,
    /// The text, byte for byte.
    pub text: String,
}

impl PolicyFile {
    /// Reads a file, or standard input for `-`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let text = if name == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        let text = text.with_context(|| format!("{name} cannot be read"))?;
        Ok(Self { name, text })
    }
}
