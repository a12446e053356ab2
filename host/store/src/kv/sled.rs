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
//! - A snapshot that was being written when the process ended is removed before the opening; one that cannot be read
//!   is moved away. sled then reads its whole log instead.
//! - sled panics on some damage. The opening catches that and says so.
//! - The background flusher stays on: sled frees space there.
//! - The first error ends the use of the store. An fsync is never repeated: the second one may answer `Ok` for pages
//!   that the kernel has dropped.

use super::{Direction, Kv, KvError, Op, Visit};
use crate::disk;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long an opening waits for the threads of a store that this process has just closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A sled database.
pub(crate) struct Sled {
    database: sled::Db,
    log: File,
    blobs: PathBuf,
    synced_blobs: Mutex<Synced>,
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
    pub(crate) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, KvError> {
        let at = |error: io::Error| KvError(error.to_string());
        disk::create_directory(directory).map_err(at)?;
        remove_unfinished_snapshots(directory).map_err(at)?;
        if !disk::write_through(directory) {
            tracing::debug!(directory = %directory.display(), "this file system cannot be told to write through");
        }
        let log = directory.join("db");
        if log.exists() {
            disk::write_through(&log);
        }
        let database = match open(directory, cache_bytes) {
            Err(Opening::Corrupt(reason)) if move_snapshots_away(directory).map_err(at)? => {
                tracing::warn!(%reason, "sled could not read its snapshot; it was moved away and the whole log is read");
                open(directory, cache_bytes)
            }
            other => other,
        }
        .map_err(|error| KvError(error.message(directory)))?;
        database.flush().map_err(failed)?;
        let log = disk::open_for_sync(&directory.join("db")).map_err(at)?;
        log.sync_all().map_err(at)?;
        disk::open_for_sync(&directory.join("conf")).and_then(|file| file.sync_all()).map_err(at)?;
        disk::sync_directory(directory).map_err(at)?;
        if let Some(parent) = directory.parent() {
            disk::sync_directory(parent).map_err(at)?;
        }
        Ok(Self { database, log, blobs: directory.join("blobs"), synced_blobs: Mutex::default() })
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

enum Opening {
    Corrupt(String),
    Panicked(String),
    Failed(String),
}

impl Opening {
    fn message(self, directory: &Path) -> String {
        let at = directory.display();
        match self {
            Self::Corrupt(reason) | Self::Panicked(reason) => format!(
                "the sled store in {at} is damaged ({reason}); put a backup in its place, or move the directory away to begin anew"
            ),
            Self::Failed(reason) => format!("sled cannot open {at}: {reason}"),
        }
    }
}

fn open(directory: &Path, cache_bytes: u64) -> Result<sled::Db, Opening> {
    let began = Instant::now();
    loop {
        let config = sled::Config::new().path(directory).cache_capacity(cache_bytes);
        match std::panic::catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(database)) => return Ok(database),
            Ok(Err(sled::Error::Corruption { at, .. })) => {
                return Err(Opening::Corrupt(format!("its checksums do not match, at {at:?}")));
            }
            // We hold the data directory's lock, so only threads of this process, about to end, can hold sled's.
            Ok(Err(sled::Error::Io(error))) if is_lock(&error) && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(Err(error)) => return Err(Opening::Failed(error.to_string())),
            Err(panic) => return Err(Opening::Panicked(disk::panic_message(&*panic))),
        }
    }
}

fn is_lock(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.to_string().contains("could not acquire lock")
}

fn snapshots(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn remove_unfinished_snapshots(directory: &Path) -> io::Result<()> {
    for path in snapshots(directory)? {
        if path.extension().is_some_and(|extension| extension == "generating") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Answers whether there were any.
fn move_snapshots_away(directory: &Path) -> io::Result<bool> {
    let found = snapshots(directory)?;
    let target = directory.join("unreadable-snapshots");
    if !found.is_empty() {
        disk::create_directory(&target)?;
    }
    for path in &found {
        if let Some(name) = path.file_name() {
            fs::rename(path, target.join(name))?;
        }
    }
    disk::sync_directory(directory)?;
    Ok(!found.is_empty())
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
        // Blobs first: the log refers to them.
        self.sync_blobs().map_err(|error| KvError(format!("the sync of sled's blobs failed: {error}")))?;
        self.log.sync_data().map_err(|error| KvError(format!("the sync of sled's log failed: {error}")))
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
    use super::*;

    fn filled(directory: &Path) {
        let store = Sled::open(directory, 1 << 24).unwrap();
        store.commit(vec![Op::Put(b"k".to_vec(), b"v".to_vec())]).unwrap();
    }

    #[test]
    fn a_half_written_snapshot_does_not_stop_the_opening() {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        fs::write(directory.path().join("snap.00000000000F0000.generating"), b"half").unwrap();
        let store = Sled::open(directory.path(), 1 << 24).unwrap();
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
    }

    #[test]
    fn a_snapshot_that_cannot_be_read_is_moved_away_and_nothing_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        for path in snapshots(directory.path()).unwrap() {
            fs::write(path, b"").unwrap();
        }
        fs::write(directory.path().join("snap.FFFFFFFFFFFF0000"), b"").unwrap();
        let store = Sled::open(directory.path(), 1 << 24).unwrap();
        assert_eq!(store.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        assert!(directory.path().join("unreadable-snapshots").is_dir());
    }

    #[test]
    fn an_opening_that_panics_or_fails_gives_a_clear_message() {
        let directory = tempfile::tempdir().unwrap();
        filled(directory.path());
        fs::write(directory.path().join("conf"), b"no configuration at all").unwrap();
        let message = Sled::open(directory.path(), 1 << 24).map(|_| ()).unwrap_err().to_string();
        assert!(message.contains("damaged") && message.contains("backup"), "{message}");
    }

    #[test]
    fn values_of_the_chunk_size_make_no_blobs() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sled::open(directory.path(), 1 << 24).unwrap();
        for round in 0..20u8 {
            store.commit((0..100u8).map(|n| Op::Put(vec![round, n], vec![n; crate::record::CHUNK + 4])).collect()).unwrap();
        }
        assert_eq!(fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
    }
}
