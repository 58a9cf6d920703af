//! Nothing secret rests in the clear (reliability-and-security 6, T23).

use std::path::Path;
use std::sync::Arc;

use portcullis_api::{iam, sts};
use portcullis_core::{FixedClock, SystemRandom};
use portcullis_store::{Place, open};

use crate::harness::{ACCOUNT, BEGINNING, Server, allow};

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn t23_keys_seeds_and_tokens_are_nowhere_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let place = Place {
        dir: dir.clone(),
        account: ACCOUNT.parse().unwrap(),
        master_key: None,
    };
    let opened = open(&place, clock.clone(), Arc::new(SystemRandom)).unwrap();
    let store = opened.store.clone();
    let server = Server::over(opened, clock).await;

    let user = server.user("u", &allow("*", "*")).await;
    let device = iam::CreateVirtualMFADeviceRequest {
        virtual_mfa_device_name: "d".to_owned(),
        ..Default::default()
    };
    let device = server
        .root
        .ok::<iam::op::CreateVirtualMFADevice>(&device)
        .await
        .virtual_mfa_device;
    let session = user
        .ok::<sts::op::GetSessionToken>(&Default::default())
        .await
        .credentials
        .unwrap();
    let shown = server.records().await;
    let shown = shown
        .iter()
        .find(|record| record["eventName"] == "GetSessionToken")
        .unwrap();
    assert_eq!(
        shown["responseElements"]["credentials"]["sessionToken"],
        session.session_token.as_str()
    );
    tokio::task::spawn_blocking(move || store.shutdown())
        .await
        .unwrap();

    let seed = String::from_utf8(device.base32_string_seed.unwrap()).unwrap();
    let files = contents(&dir);
    assert!(
        files.iter().any(|(_, bytes)| holds(bytes, "iam-access-key/")),
        "the store was not found"
    );
    for secret in [
        user.secret.expose(),
        &seed,
        &session.secret_access_key,
        &session.session_token,
    ] {
        for (name, bytes) in &files {
            assert!(!holds(bytes, secret), "{name} holds a secret in the clear");
        }
    }
}
