//! A new master key in place of the old one, while a daemon serves.
//!
//! The secrets stay as they are: only the data key is encrypted anew. Four steps, each durable before the next begins:
//!
//! | step | changes | opens with | stage after it |
//! |---|---|---|---|
//! | [`Rotation::make_key`] | the new key is written beside the key file, as `KEY-FILE.next` | old | [`Stage::KeyMade`] |
//! | [`Rotation::wrap_both`] | the vault holds the data key encrypted with both | old or new | [`Stage::BothOpen`] |
//! | [`Rotation::switch_key_file`] | `KEY-FILE.next` becomes the key file | old or new | [`Stage::Switched`] |
//! | [`Rotation::drop_old`] | the vault holds the data key encrypted with the new one | new | [`Stage::Idle`] |
//!
//! So after each step, and after a crash in any of them, the vault opens with the key that is in force, and the stage can
//! be read from the files; [`run`] goes on from there. The old key is kept nowhere: the rotation is done so that it opens
//! nothing any more. Whoever has backups of older vaults keeps their keys with them.
//!
//! With the key in the environment, the third step is the operator's.

mod steps;

pub use steps::Rotation;

use super::key::Key;
use super::wrapped::Wrapped;
use super::{Fingerprint, Location, VaultError};
use crate::disk;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A new master key that an operator gives.
pub struct NewKey(Key);

impl NewKey {
    /// Reads a key from a text: 64 hex digits or base64.
    ///
    /// # Errors
    /// [`VaultError::MalformedKey`], which names `source`: where the text is from.
    pub fn parse(text: String, source: &str) -> Result<Self, VaultError> {
        let text = Zeroizing::new(text);
        Key::parse(&text).map(Self).ok_or_else(|| VaultError::MalformedKey(source.to_owned()))
    }

    /// Reads a key from a file. Warns in the log when others can read it.
    ///
    /// # Errors
    /// [`VaultError::Io`] when it cannot be read, [`VaultError::MalformedKey`].
    pub fn read(path: &Path) -> Result<Self, VaultError> {
        let missing = || io::Error::from(io::ErrorKind::NotFound);
        Key::from_file(path)?.map(Self).ok_or_else(|| disk::context("read", path, &missing()).into())
    }
}

/// How far a rotation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// None is unfinished: one key opens the vault.
    Idle,
    /// The new key is beside the key file. The vault does not know it yet.
    KeyMade,
    /// Both keys open the vault. The old one is in force.
    BothOpen,
    /// Both keys open the vault. The new one is in force.
    Switched,
}

/// What a rotation did.
#[derive(Debug)]
pub enum Outcome {
    /// The new key is in force, and the old one opens nothing any more.
    Rotated {
        /// The old key.
        old: String,
        /// The new key.
        new: Fingerprint,
    },
    /// Both keys open the vault. The operator is to put the new one in the environment, and then finish.
    Prepared {
        /// The old key.
        old: Fingerprint,
        /// The new key.
        new: String,
        /// Where the new key is, if it was made here.
        key_file: Option<PathBuf>,
    },
    /// The new key is in the environment already: the rotation can be finished.
    ReadyToFinish {
        /// The new key.
        new: Fingerprint,
    },
    /// No rotation is unfinished; nothing was changed.
    NothingToFinish {
        /// The key in force.
        key: Fingerprint,
    },
    /// The unfinished rotation was given up.
    Cancelled {
        /// The key in force.
        key: Fingerprint,
    },
}

/// Rotates the master key, or goes on with a rotation that was begun. Blocks.
///
/// The new key is `given`, or a random one. With the key in a file, all four steps are done. With the key in the
/// environment only the first two are; a random key is then written to `KEY-FILE.generated`.
///
/// # Errors
/// See [`VaultError`]. The vault opens with the key in force whatever happens.
pub fn run(location: Location, given: Option<NewKey>) -> Result<Outcome, VaultError> {
    let mut rotation = Rotation::begin(location)?;
    rotation.accept(given)?;
    match (rotation.stage(), rotation.location.is_env()) {
        (Stage::Switched, true) => Ok(Outcome::ReadyToFinish { new: rotation.current.fingerprint() }),
        (Stage::BothOpen, true) => Ok(rotation.prepared()),
        (_, true) => {
            rotation.make_key()?;
            rotation.wrap_both()?;
            Ok(rotation.prepared())
        }
        (_, false) => {
            if rotation.stage() == Stage::Idle {
                rotation.make_key()?;
            }
            rotation.complete()
        }
    }
}

/// Finishes a rotation that was begun; never begins one. With the key in the environment, the operator has put the new one
/// there. Blocks.
///
/// # Errors
/// See [`VaultError`]; [`VaultError::OldKeyInForce`] when the environment still holds the old key.
pub fn finish(location: Location, given: Option<NewKey>) -> Result<Outcome, VaultError> {
    let mut rotation = Rotation::begin(location)?;
    if rotation.stage() == Stage::Idle {
        return Ok(Outcome::NothingToFinish { key: rotation.current.fingerprint() });
    }
    rotation.accept(given)?;
    if rotation.stage() == Stage::BothOpen && rotation.location.is_env() {
        let new = rotation.newest().name();
        return Err(VaultError::OldKeyInForce { old: rotation.current.fingerprint(), new });
    }
    rotation.complete()
}

/// Gives an unfinished rotation up: only the key in force opens the vault afterwards. Blocks.
///
/// # Errors
/// [`VaultError::TooLateToCancel`] when the new key is in force; others as [`VaultError`] says.
pub fn cancel(location: Location) -> Result<Outcome, VaultError> {
    let mut rotation = Rotation::begin(location)?;
    let key = rotation.current.fingerprint();
    match rotation.stage() {
        Stage::Idle => return Ok(Outcome::NothingToFinish { key }),
        Stage::Switched => return Err(VaultError::TooLateToCancel(key)),
        Stage::BothOpen => rotation.keep_only_current()?,
        Stage::KeyMade => {}
    }
    rotation.remove_next()?;
    Ok(Outcome::Cancelled { key })
}

/// How far a rotation came whose key in force opens the wrapping at `place`.
pub(super) fn stage(wrapped: &Wrapped, place: usize, key_made: bool) -> Stage {
    match (wrapped.wrappings.len(), place) {
        (1, _) if key_made => Stage::KeyMade,
        (1, _) => Stage::Idle,
        (_, 0) => Stage::BothOpen,
        _ => Stage::Switched,
    }
}

/// The file's path with more at its end.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests;
