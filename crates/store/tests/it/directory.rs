//! Data directories: whose they are, who works in them, and what may be missing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use portcullis_core::{FixedClock, SystemRandom};
use portcullis_store::{OpenError, Opened, Place, open};
use tempfile::TempDir;

use crate::fixture::{ACCOUNT, open_at, place, put, value};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn open_place(place: &Place) -> Result<Opened, OpenError> {
    open(place, Arc::new(FixedClock::default()), Arc::new(SystemRandom))
}

/// The line a user sees, with the directory's name replaced.
fn line(dir: &TempDir, result: Result<Opened, OpenError>) -> String {
    let line = result.expect_err("must be refused").to_string();
    assert!(!line.contains('\n'), "{line}");
    line.replace(&dir.path().display().to_string(), "DIR")
}

fn made() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(&*open_at(dir.path()).unwrap().store, "a", "1");
    dir
}

#[test]
fn everything_is_private() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("deep/data");
    let _opened = open_at(&dir).unwrap();
    assert_eq!(mode(&dir), 0o700);
    let mut names: Vec<String> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            assert_eq!(mode(&file.path()), 0o600, "{file:?}");
            file.file_name().into_string().unwrap()
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["FORMAT", "LOCK", "keyring.json", "master.key", "state.redb"]
    );
}

#[test]
fn an_open_directory_is_made_private() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _opened = open_at(dir.path()).unwrap();
    assert_eq!(mode(dir.path()), 0o700);
}

#[test]
fn a_directory_of_another_account_is_refused_and_both_are_named() {
    let dir = made();
    let other = Place {
        account: "210987654321".parse().unwrap(),
        ..place(dir.path())
    };
    assert_eq!(
        line(&dir, open_place(&other)),
        "the data directory DIR belongs to account 123456789012, not 210987654321: \
         start with --account 123456789012 or choose another --data-dir"
    );
    assert_eq!(
        value(&*open_at(dir.path()).unwrap().store, "a").as_deref(),
        Some("1")
    );
}

#[test]
fn a_directory_in_use_is_refused_and_the_process_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open_at(dir.path()).unwrap();
    let expected = format!(
        "the data directory DIR is in use by process {}: stop it or choose another --data-dir",
        std::process::id()
    );
    assert_eq!(line(&dir, open_at(dir.path())), expected);
    drop(opened);
    open_at(dir.path()).unwrap();
}

#[test]
fn a_newer_format_is_refused() {
    let dir = made();
    std::fs::write(
        dir.path().join("FORMAT"),
        format!(r#"{{"format":2,"account":"{ACCOUNT}"}}"#),
    )
    .unwrap();
    assert_eq!(
        line(&dir, open_at(dir.path())),
        "the data directory DIR has format 2, this version reads format 1: use the version that wrote it"
    );
}

#[test]
fn a_missing_file_is_named() {
    for name in ["state.redb", "master.key", "keyring.json", "FORMAT"] {
        let dir = made();
        std::fs::remove_file(dir.path().join(name)).unwrap();
        let expected = format!("DIR/{name} is missing: restore the data directory from a backup");
        assert_eq!(line(&dir, open_at(dir.path())), expected);
    }
}

#[test]
fn a_torn_file_is_named() {
    for name in ["FORMAT", "master.key", "keyring.json", "state.redb"] {
        let dir = made();
        let path = dir.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let line = line(&dir, open_at(dir.path()));
        assert!(line.starts_with(&format!("DIR/{name} is damaged (")), "{line}");
    }
}

#[test]
fn a_master_key_others_may_read_is_refused() {
    let dir = made();
    let key = dir.path().join("master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(
        line(&dir, open_at(dir.path())),
        "DIR/master.key can be read by others (mode 640): run chmod 600 on it, and replace the key if strangers had access"
    );
}

#[test]
fn a_master_key_of_another_directory_is_refused() {
    let (dir, other) = (made(), made());
    std::fs::copy(other.path().join("master.key"), dir.path().join("master.key")).unwrap();
    assert_eq!(
        line(&dir, open_at(dir.path())),
        "the master key DIR/master.key does not belong to this data directory: give the key file that was made with it"
    );
}

#[test]
fn the_master_key_can_be_kept_elsewhere() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = Place {
        master_key: Some(elsewhere.path().join("key")),
        ..place(dir.path())
    };
    let sealed = open_place(&place)
        .unwrap()
        .vault
        .seal("test", b"", b"secret")
        .unwrap();
    assert!(!dir.path().join("master.key").exists());
    assert_eq!(mode(&elsewhere.path().join("key")), 0o600);
    assert_eq!(
        &**open_place(&place)
            .unwrap()
            .vault
            .open("test", b"", &sealed)
            .unwrap(),
        b"secret"
    );
}

#[test]
fn making_a_directory_can_be_interrupted_anywhere() {
    let files = ["FORMAT", "state.redb", "keyring.json", "master.key"];
    for kept in 1..=files.len() {
        let dir = tempfile::tempdir().unwrap();
        drop(open_at(dir.path()).unwrap());
        for name in &files[..kept] {
            std::fs::remove_file(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("state.new"), b"half").unwrap();
        std::fs::write(dir.path().join("master.new"), b"half").unwrap();
        put(&*open_at(dir.path()).unwrap().store, "a", "1");
        assert_eq!(
            value(&*open_at(dir.path()).unwrap().store, "a").as_deref(),
            Some("1")
        );
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), b"").unwrap();
    let line = line(&dir, open_at(&dir.path().join("file/data")));
    assert!(line.starts_with("cannot create DIR/file/data: "), "{line}");
}
