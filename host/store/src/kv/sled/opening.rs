//! sled's own opening, whose panics and errors become messages.

use crate::{Error, disk};
use std::fs;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long an opening waits for the threads of a store that this process has just closed.
const PATIENCE: Duration = Duration::from_secs(5);

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
                "the sled store in {at} is damaged ({reason}); put a backup of the whole data directory in its place, or move the \
                 data directory away to begin anew"
            ),
            Self::Failed(reason) => format!("sled cannot open {at}: {reason}"),
        }
    }
}

/// Opens sled. If it cannot read its snapshot, and `may_do_without` says that the log alone will do, the snapshot is moved
/// away and sled reads its whole log.
pub(super) fn open(directory: &Path, cache_bytes: u64, may_do_without: impl FnOnce() -> bool) -> Result<sled::Db, Error> {
    let at = |error: io::Error| Error::Failed(error.to_string());
    match try_to_open(directory, cache_bytes) {
        Err(Opening::Corrupt(reason)) if may_do_without() && move_snapshots_away(directory).map_err(at)? => {
            tracing::warn!(%reason, "sled could not read its snapshot; it was moved away and the whole log is read");
            try_to_open(directory, cache_bytes)
        }
        other => other,
    }
    .map_err(|error| Error::Failed(error.message(directory)))
}

fn try_to_open(directory: &Path, cache_bytes: u64) -> Result<sled::Db, Opening> {
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

pub(super) fn snapshots(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

pub(super) fn remove_unfinished_snapshots(directory: &Path) -> io::Result<()> {
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
