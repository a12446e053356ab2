//! The steps of a rotation.

use super::{NewKey, Outcome, Stage, beside, stage};
use crate::disk;
use crate::vault::key::Key;
use crate::vault::wrapped::{Wrapped, Wrapping};
use crate::vault::{Location, VaultError};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file that a rotation locks, so that there is only one.
const LOCK: &str = "vault.lock";

/// A rotation that holds the vault's lock until it is dropped. Each step blocks until it is durable.
pub struct Rotation {
    pub(super) location: Location,
    _lock: File,
    key_file: PathBuf,
    next_file: PathBuf,
    wrapped: Wrapped,
    /// The key in force, which opens `wrapped`.
    pub(super) current: Key,
    /// Which of the wrappings it opens.
    place: usize,
    data_key: Key,
    /// What was given, or what the file beside the key file holds.
    next: Option<Key>,
    given: bool,
}

impl Rotation {
    /// Takes the lock and reads how far an earlier rotation came.
    ///
    /// # Errors
    /// [`VaultError::NoVault`], [`VaultError::Busy`]; [`VaultError::MissingKey`], [`VaultError::WrongKey`] and others when
    /// the vault does not open with the key in force.
    pub fn begin(location: Location) -> Result<Self, VaultError> {
        let path = location.vault();
        let owner = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(VaultError::NoVault(path)),
            Err(error) => return Err(disk::context("read", &path, &error).into()),
        };
        let lock = lock(&location.directory.join(LOCK), &owner)?;
        let wrapped = Wrapped::read(&path)?.ok_or(VaultError::NoVault(path))?;
        let current = location.master_key()?.ok_or_else(|| location.missing_key())?;
        let (place, data_key) = wrapped.open(&current).ok_or_else(|| location.wrong_key(&current, &wrapped))?;
        let key_file = location.real_key_file();
        let next_file = beside(&key_file, if location.is_env() { ".generated" } else { ".next" });
        // The same key once more is no new one.
        let next = Key::from_file(&next_file)?.filter(|next| *next != current);
        Ok(Self { location, _lock: lock, key_file, next_file, wrapped, current, place, data_key, next, given: false })
    }

    /// How far it came.
    pub fn stage(&self) -> Stage {
        stage(&self.wrapped, self.place, self.next.is_some() && !self.location.is_env())
    }

    /// Takes a key that an operator gives, if it fits what was begun.
    pub(super) fn accept(&mut self, given: Option<NewKey>) -> Result<(), VaultError> {
        let Some(NewKey(given)) = given else { return Ok(()) };
        let fits = match self.stage() {
            Stage::Idle | Stage::KeyMade if given == self.current => {
                return Err(VaultError::SameKey(given.fingerprint()));
            }
            Stage::Idle => true,
            // Nothing but this file knows the key that was made.
            Stage::KeyMade => return self.write_next(given),
            Stage::BothOpen => self.newest().open(&given).is_some(),
            Stage::Switched => given == self.current,
        };
        if !fits {
            let (unfinished, given) = (self.newest().name(), given.fingerprint());
            return Err(VaultError::OtherRotation { unfinished, given });
        }
        (self.next, self.given) = (Some(given), true);
        Ok(())
    }

    /// The first step: writes the new key beside the key file, readable to its owner only. It is the one that was given,
    /// or a random one. One that was given for the environment is not written anywhere.
    ///
    /// # Errors
    /// [`VaultError::Step`]; [`VaultError::LeftOver`] when a key that was made for the environment would be lost.
    pub fn make_key(&mut self) -> Result<(), VaultError> {
        match (self.location.is_env(), self.given) {
            (true, true) => Ok(()),
            (true, false) if self.next_file.exists() => Err(VaultError::LeftOver(self.next_file.clone())),
            (true, false) => self.write_next(Key::generate()?),
            (false, _) => {
                let key = self.next.take().map_or_else(Key::generate, Ok)?;
                self.write_next(key)
            }
        }
    }

    fn write_next(&mut self, key: Key) -> Result<(), VaultError> {
        let owner = self.owner()?;
        key.write(&self.next_file, &owner).map_err(|error| step("writing the new master key", error))?;
        self.next = Some(key);
        Ok(())
    }

    /// To whom new files belong.
    fn owner(&self) -> Result<Metadata, VaultError> {
        let of = if self.location.is_env() { self.location.vault() } else { self.key_file.clone() };
        fs::metadata(&of).map_err(|error| disk::context("read", &of, &error).into())
    }

    /// The second step: the vault opens with both keys.
    ///
    /// # Errors
    /// [`VaultError::Step`]; [`VaultError::NewKeyLost`] when there is no new key.
    pub fn wrap_both(&mut self) -> Result<(), VaultError> {
        let next = self.next.as_ref().ok_or_else(|| self.lost())?;
        let old = self.wrapped.wrappings[self.place].clone().named(self.current.fingerprint());
        let new = Wrapping::new(next, &self.data_key)?;
        self.replace_vault("writing the vault with both keys", Wrapped { wrappings: vec![old, new] }, &[0, 1])?;
        self.place = 0;
        Ok(())
    }

    /// The third step: the new key's file takes the place, the owner and the mode of the key file.
    ///
    /// # Errors
    /// [`VaultError::Step`]; [`VaultError::NewKeyLost`] when the file beside the key file does not hold the new key.
    pub fn switch_key_file(&mut self) -> Result<(), VaultError> {
        let (next, key_file) = (self.next_file.clone(), self.key_file.clone());
        let failed = |error| VaultError::Switch { next, key_file, error };
        // What counts is what is on the disk.
        let next = Key::from_file(&self.next_file)?.filter(|next| self.newest().open(next).is_some());
        let next = next.ok_or_else(|| self.lost())?;
        let like = self.owner()?;
        let prepare = || {
            let file = disk::open_for_sync(&self.next_file)?;
            disk::take_owner(&file, &like)?;
            file.set_permissions(like.permissions())?;
            file.sync_all()?;
            fs::rename(&self.next_file, &self.key_file)
        };
        prepare().and_then(|()| disk::sync_directory(parent(&self.key_file))).map_err(failed)?;
        (self.current, self.next, self.place) = (next, None, self.wrapped.wrappings.len() - 1);
        Ok(())
    }

    /// The fourth step: the old key opens nothing any more.
    ///
    /// # Errors
    /// [`VaultError::Step`]; [`VaultError::WrongKey`] when the key in force is not the new one.
    pub fn drop_old(&mut self) -> Result<(), VaultError> {
        let current = self.location.master_key()?.ok_or_else(|| self.location.missing_key())?;
        if self.newest().open(&current).is_none() {
            return Err(self.location.wrong_key(&current, &self.wrapped));
        }
        self.current = current;
        self.place = self.wrapped.wrappings.len() - 1;
        self.keep_only_current()?;
        // It is still there if the operator put the new key into the key file.
        self.remove_next()
    }

    /// Removes the file beside the key file. What was made for the environment stays: it may be the only copy.
    pub(super) fn remove_next(&self) -> Result<(), VaultError> {
        if self.location.is_env() || !self.next_file.exists() {
            return Ok(());
        }
        let remove = fs::remove_file(&self.next_file).and_then(|()| disk::sync_directory(parent(&self.next_file)));
        remove.map_err(|error| step("removing the new key's file", disk::context("remove", &self.next_file, &error)))
    }

    pub(super) fn keep_only_current(&mut self) -> Result<(), VaultError> {
        let only = Wrapped { wrappings: vec![self.wrapped.wrappings[self.place].clone()] };
        self.replace_vault("writing the vault with one key", only, &[0])?;
        self.place = 0;
        Ok(())
    }

    /// Replaces the vault, and reads from the disk that the keys open it.
    fn replace_vault(&mut self, doing: &'static str, wrapped: Wrapped, places: &[usize]) -> Result<(), VaultError> {
        let path = self.location.vault();
        wrapped.write(&path).map_err(|error| step(doing, error))?;
        let read = Wrapped::read(&path)?.ok_or_else(|| VaultError::NoVault(path.clone()))?;
        let opens =
            |key: &Key| read.open(key).is_some_and(|(place, data_key)| places.contains(&place) && data_key == self.data_key);
        let next = self.next.as_ref().filter(|_| places.len() > 1);
        if !opens(&self.current) || !next.is_none_or(opens) {
            return Err(VaultError::Damaged(path, "what was written does not open with the keys it was written for".into()));
        }
        self.wrapped = read;
        Ok(())
    }

    /// Does the steps that are left, with the key in a file or in the environment where it is the new one.
    pub(super) fn complete(mut self) -> Result<Outcome, VaultError> {
        if self.stage() == Stage::KeyMade {
            self.wrap_both()?;
        }
        let old = self.wrapped.wrappings[0].name();
        if self.stage() == Stage::BothOpen {
            if self.next.as_ref().is_none_or(|next| self.newest().open(next).is_none()) {
                return Err(self.lost());
            }
            if self.given {
                self.make_key()?;
            }
            self.switch_key_file()?;
        }
        self.drop_old()?;
        Ok(Outcome::Rotated { old, new: self.current.fingerprint() })
    }

    pub(super) fn newest(&self) -> &Wrapping {
        &self.wrapped.wrappings[self.wrapped.wrappings.len() - 1]
    }

    fn lost(&self) -> VaultError {
        VaultError::NewKeyLost { unfinished: self.newest().name(), expected: self.next_file.clone() }
    }

    pub(super) fn prepared(&self) -> Outcome {
        let key_file = self.next_file.exists().then(|| self.next_file.clone());
        // One of an earlier rotation is not where the new key is.
        let key_file = key_file
            .filter(|path| Key::from_file(path).is_ok_and(|key| key.is_some_and(|key| self.newest().open(&key).is_some())));
        Outcome::Prepared { old: self.current.fingerprint(), new: self.newest().name(), key_file }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

fn step(doing: &'static str, error: io::Error) -> VaultError {
    VaultError::Step { doing, error }
}

fn lock(path: &Path, owner: &Metadata) -> Result<File, VaultError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| disk::context("write", path, &error))?;
    disk::take_owner(&file, owner)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(VaultError::Busy(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(disk::context("lock", path, &error).into()),
    }
}
