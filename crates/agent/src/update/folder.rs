//! The folder of staged builds. Whatever is in it is verified again before it is started: by the operator's signature, by its
//! hash, and that it is newer.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use portcullis_wire::agent_build::{SIGNATURE_SUFFIX, SignedBuild, Version, own_architecture};
use portcullis_wire::agent_proof::AgentPublicKey;
use sha2::{Digest as _, Sha256};

use crate::saved;

/// Names the build to be tried next.
const STAGED: &str = "staged";
/// Names the build that proved its health last.
const CURRENT: &str = "current";
/// A file of one of these is no larger, in bytes.
const NOTE_BYTES_MAX: u64 = 4 * 1024;

/// Where builds are, and how they are judged.
#[derive(Debug, Clone)]
pub struct BuildFolder {
    folder: PathBuf,
    key: AgentPublicKey,
    version: Version,
}

impl BuildFolder {
    pub(super) fn new(folder: PathBuf, key: AgentPublicKey, version: Version) -> Self {
        Self { folder, key, version }
    }

    /// Makes it, for the owner's eyes only.
    pub(super) fn prepare(&self) -> io::Result<()> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        fs::set_permissions(&self.folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
    }

    /// Why a build is not for this agent; checked before a byte of it is fetched.
    pub(super) fn judge(&self, build: &SignedBuild) -> Result<(), String> {
        if !build.holds(&self.key) {
            return Err("The signature of the update is not the operator's".to_owned());
        }
        if build.architecture != own_architecture() {
            return Err(format!(
                "The update is for {}, not for {}",
                build.architecture,
                own_architecture()
            ));
        }
        if build.version <= self.version {
            return Err(format!(
                "The update's version {} is not newer than {}",
                build.version, self.version
            ));
        }
        Ok(())
    }

    /// A file to fetch a build into.
    pub(super) fn draft(&self, build: &SignedBuild) -> io::Result<File> {
        let path = self.draft_path(build);
        if path.exists() {
            fs::remove_file(&path)?;
        }
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o700)
            .open(path)
    }

    /// Gives a build up that could not be fetched or put in its place: its room may be wanted.
    pub(super) fn discard(&self, build: &SignedBuild) {
        let name = build.file_name();
        let mut left = vec![self.draft_path(build)];
        if self.note(CURRENT).as_ref() != Some(&name) {
            left.push(self.folder.join(format!("{name}{SIGNATURE_SUFFIX}")));
            left.push(self.folder.join(name));
        }
        for path in left {
            // There may be none.
            let _ = fs::remove_file(path);
        }
    }

    fn draft_path(&self, build: &SignedBuild) -> PathBuf {
        self.folder.join(format!("{}.new", build.file_name()))
    }

    /// Puts a draft in its place, verified, as the next to be tried.
    pub(super) fn stage(&self, build: &SignedBuild) -> io::Result<()> {
        let (draft, name) = (self.draft_path(build), build.file_name());
        if hash(&draft)? != build.sha256 {
            return Err(io::Error::other("its hash is not the one that was signed"));
        }
        let signature = serde_json::to_string(build).map_err(io::Error::other)?;
        self.write(&format!("{name}{SIGNATURE_SUFFIX}"), &signature)?;
        fs::rename(draft, self.folder.join(&name))?;
        self.write(STAGED, &name)?;
        self.clear(&name);
        Ok(())
    }

    /// Whether a build is staged already, as a whole.
    pub(super) fn has_staged(&self, build: &SignedBuild) -> bool {
        self.note(STAGED).is_some_and(|name| name == build.file_name())
            && self
                .verified(&build.file_name())
                .is_ok_and(|(found, _)| found.sha256 == build.sha256)
    }

    /// The staged build, once: what failed is not tried again by itself.
    pub fn take_staged(&self) -> Option<PathBuf> {
        let name = self.note(STAGED)?;
        let _ = fs::remove_file(self.folder.join(STAGED));
        self.startable(&name)
    }

    /// The build that proved its health last, if it is newer than this program.
    pub fn current(&self) -> Option<PathBuf> {
        self.startable(&self.note(CURRENT)?)
    }

    /// A build is as good as it may be: it proved its health.
    pub fn keep(&self, build: &Path) -> io::Result<()> {
        let name = build.file_name().and_then(|name| name.to_str());
        self.write(CURRENT, name.unwrap_or_default())
    }

    fn startable(&self, name: &str) -> Option<PathBuf> {
        match self.verified(name) {
            Ok((_, path)) => Some(path),
            Err(problem) => {
                tracing::warn!(build = name, problem, "the build is not started");
                None
            }
        }
    }

    fn verified(&self, name: &str) -> Result<(SignedBuild, PathBuf), String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
        let text = self.note(&format!("{name}{SIGNATURE_SUFFIX}"));
        let build: SignedBuild =
            serde_json::from_str(&text.unwrap_or_default()).map_err(|error| unreadable(&error))?;
        self.judge(&build)?;
        if build.file_name() != name {
            return Err("its signature is another build's".to_owned());
        }
        let path = self.folder.join(name);
        match hash(&path) {
            Ok(found) if found == build.sha256 => Ok((build, path)),
            Ok(_) => Err("its hash is not the one that was signed".to_owned()),
            Err(error) => Err(unreadable(&error)),
        }
    }

    fn note(&self, name: &str) -> Option<String> {
        // What a note names lies beside it.
        let mut text = String::new();
        let file = File::open(self.folder.join(name)).ok()?;
        file.take(NOTE_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(text.trim().to_owned())
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        saved::replace(&self.folder.join(name), text.as_bytes())
    }

    /// Removes builds that nobody goes back to.
    fn clear(&self, staged: &str) {
        let current = self.note(CURRENT).unwrap_or_default();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let build = name.trim_end_matches(SIGNATURE_SUFFIX);
            if name.starts_with("portcullis-") && build != staged && build != current {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// SHA-256 of a file, in hexadecimal digits.
fn hash(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut buffer)?;
        match buffer.get(..length) {
            None | Some([]) => break,
            Some(read) => hasher.update(read),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
