//! The agent's own key (reliability-and-security.md 4.9): made at its first start, kept in the state folder for its owner's eyes
//! only, and never sent. Whoever has the instance's AWS credentials but not this file is not this agent.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use portcullis_core::{Clock, Random, Secret, Timestamp};
use portcullis_wire::agent_proof::{AgentKey, KEY_HEADER, PROOF_HEADER, Subject, digest};

use crate::{AgentError, saved};

const FILE: &str = "agent-key";
/// What others may not have of the file.
const OTHERS: u32 = 0o077;

/// The key, and as whom it proves.
#[derive(Debug)]
pub(crate) struct KeyHolder {
    key: AgentKey,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// The container instance, once it is registered.
    instance: OnceLock<String>,
    /// When the last proof was made, in milliseconds: the next one is newer, or it would pass for a replay.
    last: AtomicI64,
}

impl KeyHolder {
    /// The key of the state folder; a new one at the first start.
    pub(crate) fn open(
        state_dir: &Path,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, AgentError> {
        let path = state_dir.join(FILE);
        let failed = |source| AgentError::File {
            path: path.clone(),
            source,
        };
        let key = match read(&path).map_err(failed)? {
            Some(key) => key,
            None => make(&path, random.as_ref()).map_err(failed)?,
        };
        Ok(Self {
            key,
            clock,
            random,
            instance: OnceLock::new(),
            last: AtomicI64::new(0),
        })
    }

    /// The agent is this container instance's from now on.
    pub(crate) fn speak_for(&self, instance: &str) {
        // An agent is one instance's for as long as it runs.
        let _ = self.instance.set(instance.to_owned());
    }

    /// The public half, as registrations carry it.
    pub(crate) fn header(&self) -> (&'static str, String) {
        (KEY_HEADER, self.public())
    }

    /// The public half in base 64.
    pub(crate) fn public(&self) -> String {
        self.key.public().to_string()
    }

    /// The token of the first registration. It follows from the key, so that an agent that never heard the answer finds its
    /// instance again.
    pub(crate) fn registration_token(&self) -> String {
        let digest = digest(self.public().as_bytes());
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A proof as the container instance; `None` before it is registered.
    pub(crate) fn proof(&self, operation: &str, host: &str, body: &[u8]) -> Option<(&'static str, String)> {
        let instance = self.instance.get()?;
        Some(self.proof_as(instance, operation, host, body))
    }

    /// A proof as `holder`.
    pub(crate) fn proof_as(
        &self,
        holder: &str,
        operation: &str,
        host: &str,
        body: &[u8],
    ) -> (&'static str, String) {
        let subject = Subject::new(holder, operation, host, body);
        let proof = self.key.prove(&subject, self.next_moment(), self.random.as_ref());
        (PROOF_HEADER, proof.to_string())
    }

    /// Now, but always later than before.
    fn next_moment(&self) -> Timestamp {
        let now = self.clock.now().as_millis();
        let later = |last: i64| Some(now.max(last.saturating_add(1)));
        let last = self
            .last
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later)
            .unwrap_or(now);
        Timestamp::from_millis(now.max(last.saturating_add(1)))
    }
}

/// The saved key. A file that others can read is as good as lost: better no agent than a second one.
fn read(path: &Path) -> io::Result<Option<AgentKey>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    if fs::metadata(path)?.permissions().mode() & OTHERS != 0 {
        return Err(io::Error::other(
            "others can read the agent's key; remove the file, deregister the container instance, and start anew",
        ));
    }
    let key = AgentKey::from_secret(&Secret::new(text.trim()));
    key.map(Some)
        .map_err(|_| io::Error::other("it holds no key; remove it to register anew"))
}

fn make(path: &Path, random: &dyn Random) -> io::Result<AgentKey> {
    let key = AgentKey::generate(random).map_err(|_| io::Error::other("no key could be made"))?;
    saved::replace(path, key.secret().expose().as_bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use portcullis_core::{FixedClock, SeededRandom};
    use portcullis_wire::agent_proof::Proof;

    use super::*;

    fn open(folder: &Path, seed: u64) -> Result<KeyHolder, AgentError> {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_795_304_278)));
        KeyHolder::open(folder, clock, Arc::new(SeededRandom::new(seed)))
    }

    #[test]
    fn reliability_4_9_the_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = open(folder.path(), 1).unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(open(folder.path(), 2).unwrap().public(), first.public());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = open(folder.path(), 3).unwrap_err().to_string();
        assert!(error.contains("others can read"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "not a key").unwrap();
        assert!(open(folder.path(), 4).is_err());
    }

    #[test]
    fn each_proof_is_newer_than_the_one_before_though_the_clock_stands() {
        let folder = tempfile::tempdir().unwrap();
        let holder = open(folder.path(), 1).unwrap();
        assert_eq!(holder.proof("Poll", "h", b""), None);
        holder.speak_for("arn");
        let mut last = None;
        for _ in 0..3 {
            let (_, text) = holder.proof("Poll", "h", b"").unwrap();
            let proof: Proof = text.parse().unwrap();
            assert!(last < Some(proof.made));
            last = Some(proof.made);
        }
    }
}
