//! The seam on sled 0.34.7, hardened.
//!
//! sled's `flush` starts the writing of its log and does not wait for the disk (it calls `sync_file_range` where its
//! documentation says fsync), and it never syncs the files under `blobs/`. In a model of a power cut that lost
//! acknowledged data in more than half of the rounds. What is done about it:
//!
//! - A commit is one batch on one tree, `flush`, then `fdatasync` through a descriptor of our own.
//! - Whatever lies in `blobs/` is synced as well, with its directory. Values stay far below the size at which blobs are
//!   made ([`crate::record::CHUNK`]), so this is the second line.
//! - Where the file system can, each of sled's writes is finished before the next (`chattr +S`). Within one commit sled
//!   may write over a segment whose content it has moved to the end of the file, and only an fsync makes the file's
//!   new end last. That is our explanation, not a proof, of one round in 38 in which a power cut lost a store of events
//!   of 200 KB. It costs nothing that can be measured: a commit writes once or twice and waits for the disk anyway.
//! - sled takes a damaged place near the end of its log for the end, and clears what is behind it. So its log is read
//!   before sled opens it ([`sled_log`]); after each sync it is noted outside sled how far the log is on the disk
//!   ([`watermark`]), which costs no key, since sled numbers the bytes of its log.
//! - A snapshot that was being written when the process ended is removed before the opening; one that cannot be read
//!   is moved away, if the log alone holds everything. sled then reads its whole log instead.
//! - sled panics on some damage. The opening catches that and says so.
//! - The background flusher stays on: sled frees space there.
//! - The first error ends the use of the store. An fsync is never repeated: the second one may answer `Ok` for pages
//!   that the kernel has dropped.

mod opening;

use super::sled_log::{self, Snapshot};
use super::watermark::{self, Watermark};
use super::{Direction, Found, Kv, KvError, Loss, Op, Visit};
use crate::{Error, disk};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// The name of the log's file.
const LOG: &str = "db";

/// A sled database.
pub(crate) struct Sled {
    database: sled::Db,
    log: File,
    blobs: PathBuf,
    synced_blobs: Mutex<Synced>,
    watermark: Watermark,
}

/// What is known to be synced in the directory of blobs.
#[derive(Default)]
struct Synced {
    files: HashSet<PathBuf>,
    /// The directory's time of change when it was read.
    changed: Option<SystemTime>,
}

/// A directory that changed this long ago and was read since holds nothing new: longer than any file system's clock tick.
const SETTLED: Duration = Duration::from_secs(2);

impl Sled {
    /// Opens the database in `directory`, and makes it first if need be.
    ///
    /// # Errors
    /// [`Error::Lost`] when acknowledged data is missing or damaged; nothing is changed then. [`Error::Failed`].
    pub(crate) fn open(directory: &Path, cache_bytes: u64, loss: Loss) -> Result<Self, Error> {
        let at = |error: io::Error| Error::Failed(error.to_string());
        let durable = watermark::read(directory)?;
        loss.judge(directory, &found(directory, durable)?)?;
        disk::create_directory(directory).map_err(at)?;
        opening::remove_unfinished_snapshots(directory).map_err(at)?;
        if !disk::write_through(directory) {
            tracing::debug!(directory = %directory.display(), "this file system cannot be told to write through");
        }
        let log = directory.join(LOG);
        if log.exists() {
            disk::write_through(&log);
        }
        let database = opening::open(directory, cache_bytes, || may_read_whole_log(directory, durable, loss))?;
        database.flush().map_err(failed)?;
        let end = end(&database);
        let log = disk::open_for_sync(&log).map_err(at)?;
        log.sync_all().map_err(at)?;
        disk::open_for_sync(&directory.join("conf")).and_then(|file| file.sync_all()).map_err(at)?;
        disk::sync_directory(directory).map_err(at)?;
        if let Some(parent) = directory.parent() {
            disk::sync_directory(parent).map_err(at)?;
        }
        if loss == Loss::Refuse && durable.is_some_and(|durable| durable > end) {
            let what = format!("sled recovered its log up to {end} only");
            return Err(Error::Lost { what, directory: directory.to_owned() });
        }
        let watermark = Watermark::begin(directory, end)?;
        Ok(Self { database, log, blobs: directory.join("blobs"), synced_blobs: Mutex::default(), watermark })
    }

    /// Syncs the blob files that are new since the last commit, then their directory.
    fn sync_blobs(&self) -> io::Result<()> {
        let mut synced = self.synced_blobs.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = match fs::metadata(&self.blobs) {
            Ok(metadata) => metadata.modified().ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let settled = changed.is_some_and(|changed| changed.elapsed().is_ok_and(|elapsed| elapsed > SETTLED));
        if settled && synced.changed == changed {
            return Ok(());
        }
        let entries = match fs::read_dir(&self.blobs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut found = HashSet::new();
        for entry in entries {
            found.insert(entry?.path());
        }
        let mut new = false;
        for path in found.difference(&synced.files) {
            match disk::open_for_sync(path) {
                Ok(file) => file.sync_all()?,
                // The background collector removes blobs that nothing refers to.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            new = true;
        }
        if new {
            disk::sync_directory(&self.blobs)?;
        }
        // Only a reading of a directory that had settled before can be relied on later.
        *synced = Synced { files: found, changed: changed.filter(|_| settled) };
        Ok(())
    }
}

/// What is wrong with the log in this directory.
pub(crate) fn found(directory: &Path, durable: Option<u64>) -> Result<Vec<Found>, Error> {
    let look = || {
        let snapshot = sled_log::snapshot(directory)?;
        let stable = if let Snapshot::Until(end) = snapshot { end } else { 0 };
        let mut found = damage(directory, stable, durable)?;
        if let (Snapshot::Damaged(path), false) = (snapshot, found.is_empty()) {
            let reason = "sled's snapshot is damaged, and the log alone does not hold everything".into();
            found.insert(0, Found { place: path.display().to_string(), reason });
        }
        Ok(found)
    };
    look().map_err(|error: io::Error| Error::Failed(disk::context("read", &directory.join(LOG), &error).to_string()))
}

fn damage(directory: &Path, stable: u64, durable: Option<u64>) -> io::Result<Vec<Found>> {
    let log = directory.join(LOG);
    let found = |sled_log::Damage { offset, reason }| {
        let place = offset.map_or_else(String::new, |offset| format!("byte {offset} of "));
        Found { place: format!("{place}{}", log.display()), reason }
    };
    Ok(sled_log::damage(&log, stable, durable)?.into_iter().map(found).collect())
}

/// Whether sled finds all there is without its snapshot. Not always: an opening clears segments that hold no pages any more, and
/// if one of them is among the last, only the snapshot knows that it need not be there.
fn may_read_whole_log(directory: &Path, durable: Option<u64>, loss: Loss) -> bool {
    loss == Loss::Accept || damage(directory, 0, durable).is_ok_and(|found| found.is_empty())
}

/// The end of what sled has handed to the file system, in bytes of its log.
fn end(database: &sled::Db) -> u64 {
    // sled names the last byte: -1 before there is one.
    u64::try_from(database.context.pagecache.log.stable_offset().saturating_add(1)).unwrap_or(0)
}

fn failed(error: sled::Error) -> KvError {
    KvError(format!("sled: {error}"))
}

impl Kv for Sled {
    fn commit(&self, ops: Vec<Op>) -> Result<(), KvError> {
        let mut batch = sled::Batch::default();
        for op in ops {
            match op {
                Op::Put(key, value) => batch.insert(key, value),
                Op::Delete(key) => batch.remove(key),
            }
        }
        self.database.apply_batch(batch).map_err(failed)?;
        self.database.flush().map_err(failed)?;
        let end = end(&self.database);
        // Blobs first: the log refers to them.
        self.sync_blobs().map_err(|error| KvError(format!("the sync of sled's blobs failed: {error}")))?;
        self.log.sync_data().map_err(|error| KvError(format!("the sync of sled's log failed: {error}")))?;
        self.watermark.raise(end);
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.database.get(key).map_err(failed)?.map(|value| value.to_vec()))
    }

    fn scan(&self, range: Range<&[u8]>, direction: Direction, visit: Visit<'_>) -> Result<(), KvError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut rows = self.database.range(range);
        loop {
            let row = match direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.next_back(),
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.map_err(failed)?;
            if visit(&key, &value).is_break() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::opening::snapshots;
    use super::*;
    use tempfile::TempDir;

    fn open(directory: &TempDir) -> Result<Sled, Error> {
        Sled::open(&directory.path().join("sled"), 1 << 24, Loss::Refuse)
    }

    fn filled() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).unwrap();
        store.commit(vec![Op::Put(b"k".to_vec(), b"v".to_vec())]).unwrap();
        let path = directory.path().join("sled");
        (directory, path)
    }

    #[test]
    fn a_half_written_snapshot_does_not_stop_the_opening() {
        let (directory, path) = filled();
        fs::write(path.join("snap.00000000000F0000.generating"), b"half").unwrap();
        let store = open(&directory).unwrap();
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }

    #[test]
    fn a_snapshot_that_cannot_be_read_is_moved_away_and_nothing_is_lost() {
        let (directory, path) = filled();
        for path in snapshots(&path).unwrap() {
            fs::write(path, b"").unwrap();
        }
        fs::write(path.join("snap.FFFFFFFFFFFF0000"), b"").unwrap();
        let store = open(&directory).unwrap();
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert!(path.join("unreadable-snapshots").is_dir());
    }

    #[test]
    fn a_snapshot_is_not_moved_away_if_the_log_is_damaged_as_well() {
        let (directory, path) = filled();
        for path in snapshots(&path).unwrap() {
            fs::write(path, b"").unwrap();
        }
        let mut log = fs::read(path.join(LOG)).unwrap();
        log[30] ^= 1;
        fs::write(path.join(LOG), &log).unwrap();
        assert!(matches!(open(&directory), Err(Error::Lost { .. })));
        assert_eq!((fs::read(path.join(LOG)).unwrap(), path.join("unreadable-snapshots").exists()), (log, false));
    }

    #[test]
    fn an_opening_that_panics_or_fails_gives_a_clear_message() {
        let (directory, path) = filled();
        fs::write(path.join("conf"), b"no configuration at all").unwrap();
        let message = open(&directory).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("damaged") && message.contains("backup"), "{message}");
    }

    #[test]
    fn values_of_the_chunk_size_make_no_blobs() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory).unwrap();
        for round in 0..20u8 {
            store.commit((0..100u8).map(|n| Op::Put(vec![round, n], vec![n; crate::record::CHUNK + 4])).collect()).unwrap();
        }
        assert_eq!(fs::read_dir(directory.path().join("sled/blobs")).unwrap().count(), 0);
    }
}
