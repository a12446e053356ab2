//! Which keys open a vault, and whether a rotation of the master key is unfinished. Changes nothing.

use super::key::Key;
use super::rotate::{Stage, beside, stage};
use super::wrapped::Wrapped;
use super::{Fingerprint, Location, VaultError};
use std::path::PathBuf;

/// What [`read`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The vault's file.
    pub vault: PathBuf,
    /// The keys that open it, oldest first.
    pub opens_with: Vec<Opener>,
    /// Where the key in force is expected: a path, or `the environment`.
    pub source: String,
    /// The key in force; none if its file does not exist.
    pub key: Option<Fingerprint>,
    /// How far a rotation came; none if the key in force does not open the vault.
    pub stage: Option<Stage>,
}

/// A master key that opens the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opener {
    /// Its fingerprint; none if the vault is of an older version, which does not tell it, and the key is not at hand.
    pub fingerprint: Option<Fingerprint>,
    /// Where it was found; none if it is not at hand.
    pub found: Option<String>,
}

/// Reads which keys open the vault.
///
/// # Errors
/// [`VaultError::NoVault`], [`VaultError::Damaged`], [`VaultError::MalformedKey`], [`VaultError::Io`]. A missing or wrong
/// key is no error here.
pub fn read(location: &Location) -> Result<Status, VaultError> {
    let vault = location.vault();
    let wrapped = Wrapped::read(&vault)?.ok_or_else(|| VaultError::NoVault(vault.clone()))?;
    let current = location.master_key()?;
    let next_file = beside(&location.real_key_file(), if location.is_env() { ".generated" } else { ".next" });
    let next = Key::from_file(&next_file)?.filter(|next| current.as_ref() != Some(next));
    let at_hand = [(current.as_ref(), location.source()), (next.as_ref(), next_file.display().to_string())];
    let opens_with = wrapped.wrappings.iter().map(|wrapping| {
        let found =
            at_hand.iter().find_map(|(key, source)| Some(((*key)?, source)).filter(|(key, _)| wrapping.open(key).is_some()));
        Opener {
            fingerprint: found.map(|(key, _)| key.fingerprint()).or_else(|| wrapping.master_key.clone()),
            found: found.map(|(_, source)| source.clone()),
        }
    });
    let opens_with = opens_with.collect();
    let key_made = next.is_some() && !location.is_env();
    let place = current.as_ref().and_then(|key| wrapped.open(key)).map(|(place, _)| place);
    let stage = place.map(|place| stage(&wrapped, place, key_made));
    Ok(Status { opens_with, source: location.source(), key: current.map(|key| key.fingerprint()), stage, vault })
}
