//! How far the commits of an engine are known to be on the disk, noted outside the engine.
//!
//! An engine that finds something unreadable at the end of its files takes it for a write that was cut off, and drops it.
//! After a loss of power that is right; of data that was acknowledged it is not, and the files alone do not tell which it
//! is. The watermark does: it is written after the engine's own sync, so what lies below it was durable once, and if an
//! opening would bring less, something is lost.
//!
//! It needs no sync of its own. A killed process loses nothing that it wrote; after a loss of power the watermark may lag
//! behind the engine, never run ahead of it, and then merely says less. The file has its size from the beginning and lies
//! within one sector, so that it is never half written.

use crate::{Error, disk};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The file beside the directory of an engine: `DATA/sled.watermark`, say.
pub(crate) fn path(engine: &Path) -> PathBuf {
    engine.with_extension("watermark")
}

/// What the file says; none if it is not there or not readable.
///
/// # Errors
/// [`Error::Failed`] when the disk does not give it.
pub(crate) fn read(engine: &Path) -> Result<Option<u64>, Error> {
    let path = path(engine);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if engine.exists() {
                tracing::warn!(
                    path = %path.display(),
                    "the store has no watermark; if its newest data is lost, that is not noticed this time"
                );
            }
            return Ok(None);
        }
        Err(error) => return Err(Error::Failed(disk::context("read", &path, &error).to_string())),
    };
    let number = parse(&text);
    if number.is_none() {
        tracing::warn!(
            path = %path.display(),
            "the store's watermark is damaged; it is made anew, and if the newest data is lost, that is not noticed this time"
        );
    }
    Ok(number)
}

fn text(number: u64) -> String {
    let number = format!("{number:020}");
    let checksum = crc32fast::hash(number.as_bytes());
    format!("{number} {checksum:08x}\n")
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let number = std::str::from_utf8(bytes.get(..20)?).ok()?.parse().ok()?;
    (text(number).as_bytes() == bytes).then_some(number)
}

/// The file while its store is open.
#[derive(Debug)]
pub(crate) struct Watermark {
    file: File,
    path: PathBuf,
    behind: AtomicBool,
}

impl Watermark {
    /// Makes the file anew. The number must be on the disk already.
    ///
    /// # Errors
    /// [`Error::Failed`] when it cannot be written.
    pub(crate) fn begin(engine: &Path, number: u64) -> Result<Self, Error> {
        let path = path(engine);
        let begin = || {
            disk::replace_file(&path, text(number).as_bytes())?;
            OpenOptions::new().write(true).open(&path).map_err(|error| disk::context("write", &path, &error))
        };
        let file = begin().map_err(|error| Error::Failed(error.to_string()))?;
        Ok(Self { file, path, behind: AtomicBool::new(false) })
    }

    /// Notes that everything up to here is on the disk. What is acknowledged does not depend on it: if it cannot be
    /// written, that is logged once.
    pub(crate) fn raise(&self, number: u64) {
        if let Err(error) = disk::write_at(&self.file, text(number).as_bytes(), 0)
            && !self.behind.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(path = %self.path.display(), %error, "the store's watermark cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_was_noted_last() {
        let directory = tempfile::tempdir().unwrap();
        let engine = directory.path().join("sled");
        assert_eq!(read(&engine).unwrap(), None);
        let watermark = Watermark::begin(&engine, 7).unwrap();
        assert_eq!(read(&engine).unwrap(), Some(7));
        let length = fs::metadata(path(&engine)).unwrap().len();
        for number in [8, 123_456_789, u64::MAX, 3] {
            watermark.raise(number);
            assert_eq!(read(&engine).unwrap(), Some(number));
        }
        assert_eq!(fs::metadata(path(&engine)).unwrap().len(), length);
    }

    #[test]
    fn a_changed_byte_or_a_missing_one_is_noticed() {
        let whole = text(4711);
        for place in 0..whole.len() {
            let mut changed = whole.clone().into_bytes();
            changed[place] ^= 1;
            assert_eq!(parse(&changed), None, "{place}");
            assert_eq!(parse(&whole.as_bytes()[..place]), None, "{place}");
        }
        assert_eq!(parse(whole.as_bytes()), Some(4711));
        assert_eq!(parse(b"+0000000000000004711 00000000\n"), None);
    }
}
