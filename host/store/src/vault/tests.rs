//! The vault, closed and opened.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::PathBuf;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn key_file(&self) -> PathBuf {
        self.0.path().join("keys/master.key")
    }
    fn open(&self, from_env: Option<&str>) -> Result<Vault, VaultError> {
        Vault::open(&self.0.path().join("data"), &self.key_file(), from_env.map(str::to_owned))
    }
}

#[test]
fn a_secret_comes_back_after_a_restart_and_only_in_its_place() {
    let place = Place::new();
    let ciphertext = place.open(None).unwrap().encrypt("sub", "/token", "hunter2").unwrap();
    let vault = place.open(None).unwrap();
    assert_eq!(*vault.decrypt("sub", "/token", &ciphertext).unwrap(), "hunter2");
    for (record, path) in [("sub", "/other"), ("other", "/token"), ("sub/", "token"), ("su", "b/token")] {
        assert!(matches!(vault.decrypt(record, path, &ciphertext), Err(VaultError::Undecipherable { .. })));
    }
    assert_ne!(ciphertext, vault.encrypt("sub", "/token", "hunter2").unwrap(), "the nonce is random");
}

#[test]
fn a_changed_ciphertext_is_noticed_and_the_error_tells_no_secret() {
    let vault = Place::new().open(None).unwrap();
    let ciphertext = vault.encrypt("r", "/p", "hunter2").unwrap();
    let mut bytes = STANDARD.decode(&ciphertext).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    for bad in [STANDARD.encode(bytes), String::new(), "%%%".into(), "AAAA".into()] {
        let error = vault.decrypt("r", "/p", &bad).unwrap_err();
        assert!(!format!("{error} {error:?} {vault:?}").contains("hunter2"));
    }
}

#[cfg(unix)]
#[test]
fn the_key_file_is_its_owners_only() {
    let place = Place::new();
    place.open(None).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(place.key_file()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_missing_or_wrong_key_is_said_and_nothing_changes() {
    let place = Place::new();
    place.open(None).unwrap();
    let vault = place.0.path().join("data/vault");
    let (before, key) = (fs::read(&vault).unwrap(), fs::read(place.key_file()).unwrap());
    assert!(matches!(place.open(Some(&"ab".repeat(32))), Err(VaultError::WrongKey { .. })));
    assert!(matches!(place.open(Some("short")), Err(VaultError::MalformedKey(_))));
    fs::remove_file(place.key_file()).unwrap();
    assert!(matches!(place.open(None), Err(VaultError::MissingKey { .. })));
    assert!(!place.key_file().exists());
    assert_eq!(fs::read(&vault).unwrap(), before);
    place.open(Some(std::str::from_utf8(&key).unwrap())).unwrap();
}

#[test]
fn hex_and_base64_name_the_same_key() {
    let place = Place::new();
    place.open(Some(&"0f".repeat(32))).unwrap();
    place.open(Some(&STANDARD.encode([0x0f; 32]))).unwrap();
    assert!(!place.key_file().exists(), "a given key is not written anywhere");
    fs::write(place.0.path().join("data/vault"), "{").unwrap();
    assert!(matches!(place.open(Some(&"0f".repeat(32))), Err(VaultError::Damaged(..))));
}
