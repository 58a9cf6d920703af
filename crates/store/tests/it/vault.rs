//! Sealing: what opens, what does not, and what is never said.

use std::sync::Arc;

use portcullis_core::{Secret, SystemRandom};
use portcullis_store::{Vault, VaultError};
use proptest::prelude::*;

use crate::fixture::open_at;

const PLAIN: &[u8] = b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

fn vault() -> Vault {
    Vault::in_memory(Arc::new(SystemRandom))
}

#[test]
fn what_was_sealed_opens_for_its_purpose_and_record_only() {
    let vault = vault();
    let sealed = vault.seal("access-key", b"user/1", PLAIN).unwrap();
    assert_eq!(&**vault.open("access-key", b"user/1", &sealed).unwrap(), PLAIN);
    assert_eq!(
        vault.open("access-key", b"user/2", &sealed),
        Err(VaultError::Refused),
        "moved to another row"
    );
    assert_eq!(
        vault.open("mfa-seed", b"user/1", &sealed),
        Err(VaultError::Refused),
        "used for something else"
    );
    let stranger = Vault::in_memory(Arc::new(SystemRandom));
    assert_eq!(
        stranger.open("access-key", b"user/1", &sealed),
        Err(VaultError::Refused),
        "another vault"
    );
}

#[test]
fn sealing_twice_gives_different_bytes_and_shows_nothing() {
    let vault = vault();
    let (one, two) = (
        vault.seal("p", b"r", PLAIN).unwrap(),
        vault.seal("p", b"r", PLAIN).unwrap(),
    );
    assert_ne!(one, two);
    assert_eq!(one.len(), PLAIN.len() + 49);
    assert!(
        !one.windows(8)
            .any(|window| PLAIN.windows(8).any(|plain| plain == window))
    );
}

#[test]
fn every_changed_or_missing_byte_is_refused() {
    let vault = vault();
    let sealed = vault.seal("p", b"r", PLAIN).unwrap();
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let expected = match at {
            0 => VaultError::UnknownVersion(0),
            1..=4 => VaultError::UnknownKey(1 ^ (1 << (8 * (4 - at)))),
            _ => VaultError::Refused,
        };
        assert_eq!(vault.open("p", b"r", &changed), Err(expected), "byte {at}");
        assert_eq!(
            vault.open("p", b"r", &sealed[..at]),
            Err(VaultError::Refused),
            "cut at {at}"
        );
    }
}

#[test]
fn texts_stay_secret() {
    let vault = vault();
    let sealed = vault.seal_text("p", b"r", &Secret::new("hunter2")).unwrap();
    assert_eq!(vault.open_text("p", b"r", &sealed).unwrap().expose(), "hunter2");
    let bytes = vault.seal("p", b"r", &[0xff]).unwrap();
    assert_eq!(
        vault.open_text("p", b"r", &bytes).unwrap_err(),
        VaultError::Refused
    );
    assert_eq!(format!("{vault:?}"), "Vault(..)");
}

#[test]
fn derived_bytes_depend_on_everything_and_outlast_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open_at(dir.path()).unwrap().vault;
    let token = vault.derive("page", b"data");
    assert!(vault.is_derived("page", b"data", &token));
    for (purpose, data) in [
        ("page", b"datb".as_slice()),
        ("pag", b"edata"),
        ("paged", b"ata"),
        ("", b"pagedata"),
    ] {
        assert!(!vault.is_derived(purpose, data, &token), "{purpose}");
    }
    assert!(!vault.is_derived("page", b"data", &token[..31]));
    assert!(
        !self::vault().is_derived("page", b"data", &token),
        "another vault"
    );
    drop(vault);
    assert_eq!(open_at(dir.path()).unwrap().vault.derive("page", b"data"), token);
}

#[test]
fn no_key_lies_in_clear_beside_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open_at(dir.path()).unwrap();
    let sealed = opened.vault.seal("p", b"r", PLAIN).unwrap();
    crate::fixture::commit(
        &*opened.store,
        portcullis_store::Txn::of(vec![portcullis_store::Change::put("k", sealed)]),
    );
    drop(opened);
    let file = std::fs::read(dir.path().join("state.redb")).unwrap();
    assert!(!file.windows(PLAIN.len()).any(|window| window == PLAIN));
    let key = std::fs::read(dir.path().join("master.key")).unwrap();
    let ring = std::fs::read_to_string(dir.path().join("keyring.json")).unwrap();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(key.len() == 32 && !ring.contains(&hex));
}

proptest! {
    #[test]
    fn everything_sealed_opens(purpose in ".{0,20}", record: Vec<u8>, plain: Vec<u8>) {
        let vault = vault();
        let sealed = vault.seal(&purpose, &record, &plain).unwrap();
        prop_assert_eq!(&**vault.open(&purpose, &record, &sealed).unwrap(), &plain);
    }

    #[test]
    fn garbage_never_opens(garbage: Vec<u8>) {
        prop_assert!(vault().open("p", b"r", &garbage).is_err());
    }
}
