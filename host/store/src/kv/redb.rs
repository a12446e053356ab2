//! The seam on redb: one table, each commit immediately durable. redb syncs its file itself, in the right order.
//!
//! redb writes a commit and its new root with one sync. If it finds the newest commit damaged when it opens the file after
//! a crash, it takes that for a write that was cut off and goes back to the commit before; a file that was closed in order
//! it opens without looking. So it first opens a file that nobody else sees changes of ([`Overlay`]): there it verifies
//! every page, and the number of the newest commit, which each commit writes into a table of its own, is compared with
//! what was noted outside ([`watermark`]).

mod overlay;

use super::watermark::{self, Watermark};
use super::{Direction, Found, Kv, KvError, Loss, Op, Visit};
use crate::{Error, disk};
use overlay::Overlay;
use redb::{Database, DatabaseError, Durability, ReadableDatabase, TableDefinition, TableError};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postern");
/// One row: how many commits there were.
const COMMITS: TableDefinition<'_, (), u64> = TableDefinition::new("postern-commits");
const FILE: &str = "postern.redb";

/// A redb database.
pub(crate) struct Redb {
    database: Database,
    /// The number of the last commit.
    commits: AtomicU64,
    watermark: Option<Watermark>,
}

impl Redb {
    /// Opens the database in `directory`, and makes it first if need be.
    ///
    /// # Errors
    /// [`Error::Lost`] when acknowledged data is missing or damaged; nothing is changed then. [`Error::Failed`].
    pub(crate) fn open(directory: &Path, cache_bytes: u64, loss: Loss) -> Result<Self, Error> {
        let at = |error: io::Error| Error::Failed(error.to_string());
        let durable = watermark::read(directory)?;
        loss.judge(directory, &examine(directory, durable, cache_bytes)?)?;
        disk::create_directory(directory).map_err(at)?;
        let path = directory.join(FILE);
        let mut builder = Database::builder();
        builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
        let database = caught(|| builder.create(&path))
            .map_err(|reason| Error::Failed(format!("redb cannot open {}: {reason}", path.display())))?;
        let commits = AtomicU64::new(commits(&database)?);
        let mut store = Self { database, commits, watermark: None };
        if store.commits.load(Ordering::Relaxed) == 0 {
            // Readers fail on a table that does not exist.
            store.commit(Vec::new())?;
        }
        disk::sync_directory(directory).map_err(at)?;
        store.watermark = Some(Watermark::begin(directory, store.commits.load(Ordering::Relaxed))?);
        Ok(store)
    }
}

/// What is wrong with the database in this directory.
pub(crate) fn found(directory: &Path, durable: Option<u64>) -> Result<Vec<Found>, Error> {
    examine(directory, durable, 16 << 20)
}

fn examine(directory: &Path, durable: Option<u64>, cache_bytes: u64) -> Result<Vec<Found>, Error> {
    let path = directory.join(FILE);
    let found = |reason: String| vec![Found { place: path.display().to_string(), reason }];
    let durable = durable.unwrap_or(0);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(if durable == 0 { Vec::new() } else { found("the file is missing".into()) });
        }
        Err(error) => return Err(Error::Failed(disk::context("read", &path, &error).to_string())),
    };
    let overlay = Overlay::new(file).map_err(|error| Error::Failed(disk::context("read", &path, &error).to_string()))?;
    let mut builder = Database::builder();
    builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX)).set_check_integrity_on_open(true);
    let newest = caught(|| {
        let database = builder.create_with_backend(overlay)?;
        // What redb panics over is told as what it returns.
        Ok(commits(&database))
    });
    Ok(match newest {
        Err(reason) => found(reason),
        Ok(Err(error)) => found(error.to_string()),
        Ok(Ok(newest)) if newest < durable => {
            found(format!("commits up to {durable} were acknowledged, but the newest that can be read is {newest}"))
        }
        Ok(Ok(_)) => Vec::new(),
    })
}

/// Runs what may panic on a damaged file.
fn caught<T>(work: impl FnOnce() -> Result<T, DatabaseError>) -> Result<T, String> {
    match std::panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => Err(format!("redb gave up: {}", disk::panic_message(&*panic))),
    }
}

/// The number of the newest commit; 0 if none has one.
fn commits(database: &Database) -> Result<u64, KvError> {
    let transaction = database.begin_read().map_err(failed)?;
    match transaction.open_table(COMMITS) {
        Ok(table) => Ok(table.get(()).map_err(failed)?.map_or(0, |number| number.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: impl Into<redb::Error>) -> KvError {
    KvError(format!("redb: {}", error.into()))
}

impl Kv for Redb {
    fn commit(&self, ops: Vec<Op>) -> Result<(), KvError> {
        let number = self.commits.load(Ordering::Relaxed) + 1;
        let mut transaction = self.database.begin_write().map_err(failed)?;
        transaction.set_durability(Durability::Immediate).map_err(failed)?;
        {
            let mut table = transaction.open_table(TABLE).map_err(failed)?;
            for op in &ops {
                match op {
                    Op::Put(key, value) => table.insert(key.as_slice(), value.as_slice()).map_err(failed)?,
                    Op::Delete(key) => table.remove(key.as_slice()).map_err(failed)?,
                };
            }
            transaction.open_table(COMMITS).map_err(failed)?.insert((), number).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        self.commits.store(number, Ordering::Relaxed);
        if let Some(watermark) = &self.watermark {
            watermark.raise(number);
        }
        Ok(())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(TABLE).map_err(failed)?;
        Ok(table.get(key).map_err(failed)?.map(|value| value.value().to_vec()))
    }

    fn scan(&self, range: Range<&[u8]>, direction: Direction, visit: Visit<'_>) -> Result<(), KvError> {
        if range.is_empty() {
            return Ok(());
        }
        let transaction = self.database.begin_read().map_err(failed)?;
        let table = transaction.open_table(TABLE).map_err(failed)?;
        let mut rows = table.range(range).map_err(failed)?;
        loop {
            let row = match direction {
                Direction::Forward => rows.next(),
                Direction::Backward => rows.next_back(),
            };
            let Some(row) = row else { return Ok(()) };
            let (key, value) = row.map_err(failed)?;
            if visit(key.value(), value.value()).is_break() {
                return Ok(());
            }
        }
    }
}
