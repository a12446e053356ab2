//! The data directory: one process at a time, and one engine for good.

use crate::disk;
use crate::{Engine, Error};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A data directory that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if need be, takes its lock, and checks or records the engine.
    ///
    /// # Errors
    /// [`Error::Locked`] when another process has it; [`Error::Failed`] when it cannot be made or written, or was made
    /// for another engine.
    pub(crate) fn open(path: &Path, engine: Engine) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::Failed(format!("the data directory cannot be used: {error}"));
        disk::create_directory(path).map_err(failed)?;
        let lock = path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(|error| failed(disk::context("write", &lock, &error)))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Locked(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(disk::context("lock", &lock, &error))),
        }
        let directory = Self { path: path.to_owned(), _lock: file };
        directory.check_engine(engine)?;
        Ok(directory)
    }

    fn check_engine(&self, engine: Engine) -> Result<(), Error> {
        let record = self.path.join("engine");
        let failed = |error: io::Error| Error::Failed(disk::context("read", &record, &error).to_string());
        match fs::read_to_string(&record) {
            Ok(found) if found.trim() == engine.name() => Ok(()),
            Ok(found) => Err(Error::Failed(format!(
                "the data directory {} was made with the engine \"{}\", but \"{}\" is configured; \
                 set engine = \"{}\" under [store], or name another directory",
                self.path.display(),
                found.trim(),
                engine.name(),
                found.trim(),
            ))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk::replace_file(&record, format!("{}\n", engine.name()).as_bytes())
                    .map_err(|error| Error::Failed(error.to_string()))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Where the engine keeps its files.
    pub(crate) fn engine_path(&self, engine: Engine) -> PathBuf {
        self.path.join(engine.name())
    }
}

impl Engine {
    /// The engine that a data directory was made with; none if it is no data directory.
    ///
    /// # Errors
    /// [`Error::Failed`] when that cannot be read, or is none that this code knows.
    pub fn of_directory(path: &Path) -> Result<Option<Self>, Error> {
        let record = path.join("engine");
        match fs::read_to_string(&record) {
            Ok(found) => match found.trim().parse() {
                Ok(engine) => Ok(Some(engine)),
                Err(unknown) => Err(Error::Failed(format!("{}: {unknown}", record.display()))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Failed(disk::context("read", &record, &error).to_string())),
        }
    }
}

/// How many bytes this process may still write to the file system that holds `path`.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let figures = rustix::fs::statvfs(path)?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_user_and_one_engine() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("deep/data");
        let first = Directory::open(&path, Engine::Sled).unwrap();
        assert!(matches!(Directory::open(&path, Engine::Sled), Err(Error::Locked(at)) if at == path));
        drop(first);
        assert_eq!(Engine::of_directory(&path).unwrap(), Some(Engine::Sled));
        assert_eq!(Engine::of_directory(temporary.path()).unwrap(), None);
        let message = Directory::open(&path, Engine::Redb).unwrap_err().to_string();
        assert!(message.contains("\"sled\"") && message.contains("\"redb\""), "{message}");
        Directory::open(&path, Engine::Sled).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "").unwrap();
        let message = Directory::open(&file.join("data"), Engine::Sled).unwrap_err().to_string();
        assert!(message.contains("file") && message.contains("cannot create"), "{message}");
    }
}
