//! The encryption of secrets.
//!
//! Two keys: a data key encrypts the secrets; a master key, which an operator holds in a file or an environment variable,
//! encrypts the data key. Only the encrypted data key is in the data directory, in the file `vault`. Each text is
//! encrypted with XChaCha20-Poly1305 under a random nonce; the record and the place in it are authenticated with it,
//! so a ciphertext that is moved to another place does not decrypt.

use crate::disk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const KEY: usize = 32;
const NONCE: usize = 24;
const VERSION: u32 = 1;

/// The file in the data directory that holds the encrypted data key.
const FILE: &str = "vault";

/// A key in memory; wiped when it is dropped, never shown.
struct Key(Zeroizing<[u8; KEY]>);

/// Encrypts and decrypts secrets.
pub struct Vault {
    data_key: Key,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

/// Why the vault cannot be opened, or a text not be encrypted or decrypted. None of the texts holds a secret.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There are secrets, and no key to read them.
    #[error(
        "the master key is missing: {vault} was encrypted with one, but {key_file} does not exist; put it back, or pass the key"
    )]
    MissingKey {
        /// The encrypted data key.
        vault: PathBuf,
        /// Where the master key was expected.
        key_file: PathBuf,
    },
    /// The key is not the one that the vault was made with.
    #[error("the master key from {source_of_key} is not the one that {vault} was encrypted with; nothing was changed")]
    WrongKey {
        /// The encrypted data key.
        vault: PathBuf,
        /// Where the key came from: a path, or the environment.
        source_of_key: String,
    },
    /// The key is not 32 bytes.
    #[error("the master key from {0} is malformed: expected 32 bytes, as 64 hex digits or in base64")]
    MalformedKey(String),
    /// The vault's file is not what was written.
    #[error("{0} is damaged: {1}; put a backup in its place")]
    Damaged(PathBuf, String),
    /// A file cannot be read or written, or the system gives no random bytes.
    #[error("the vault cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// The text was not encrypted by this vault for this place, or it was changed.
    #[error(
        "the secret at {path} of {record} cannot be decrypted: it was changed, or encrypted for another place or with another key"
    )]
    Undecipherable {
        /// The record that was asked for.
        record: String,
        /// The place in it.
        path: String,
    },
}

/// The file in the data directory.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    version: u32,
    #[serde(rename = "dataKey")]
    data_key: String,
}

impl Vault {
    /// Opens the vault of a data directory.
    ///
    /// The master key is `from_env`, or else what `key_file` holds: 64 hex digits or base64. If there is neither, and
    /// no vault yet, a random key is made and written to `key_file`, readable to its owner only.
    ///
    /// # Errors
    /// See [`VaultError`]. A missing or wrong key changes nothing.
    pub fn open(directory: &Path, key_file: &Path, from_env: Option<String>) -> Result<Self, VaultError> {
        let vault = directory.join(FILE);
        let wrapped = match fs::read(&vault) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(disk::context("read", &vault, &error).into()),
        };
        let (master, source_of_key) = match from_env.map(Zeroizing::new) {
            Some(text) => {
                let source = "the environment".to_owned();
                (Key::parse(&text).ok_or_else(|| VaultError::MalformedKey(source.clone()))?, source)
            }
            None => (Key::from_file(key_file, &vault, wrapped.is_some())?, key_file.display().to_string()),
        };
        let aad = associated("postern vault", "data key");
        let Some(bytes) = wrapped else {
            let data_key = Key::generate()?;
            let wrapped = Wrapped { version: VERSION, data_key: master.encrypt(&aad, &*data_key.0)? };
            let text = serde_json::to_vec_pretty(&wrapped).map_err(io::Error::from)?;
            disk::create_directory(directory)?;
            disk::replace_file(&vault, &text)?;
            return Ok(Self { data_key });
        };
        let damaged = |error: String| VaultError::Damaged(vault.clone(), error);
        let wrapped: Wrapped = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if wrapped.version != VERSION {
            return Err(damaged(format!("its version is {}, this postern knows {VERSION}", wrapped.version)));
        }
        let key = master.decrypt(&aad, &wrapped.data_key).ok_or(VaultError::WrongKey { vault: vault.clone(), source_of_key })?;
        let data_key = Key::from_bytes(&key).ok_or_else(|| damaged("the data key has another length".into()))?;
        Ok(Self { data_key })
    }

    /// Encrypts a text for one place in one record. The answer is base64.
    ///
    /// # Errors
    /// [`VaultError::Io`] when the system gives no random bytes.
    pub fn encrypt(&self, record_id: &str, path: &str, plaintext: &str) -> Result<String, VaultError> {
        self.data_key.encrypt(&associated(record_id, path), plaintext.as_bytes())
    }

    /// Decrypts what [`encrypt`](Self::encrypt) made for the same place in the same record.
    ///
    /// # Errors
    /// [`VaultError::Undecipherable`].
    pub fn decrypt(&self, record_id: &str, path: &str, ciphertext: &str) -> Result<Zeroizing<String>, VaultError> {
        let undecipherable = || VaultError::Undecipherable { record: record_id.to_owned(), path: path.to_owned() };
        let bytes = self.data_key.decrypt(&associated(record_id, path), ciphertext).ok_or_else(undecipherable)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| undecipherable())?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// What a ciphertext is bound to. The length keeps `("a", "bc")` and `("ab", "c")` apart.
fn associated(record_id: &str, path: &str) -> Vec<u8> {
    let mut bytes = b"postern 1 ".to_vec();
    bytes.extend_from_slice(&(record_id.len() as u64).to_be_bytes());
    bytes.extend_from_slice(record_id.as_bytes());
    bytes.extend_from_slice(path.as_bytes());
    bytes
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

impl Key {
    fn generate() -> io::Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY]);
        (bytes.len() == KEY).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() == 2 * KEY && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let mut key = Zeroizing::new([0; KEY]);
            for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            }
            return Some(Self(key));
        }
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        Self::from_bytes(&bytes)
    }

    fn from_file(path: &Path, vault: &Path, vault_exists: bool) -> Result<Self, VaultError> {
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => {
                warn_if_others_read(path);
                Self::parse(&text).ok_or_else(|| VaultError::MalformedKey(path.display().to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && vault_exists => {
                Err(VaultError::MissingKey { vault: vault.to_owned(), key_file: path.to_owned() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                key.write(path).map_err(|error| disk::context("write", path, &error))?;
                Ok(key)
            }
            Err(error) => Err(disk::context("read", path, &error).into()),
        }
    }

    /// Writes a new file; an existing one is left as it is.
    fn write(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().unwrap_or(Path::new("."));
        if !parent.as_os_str().is_empty() {
            disk::create_directory(parent)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(*self.0)));
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        disk::sync_directory(parent)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }

    /// The nonce and the ciphertext, in base64.
    fn encrypt(&self, aad: &[u8], plaintext: &[u8]) -> Result<String, VaultError> {
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload { msg: plaintext, aad };
        let ciphertext =
            self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| io::Error::other("too long to encrypt"))?;
        Ok(STANDARD.encode([&nonce[..], &ciphertext].concat()))
    }

    fn decrypt(&self, aad: &[u8], text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(text).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: ciphertext, aad };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

fn warn_if_others_read(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path)
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "other users can read the master key; make its mode 0600");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
