//! The file in the data directory: the data key, encrypted with each master key that opens the vault.
//!
//! Version 2 holds one or two of these wrappings, the newest last; two only while a rotation is unfinished. Version 1,
//! which this code reads and no longer writes, holds one without its key's fingerprint. Fingerprints are hints for people:
//! what opens the vault is tried, never looked up.

use super::key::{Key, associated};
use super::{Fingerprint, VaultError};
use crate::disk;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Its name.
const FILE: &str = "vault";

/// The version that this code writes.
const VERSION: u32 = 2;

/// The old and the new one.
const MOST_WRAPPINGS: usize = 2;

/// More than any vault has.
const LONGEST: u64 = 64 << 10;

/// What an unknown fingerprint is shown as.
const UNKNOWN: &str = "(unknown)";

/// The file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrapped {
    /// Oldest first; one or two.
    pub(super) wrappings: Vec<Wrapping>,
}

/// The data key, encrypted with one master key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wrapping {
    /// The master key's fingerprint; none if version 1 of the file did not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) master_key: Option<Fingerprint>,
    data_key: String,
}

#[derive(Deserialize)]
struct AnyVersion {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Current {
    version: u32,
    wrappings: Vec<Wrapping>,
}

/// Where a directory's vault is.
pub(crate) fn path(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

impl Wrapping {
    /// Encrypts a data key.
    pub(super) fn new(master: &Key, data_key: &Key) -> io::Result<Self> {
        let data_key = master.encrypt(&associated("postern vault", "data key"), data_key.bytes())?;
        Ok(Self { master_key: Some(master.fingerprint()), data_key })
    }

    /// The same with its master key's fingerprint, which version 1 did not tell.
    pub(super) fn named(self, master_key: Fingerprint) -> Self {
        Self { master_key: Some(master_key), ..self }
    }

    /// The data key, if this is the right master key.
    pub(super) fn open(&self, master: &Key) -> Option<Key> {
        Key::from_bytes(&master.decrypt(&associated("postern vault", "data key"), &self.data_key)?)
    }

    /// The master key's fingerprint, or that nobody knows it.
    pub(super) fn name(&self) -> String {
        self.master_key.as_ref().map_or_else(|| UNKNOWN.to_owned(), Fingerprint::to_string)
    }
}

impl Wrapped {
    /// Reads the file; none if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, VaultError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Self::parse(&bytes).map(Some).map_err(|reason| VaultError::Damaged(path.to_owned(), reason)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk::context("read", path, &error).into()),
        }
    }

    /// Reads a file's content, or says what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let told = |error: serde_json::Error| error.to_string();
        let wrapped = match serde_json::from_slice::<AnyVersion>(bytes).map_err(told)?.version {
            1 => Self { wrappings: vec![serde_json::from_slice(bytes).map_err(told)?] },
            VERSION => Self { wrappings: serde_json::from_slice::<Current>(bytes).map_err(told)?.wrappings },
            other => return Err(format!("its version is {other}, and this postern knows 1 to {VERSION}")),
        };
        match wrapped.wrappings.len() {
            1..=MOST_WRAPPINGS => Ok(wrapped),
            other => Err(format!("it holds {other} keys, and 1 to {MOST_WRAPPINGS} were expected")),
        }
    }

    /// Puts this in place of the file, or makes it; it stays with the user to whom it belonged.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let before = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(disk::context("read", path, &error)),
        };
        let text = serde_json::to_vec_pretty(&Current { version: VERSION, wrappings: self.wrappings.clone() })?;
        disk::replace_file_of(path, &text, before.as_ref())
    }

    /// Tries a master key: which wrapping it opens, and the data key.
    pub(super) fn open(&self, master: &Key) -> Option<(usize, Key)> {
        self.wrappings.iter().enumerate().find_map(|(place, wrapping)| Some((place, wrapping.open(master)?)))
    }

    /// The fingerprints of the keys that open it, for people.
    pub(super) fn names(&self) -> String {
        self.wrappings.iter().map(Wrapping::name).collect::<Vec<_>>().join(" or ")
    }
}
