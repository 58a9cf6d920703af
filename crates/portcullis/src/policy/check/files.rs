//! Which files are checked.

use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portcullis_policy::json::{self, Json};

use crate::policy::input::PolicyFile;

/// The policies found, and what stood in the way.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) policies: Vec<PolicyFile>,
    pub(super) unreadable: Vec<anyhow::Error>,
}

/// Reads files as they are given, and directories down to their last *.json file.
pub(super) fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        if path.is_dir() {
            found.walk(path);
        } else {
            found.read(path, |_| true);
        }
    }
    found
}

impl Found {
    fn read(&mut self, path: &Path, wanted: impl Fn(&str) -> bool) {
        match PolicyFile::read(path) {
            Ok(file) if wanted(&file.text) => self.policies.push(file),
            Ok(_) => {}
            Err(error) => self.unreadable.push(error),
        }
    }

    /// Links to directories are not followed: they may lead back.
    fn walk(&mut self, directory: &Path) {
        let entries = match entries(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push(error),
        };
        for entry in entries {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.walk(&path);
            } else if path.extension().is_some_and(|extension| extension == "json") {
                self.read(&path, may_be_policy);
            }
        }
    }
}

fn entries(directory: &Path) -> anyhow::Result<Vec<DirEntry>> {
    let describe = || format!("{} cannot be read", directory.display());
    let listed = std::fs::read_dir(directory).with_context(describe)?;
    let mut entries = listed
        .collect::<Result<Vec<DirEntry>, _>>()
        .with_context(describe)?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

/// Directories hold other JSON files, too. What is whole JSON without a Statement is none of ours; what is broken may be.
fn may_be_policy(text: &str) -> bool {
    match json::parse(text).map(|root| root.value) {
        Ok(Json::Object(members)) => members
            .iter()
            .any(|member| member.key.eq_ignore_ascii_case("Statement")),
        Ok(_) => false,
        Err(_) => text.contains("Statement"),
    }
}
