//! Builds good and bad, from a control plane that is a list of bytes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use portcullis_core::SeededRandom;
use portcullis_wire::agent_build::own_architecture;
use portcullis_wire::agent_proof::{AgentKey, digest};
use serde_json::Value;

use super::*;
use crate::update::UpdateSettings;

const BODY: &[u8] = b"#!/bin/sh\nexit 0\n";

struct Served(Vec<u8>);

impl Fetch for Served {
    fn part(&self, _location: String, offset: u64) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        let rest = self.0.iter().skip(offset as usize).take(5).copied().collect();
        Box::pin(async move { Ok(rest) })
    }
}

fn hex(bytes: &[u8]) -> String {
    portcullis_core::hex(&digest(bytes))
}

fn key() -> AgentKey {
    AgentKey::generate(&SeededRandom::new(1)).unwrap()
}

fn signed(key: &AgentKey, version: &str) -> SignedBuild {
    SignedBuild::sign(key, version.parse().unwrap(), own_architecture(), &hex(BODY)).unwrap()
}

fn settings(folder: &Path) -> UpdateSettings {
    let mut settings = UpdateSettings::new(folder.join("updates"));
    settings.version = "1.0.0".to_owned();
    settings.enabled = true;
    settings.supervised = true;
    settings.set_public_key(&key().public().to_string()).unwrap();
    settings
}

fn message(build: &SignedBuild, size: usize) -> acs::StageUpdateMessage {
    acs::StageUpdateMessage {
        cluster_arn: "c".to_owned(),
        container_instance_arn: "i".to_owned(),
        message_id: "m".to_owned(),
        update_info: acs::UpdateInfo {
            location: format!("{LOCATION}{}", build.file_name()),
            signature: build.sha256.clone(),
            portcullis_version: Some(build.version.to_string()),
            portcullis_architecture: Some(build.architecture.clone()),
            portcullis_signature: Some(build.signature.clone()),
            portcullis_size: Some(size as i64),
        },
    }
}

fn stager(settings: &UpdateSettings, served: &[u8]) -> Stager {
    let fetch: Arc<dyn Fetch> = Arc::new(Served(served.to_vec()));
    Stager::new(settings.taken().map(|folder| (folder, fetch)))
}

/// `ack`, or the reason of the nack.
async fn stage(stager: &mut Stager, message: acs::StageUpdateMessage) -> String {
    let answer = match stager.stage(message) {
        Some(answer) => answer,
        None => stager.next_answer().await,
    };
    told(&answer)
}

fn told(answer: &str) -> String {
    let frame: Value = serde_json::from_str(answer).unwrap();
    assert_eq!(frame["message"]["messageId"], "m", "{answer}");
    match frame["type"].as_str().unwrap() {
        "AckRequest" => "ack".to_owned(),
        _ => frame["message"]["reason"].as_str().unwrap().to_owned(),
    }
}

fn perform(stager: &Stager) -> (String, bool) {
    let message = acs::PerformUpdateMessage {
        message_id: "m".to_owned(),
        ..Default::default()
    };
    let (answer, ends) = stager.perform(&message);
    (told(&answer), ends)
}

#[tokio::test]
async fn agent_5_2_a_good_build_is_staged_for_its_owner_alone_and_then_performed() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut stager = stager(&settings, BODY);
    assert_eq!(
        perform(&stager),
        ("Cannot perform update; update not downloaded".to_owned(), false)
    );
    let build = signed(&key(), "1.0.1");
    assert_eq!(stage(&mut stager, message(&build, BODY.len())).await, "ack");
    assert_eq!(perform(&stager), ("ack".to_owned(), true));
    let path = settings.folder.join(build.file_name());
    for path in [&settings.folder, &path] {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o700,
            "{path:?}"
        );
    }
    // Asked again, it is there; once taken it is not tried again by itself.
    stager.parts = settings
        .taken()
        .map(|folder| (folder, Arc::new(Served(Vec::new())) as _));
    assert_eq!(stage(&mut stager, message(&build, BODY.len())).await, "ack");
    let staged = settings.build_folder().unwrap();
    assert_eq!(staged.take_staged(), Some(path.clone()));
    assert_eq!(staged.take_staged(), None);
    assert_eq!(staged.current(), None);
    staged.keep(&path).unwrap();
    assert_eq!(staged.current(), Some(path.clone()));
    // A host whose installed agent is as new goes back to that, and nothing is started that was changed since.
    let mut newer = settings.clone();
    newer.version = "1.0.1".to_owned();
    assert_eq!(newer.build_folder().unwrap().current(), None);
    fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
    assert_eq!(staged.current(), None);
}

#[tokio::test]
async fn agent_5_2_an_agent_without_key_or_permission_or_supervisor_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let build = signed(&key(), "1.0.1");
    let changes: [fn(&mut UpdateSettings); 3] = [
        |settings| settings.enabled = false,
        |settings| settings.public_key = None,
        |settings| settings.supervised = false,
    ];
    for change in changes {
        let mut settings = settings(folder.path());
        change(&mut settings);
        let mut stager = stager(&settings, BODY);
        assert_eq!(
            stage(&mut stager, message(&build, BODY.len())).await,
            "Updates are disabled"
        );
        assert_eq!(perform(&stager), ("Updates are disabled".to_owned(), false));
        assert!(!settings.folder.exists());
    }
}

/// What a bad message changes.
type Change = fn(&mut acs::UpdateInfo);

#[expect(clippy::too_many_lines, reason = "a table of cases")]
#[tokio::test]
async fn bad_builds_are_refused_and_leave_nothing() {
    let thief = AgentKey::generate(&SeededRandom::new(2)).unwrap();
    let good = signed(&key(), "1.0.1");
    let other = BODY.iter().rev().copied().collect::<Vec<_>>();
    let same: Change = |_| {};
    let not_the_operators = "The signature of the update is not the operator's";
    let not_as_long = "The update is not as long as it was said to be";
    let cases: [(&str, SignedBuild, &[u8], Change, &str); 12] = [
        (
            "another key",
            signed(&thief, "1.0.1"),
            BODY,
            same,
            not_the_operators,
        ),
        (
            "no signature",
            good.clone(),
            BODY,
            |info| info.portcullis_signature = None,
            "The update has no signature",
        ),
        (
            "another version",
            good.clone(),
            BODY,
            |info| info.portcullis_version = Some("9.0.0".to_owned()),
            not_the_operators,
        ),
        (
            "no version",
            good.clone(),
            BODY,
            |info| info.portcullis_version = Some("new".to_owned()),
            "The update has no version",
        ),
        (
            "wrong hash said",
            good.clone(),
            BODY,
            |info| info.signature = "00".repeat(32),
            not_the_operators,
        ),
        (
            "other bytes",
            good.clone(),
            &other,
            same,
            "The update cannot be staged: its hash is not the one that was signed",
        ),
        ("truncated", good.clone(), &BODY[..7], same, not_as_long),
        (
            "longer",
            good.clone(),
            b"#!/bin/sh\nexit 0\n#####",
            |info| info.portcullis_size = Some(18),
            not_as_long,
        ),
        (
            "endless",
            good.clone(),
            BODY,
            |info| info.portcullis_size = Some(i64::MAX),
            "The update has no size that a build can have",
        ),
        (
            "older",
            signed(&key(), "0.9.9"),
            BODY,
            same,
            "The update's version 0.9.9 is not newer than 1.0.0",
        ),
        (
            "the same",
            signed(&key(), "1.0.0"),
            BODY,
            same,
            "The update's version 1.0.0 is not newer than 1.0.0",
        ),
        (
            "elsewhere",
            good,
            BODY,
            |info| info.location = "http://169.254.1.1/x".to_owned(),
            "The update is not at its place on the control plane",
        ),
    ];
    for (name, build, served, change, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let mut stager = stager(&settings, served);
        let mut message = message(&build, BODY.len());
        change(&mut message.update_info);
        assert_eq!(stage(&mut stager, message).await, expected, "{name}");
        assert!(!perform(&stager).1, "{name}");
        let left = fs::read_dir(&settings.folder).map(Iterator::count);
        assert_eq!(left.unwrap_or_default(), 0, "{name}");
    }
}

#[tokio::test]
async fn only_the_newest_message_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut stager = stager(&settings(folder.path()), BODY);
    let build = signed(&key(), "1.0.1");
    let mut first = message(&build, BODY.len());
    first.message_id = "old".to_owned();
    first.update_info.portcullis_signature = None;
    assert_eq!(stager.stage(first), None);
    assert_eq!(stage(&mut stager, message(&build, BODY.len())).await, "ack");
}
