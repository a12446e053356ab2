//! What can be wrong with a vault, its keys, or a rotation.

use super::Fingerprint;
use std::io;
use std::path::PathBuf;

/// Why the vault cannot be opened or its master key not be rotated, or a text not be encrypted or decrypted. None of the
/// texts holds a secret.
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
    /// The key is none of those that the vault is encrypted with.
    #[error(
        "the master key from {source_of_key} is not the one that {vault} was encrypted with; nothing was changed. \
         The key's fingerprint is {found}, the vault needs {needed}; after a rotation only the new key opens it"
    )]
    WrongKey {
        /// The encrypted data key.
        vault: PathBuf,
        /// Where the key came from: a path, or the environment.
        source_of_key: String,
        /// The key's fingerprint.
        found: Fingerprint,
        /// The fingerprints of the keys that open the vault, as a text.
        needed: String,
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
    /// There is nothing to rotate.
    #[error("there is no vault at {0}; it is made when the daemon first starts. Is this the data directory?")]
    NoVault(PathBuf),
    /// Two rotations at the same time.
    #[error("another rotation of the master key is at work ({0} is locked); wait until it has ended")]
    Busy(PathBuf),
    /// A file could not be replaced. What was done before is kept.
    #[error("{doing} failed: {error}. The vault opens with the key that is in force; run the rotation again to finish it")]
    Step {
        /// The step of the rotation.
        doing: &'static str,
        /// What went wrong.
        error: io::Error,
    },
    /// The key file could not be replaced. Both keys open the vault.
    #[error(
        "{next} cannot be put in place of {key_file}: {error}. Do that by hand, if only you can; then run the rotation again to \
         finish it. Until then both keys open the vault"
    )]
    Switch {
        /// The new key's file.
        next: PathBuf,
        /// The key file.
        key_file: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The new key is the present one.
    #[error("the new master key is the one that is in force ({0}); give another")]
    SameKey(Fingerprint),
    /// Another key was given while a rotation waits to be finished.
    #[error(
        "a rotation to the master key {unfinished} is unfinished, and another new key ({given}) was given; \
         finish it first with `postern secrets rotate --finish`, or give it up with `postern secrets rotate --cancel`"
    )]
    OtherRotation {
        /// The fingerprint of the key that is rotated to.
        unfinished: String,
        /// The fingerprint of the key that was given.
        given: Fingerprint,
    },
    /// The key that an unfinished rotation goes to is nowhere.
    #[error(
        "a rotation to the master key {unfinished} is unfinished, but {expected} does not hold that key; \
         give it with --new-key-file or --new-key-env, or give the rotation up with `postern secrets rotate --cancel`"
    )]
    NewKeyLost {
        /// The fingerprint of the key that is rotated to.
        unfinished: String,
        /// Where it should be.
        expected: PathBuf,
    },
    /// The operator has not put the new key in force yet.
    #[error(
        "POSTERN_MASTER_KEY still holds the old master key ({old}); set it to the new one ({new}), for the daemon too, \
         and run `postern secrets rotate --finish` with it"
    )]
    OldKeyInForce {
        /// The fingerprint of the key in force.
        old: Fingerprint,
        /// The fingerprint of the key that is rotated to.
        new: String,
    },
    /// It is too late to go back.
    #[error("the new master key ({0}) is in force already; finish with `postern secrets rotate --finish`")]
    TooLateToCancel(Fingerprint),
    /// A key that was made for the environment lies about.
    #[error(
        "{0} holds a key that an earlier rotation made; if the daemon gets that key from elsewhere, delete the file and run \
         this again; if it was never used, give it with --new-key-file"
    )]
    LeftOver(PathBuf),
}
