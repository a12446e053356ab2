//! Where a vault and its master key are.

use super::key::Key;
use super::wrapped::{self, Wrapped};
use super::{Fingerprint, VaultError};
use std::fmt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where a vault and its master key are.
pub struct Location {
    pub(super) directory: PathBuf,
    pub(super) key_file: PathBuf,
    from_env: Option<Zeroizing<String>>,
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Location").field("directory", &self.directory).field("key_file", &self.key_file).finish_non_exhaustive()
    }
}

impl Location {
    /// The vault of a data directory. The master key is `from_env`, or else what `key_file` holds: 64 hex digits or base64.
    pub fn new(directory: &Path, key_file: &Path, from_env: Option<String>) -> Self {
        let from_env = from_env.map(Zeroizing::new);
        Self { directory: directory.to_owned(), key_file: key_file.to_owned(), from_env }
    }

    /// Whether the master key comes from the environment.
    pub fn is_env(&self) -> bool {
        self.from_env.is_some()
    }

    /// Where the master key comes from, for people: a path, or `the environment`.
    pub fn source(&self) -> String {
        if self.is_env() { "the environment".to_owned() } else { self.key_file.display().to_string() }
    }

    /// The vault's file.
    pub fn vault(&self) -> PathBuf {
        wrapped::path(&self.directory)
    }

    /// The key that is in force; none if the file that should hold it does not exist.
    pub(super) fn master_key(&self) -> Result<Option<Key>, VaultError> {
        match &self.from_env {
            Some(text) => Key::parse(text).map(Some).ok_or_else(|| VaultError::MalformedKey(self.source())),
            None => Key::from_file(&self.key_file),
        }
    }

    pub(super) fn missing_key(&self) -> VaultError {
        VaultError::MissingKey { vault: self.vault(), key_file: self.key_file.clone() }
    }

    pub(super) fn wrong_key(&self, key: &Key, wrapped: &Wrapped) -> VaultError {
        let found: Fingerprint = key.fingerprint();
        VaultError::WrongKey { vault: self.vault(), source_of_key: self.source(), found, needed: wrapped.names() }
    }

    /// The file that a symbolic link leads to, so that a rotation replaces that one and not the link.
    pub(super) fn real_key_file(&self) -> PathBuf {
        std::fs::canonicalize(&self.key_file).unwrap_or_else(|_| self.key_file.clone())
    }
}
