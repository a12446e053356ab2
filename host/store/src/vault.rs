//! The encryption of secrets.
//!
//! Two keys: a data key encrypts the secrets; a master key, which an operator holds in a file or an environment variable,
//! encrypts the data key. Only the encrypted data key is in the data directory, in the file `vault`. Each text is
//! encrypted with XChaCha20-Poly1305 under a random nonce; the record and the place in it are authenticated with it,
//! so a ciphertext that is moved to another place does not decrypt.
//!
//! A daemon reads the vault when it starts and keeps the data key in memory, so that its master key can be rotated
//! ([`rotate`]) while it serves.
//!
//! | module | what it holds |
//! |---|---|
//! | `key` | a key in memory, its fingerprint, how it is written |
//! | `wrapped` | the file `vault`, in each of its versions |
//! | `location` | where a vault and its master key are |
//! | [`rotate`] | a new master key in place of the old one, step by step |
//! | [`status`] | which keys open a vault |

mod error;
mod key;
mod location;
pub mod rotate;
pub mod status;
mod wrapped;

pub use error::VaultError;
pub use key::Fingerprint;
pub use location::Location;

use crate::disk;
use key::{Key, associated};
use std::fmt;
use std::path::Path;
pub(crate) use wrapped::path as file;
use wrapped::{Wrapped, Wrapping};
use zeroize::Zeroizing;

/// So often an opening begins again because a rotation replaced the files while it read them. Each rotation replaces the
/// vault twice.
const READINGS: usize = 4;

/// Encrypts and decrypts secrets.
pub struct Vault {
    data_key: Key,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
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
        let location = Location::new(directory, key_file, from_env);
        let path = location.vault();
        let mut wrapped = Wrapped::read(&path)?;
        for _ in 1..READINGS {
            match Self::open_as_read(&location, wrapped.as_ref()) {
                // The key may be newer than what was read before it.
                Err(VaultError::WrongKey { .. }) => match Wrapped::read(&path)? {
                    again if again == wrapped => break,
                    again => wrapped = again,
                },
                other => return other,
            }
        }
        Self::open_as_read(&location, wrapped.as_ref())
    }

    fn open_as_read(location: &Location, wrapped: Option<&Wrapped>) -> Result<Self, VaultError> {
        let path = location.vault();
        let master = match location.master_key()? {
            Some(master) => master,
            None if wrapped.is_some() => return Err(location.missing_key()),
            None => {
                let (key, file) = (Key::generate()?, &location.key_file);
                key.create(file).map_err(|error| disk::context("write", file, &error))?;
                key
            }
        };
        let Some(wrapped) = wrapped else {
            let data_key = Key::generate()?;
            let wrapped = Wrapped { wrappings: vec![Wrapping::new(&master, &data_key)?] };
            disk::create_directory(&location.directory)?;
            wrapped.write(&path)?;
            return Ok(Self { data_key });
        };
        let (_, data_key) = wrapped.open(&master).ok_or_else(|| location.wrong_key(&master, wrapped))?;
        if wrapped.wrappings.len() > 1 {
            let vault = path.display();
            tracing::warn!(%vault, "a rotation of the master key is unfinished; see `postern secrets status`");
        }
        Ok(Self { data_key })
    }

    /// Encrypts a text for one place in one record. The answer is base64.
    ///
    /// # Errors
    /// [`VaultError::Io`] when the system gives no random bytes.
    pub fn encrypt(&self, record_id: &str, path: &str, plaintext: &str) -> Result<String, VaultError> {
        Ok(self.data_key.encrypt(&associated(record_id, path), plaintext.as_bytes())?)
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

/// Whether this is what a vault's file may hold; if not, what is wrong with it.
pub(crate) fn check_file(bytes: &[u8]) -> Result<(), String> {
    Wrapped::parse(bytes).map(drop)
}

#[cfg(test)]
mod tests;
