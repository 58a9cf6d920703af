//! Nothing secret rests in the clear (reliability-and-security 6, T23).

use std::path::Path;
use std::sync::Arc;

use portcullis_api::{iam, sts};
use portcullis_core::{FixedClock, SystemRandom};
use portcullis_store::{Place, Store, open};

use crate::harness::{ACCOUNT, BEGINNING, Server, allow};
use crate::iam::certificates::{create_provider, self_signed, upload};

fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A server that keeps its data there.
async fn server_in(dir: &Path) -> (Server, Arc<dyn Store>) {
    let clock = Arc::new(FixedClock::at(BEGINNING.parse().unwrap()));
    let place = Place {
        dir: dir.to_owned(),
        account: ACCOUNT.parse().unwrap(),
        master_key: None,
    };
    let opened = open(&place, clock.clone(), Arc::new(SystemRandom)).unwrap();
    let store = opened.store.clone();
    (Server::over(opened, clock).await, store)
}

/// Stops the store and fails when one of these is in its files.
async fn none_on_disk(store: Arc<dyn Store>, dir: &Path, secrets: &[&str]) {
    tokio::task::spawn_blocking(move || store.shutdown())
        .await
        .unwrap();
    let files = contents(dir);
    assert!(
        files.iter().any(|(_, bytes)| holds(bytes, "iam-access-key/")),
        "the store was not found"
    );
    for secret in secrets {
        for (name, bytes) in &files {
            assert!(!holds(bytes, secret), "{name} holds a secret in the clear");
        }
    }
}

#[tokio::test]
async fn t23_keys_seeds_and_tokens_are_nowhere_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (server, store) = server_in(&dir).await;

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
    let seed = String::from_utf8(device.base32_string_seed.unwrap()).unwrap();
    let secrets = [
        user.secret.expose(),
        &seed,
        &session.secret_access_key,
        &session.session_token,
    ];
    none_on_disk(store, &dir, &secrets).await;
}

/// A line from the middle of a PEM text.
fn line(pem: &str) -> &str {
    pem.lines().nth(1).unwrap()
}

#[tokio::test]
async fn t23_passwords_and_private_keys_are_in_no_file_and_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("data");
    let (server, store) = server_in(&dir).await;
    let root = &server.root;
    let user = server.user("u", &allow("*", "*")).await;

    let profile = iam::CreateLoginProfileRequest {
        user_name: Some("u".to_owned()),
        password: Some("First-secret-1".to_owned()),
        ..Default::default()
    };
    root.ok::<iam::op::CreateLoginProfile>(&profile).await;
    let change = |new: &str| iam::ChangePasswordRequest {
        old_password: "First-secret-1".to_owned(),
        new_password: new.to_owned(),
    };
    let refused = user.err::<iam::op::ChangePassword>(&change("Short-1")).await;
    assert!(!refused.contains("Short-1"), "{refused}");
    user.ok::<iam::op::ChangePassword>(&change("Second-secret-2"))
        .await;
    let (certificate, key) = self_signed();
    let wrong = self_signed().1;
    let refused = root
        .err::<iam::op::UploadServerCertificate>(&upload("web", (certificate.clone(), wrong.clone())))
        .await;
    assert!(!refused.contains(line(&wrong)), "{refused}");
    root.ok::<iam::op::UploadServerCertificate>(&upload("web", (certificate, key.clone())))
        .await;
    let saml_key = self_signed().1;
    let provider = iam::CreateSAMLProviderRequest {
        add_private_key: Some(saml_key.clone()),
        ..create_provider("idp")
    };
    root.ok::<iam::op::CreateSAMLProvider>(&provider).await;
    let create = iam::CreateServiceSpecificCredentialRequest {
        user_name: "u".to_owned(),
        service_name: "codecommit.amazonaws.com".to_owned(),
        ..Default::default()
    };
    let credential = root
        .ok::<iam::op::CreateServiceSpecificCredential>(&create)
        .await
        .service_specific_credential
        .unwrap();

    let secrets = [
        "First-secret-1",
        "Short-1",
        "Second-secret-2",
        "$argon2",
        line(&wrong),
        line(&key),
        line(&saml_key),
        credential.service_password.as_deref().unwrap(),
    ];
    let records = serde_json::to_string(&server.records().await).unwrap();
    assert!(records.contains("ChangePassword") && records.contains("UploadServerCertificate"));
    for secret in secrets {
        assert!(!records.contains(secret), "a record holds {secret}");
    }
    none_on_disk(store, &dir, &secrets).await;
}
