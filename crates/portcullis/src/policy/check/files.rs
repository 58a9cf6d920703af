//! Which files are checked.

use std::fs::DirEntry;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portcullis_lint::{Finding, IssueCode};
use portcullis_policy::Span;
use portcullis_policy::json::{self, Json};

use crate::policy::input::PolicyFile;

/// The policies found, what was left out, and what stood in the way.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) policies: Vec<PolicyFile>,
    /// Files that are no UTF-8.
    pub(super) not_text: Vec<Garbled>,
    /// JSON files of directories that are no policies.
    pub(super) skipped: Vec<String>,
    pub(super) unreadable: Vec<anyhow::Error>,
}

/// A file that is no UTF-8.
#[derive(Debug)]
pub(super) struct Garbled {
    /// What is no UTF-8 is replaced by U+FFFD.
    pub(super) file: PolicyFile,
    /// Where the first byte stands that is none, in bytes: the text before it is whole.
    offset: usize,
}

impl Garbled {
    /// The one thing to say about it.
    pub(super) fn finding(&self) -> Finding {
        Finding {
            code: IssueCode::InvalidCharacter,
            message: format!(
                "The file is not UTF-8: the byte at offset {} begins no character.",
                self.offset
            ),
            path: Vec::new(),
            span: Span {
                start: self.offset,
                end: self.offset + char::REPLACEMENT_CHARACTER.len_utf8(),
            },
            related: Vec::new(),
            replacement: None,
        }
    }
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
        let name = path.display().to_string();
        let bytes = match bytes(path) {
            Ok(bytes) => bytes,
            Err(error) => return self.unreadable.push(error),
        };
        match String::from_utf8(bytes) {
            Ok(text) if wanted(&text) => self.policies.push(PolicyFile { name, text }),
            Ok(_) => self.skipped.push(name),
            Err(error) => self.not_text.push(Garbled {
                offset: error.utf8_error().valid_up_to(),
                file: PolicyFile {
                    name,
                    text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                },
            }),
        }
    }

    /// Links to directories are not followed: they may lead back.
    fn walk(&mut self, directory: &Path) {
        let entries = match entries(directory) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push(error),
        };
        let is_json = |path: &Path| {
            path.extension()
                .is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        };
        for entry in entries {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.walk(&path);
            } else if is_json(&path) {
                self.read(&path, is_meant_as_policy);
            }
        }
    }
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(bytes)
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

/// Directories hold other JSON files, too. What is whole JSON and has no element of a policy is none of ours; what is
/// broken may be. `version` in small letters is what package.json and its like have.
fn is_meant_as_policy(text: &str) -> bool {
    let is_element = |key: &str| {
        key == "Version" || key.eq_ignore_ascii_case("Statement") || key.eq_ignore_ascii_case("Statements")
    };
    match json::parse(text).map(|root| root.value) {
        Ok(Json::Object(members)) => members.iter().any(|member| is_element(&member.key)),
        Ok(_) => false,
        Err(_) => true,
    }
}
