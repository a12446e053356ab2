//! A key in memory, and how it is written.

use super::VaultError;
use crate::disk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rand::TryRng;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use zeroize::Zeroizing;

const KEY: usize = 32;
const NONCE: usize = 24;

/// Tells master keys apart without telling what they are: the first 8 bytes of a hash, in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A key in memory; wiped when it is dropped, never shown. Only commands of an operator compare keys, so that nobody can
/// learn anything from how long it takes.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(Zeroizing<[u8; KEY]>);

impl Key {
    pub(super) fn generate() -> io::Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; KEY]);
        (bytes.len() == KEY).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
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

    /// Reads a key; none if there is no such file.
    pub(super) fn from_file(path: &Path) -> Result<Option<Self>, VaultError> {
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => {
                warn_if_others_read(path);
                Self::parse(&text).map(Some).ok_or_else(|| VaultError::MalformedKey(path.display().to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(VaultError::MalformedKey(path.display().to_string())),
            Err(error) => Err(disk::context("read", path, &error).into()),
        }
    }

    /// Writes a new file, readable to its owner only; an existing one is left as it is.
    pub(super) fn create(&self, path: &Path) -> io::Result<()> {
        let parent = make_parent(path)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        disk::sync_directory(parent)
    }

    /// Writes a file, or puts it in place of the one with this name; nobody ever sees a part. It is readable to the owner
    /// of `like` only.
    pub(super) fn write(&self, path: &Path, like: &fs::Metadata) -> io::Result<()> {
        make_parent(path)?;
        disk::replace_file_of(path, self.text().as_bytes(), Some(like))
    }

    fn text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(STANDARD.encode(*self.0));
        Zeroizing::new(format!("{}\n", *digits))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let hash = Sha256::new().chain_update(b"postern master key fingerprint 1\0").chain_update(*self.0).finalize();
        Fingerprint(hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }

    /// The nonce and the ciphertext, in base64.
    pub(super) fn encrypt(&self, aad: &[u8], plaintext: &[u8]) -> io::Result<String> {
        let nonce: [u8; NONCE] = random()?;
        let payload = Payload { msg: plaintext, aad };
        let ciphertext =
            self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| io::Error::other("too long to encrypt"))?;
        Ok(STANDARD.encode([&nonce[..], &ciphertext].concat()))
    }

    pub(super) fn decrypt(&self, aad: &[u8], text: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = STANDARD.decode(text).ok()?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: ciphertext, aad };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }
}

/// What a ciphertext is bound to. The length keeps `("a", "bc")` and `("ab", "c")` apart.
pub(super) fn associated(record_id: &str, path: &str) -> Vec<u8> {
    let mut bytes = b"postern 1 ".to_vec();
    bytes.extend_from_slice(&(record_id.len() as u64).to_be_bytes());
    bytes.extend_from_slice(record_id.as_bytes());
    bytes.extend_from_slice(path.as_bytes());
    bytes
}

/// Makes the directory in which a file is to be.
fn make_parent(path: &Path) -> io::Result<&Path> {
    let parent = path.parent().unwrap_or(Path::new("."));
    if !parent.as_os_str().is_empty() {
        disk::create_directory(parent)?;
    }
    Ok(parent)
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|error| io::Error::other(format!("no random bytes: {error}")))?;
    Ok(bytes)
}

fn warn_if_others_read(path: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = fs::metadata(path)
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "other users can read the master key; make its mode 0600");
    }
}
