//! The builds an operator holds ready for our agents (docs/agent-updates.md): a folder with a file per version and
//! architecture, each beside the operator's signature. The server believes no signature and needs no key: agents verify.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use portcullis_wire::agent_build::{BUILD_BYTES_MAX, SIGNATURE_SUFFIX, SignedBuild, Version};

/// Largest file of a signature that is read, in bytes.
const SIGNATURE_BYTES_MAX: u64 = 4 * 1024;

/// The builds of a server, for all its accounts.
#[derive(Debug, Default)]
pub struct AgentBuilds(ArcSwap<Catalogue>);

#[derive(Debug, Default)]
struct Catalogue {
    folder: PathBuf,
    builds: Vec<(SignedBuild, u64)>,
}

impl AgentBuilds {
    /// Reads what lies in a folder. Files that are no builds with their signatures are passed over.
    pub fn read(&self, folder: &Path) -> io::Result<()> {
        let mut builds = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if !name.ends_with(SIGNATURE_SUFFIX) {
                continue;
            }
            match build_of(folder, &path) {
                Ok(build) => builds.push(build),
                Err(error) => tracing::warn!(file = name, %error, "not an agent's build"),
            }
        }
        let folder = folder.to_owned();
        self.0.store(Arc::new(Catalogue { folder, builds }));
        Ok(())
    }

    /// The newest build for an architecture that is newer than `version`, and its size.
    pub(crate) fn newer(&self, architecture: &str, version: Version) -> Option<(SignedBuild, u64)> {
        let catalogue = self.0.load();
        let fitting = catalogue
            .builds
            .iter()
            .filter(|(build, _)| build.architecture == architecture);
        let newest = fitting.max_by_key(|(build, _)| build.version)?;
        (newest.0.version > version).then(|| newest.clone())
    }

    /// Up to `length` bytes of a build's file. Blocks.
    pub(crate) fn part(&self, build: &SignedBuild, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.0.load().folder.join(build.file_name()))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut part = Vec::new();
        file.take(length).read_to_end(&mut part)?;
        Ok(part)
    }
}

fn build_of(folder: &Path, signature: &Path) -> io::Result<(SignedBuild, u64)> {
    let mut text = String::new();
    File::open(signature)?
        .take(SIGNATURE_BYTES_MAX)
        .read_to_string(&mut text)?;
    let build: SignedBuild = serde_json::from_str(&text).map_err(io::Error::other)?;
    let name = format!("{}{SIGNATURE_SUFFIX}", build.file_name());
    if !build.is_well_formed() || signature.file_name().and_then(|name| name.to_str()) != Some(name.as_str())
    {
        return Err(io::Error::other(
            "the signature is of another build than its name says",
        ));
    }
    let size = fs::metadata(folder.join(build.file_name()))?.len();
    match size {
        1..=BUILD_BYTES_MAX => Ok((build, size)),
        _ => Err(io::Error::other("its size is that of no build")),
    }
}
