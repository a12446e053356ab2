//! The seam on redb: one table, each commit immediately durable. redb syncs its file itself, in the right order.

use super::{Direction, Kv, KvError, Op, Visit};
use crate::disk;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::ops::Range;
use std::path::Path;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("postern");
const FILE: &str = "postern.redb";

/// A redb database.
pub(crate) struct Redb {
    database: Database,
}

impl Redb {
    /// Opens the database in `directory`, and makes it first if need be.
    pub(crate) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, KvError> {
        disk::create_directory(directory).map_err(|error| KvError(error.to_string()))?;
        let path = directory.join(FILE);
        let mut builder = Database::builder();
        builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
        let open = std::panic::AssertUnwindSafe(|| builder.create(&path));
        let database = match std::panic::catch_unwind(open) {
            Ok(Ok(database)) => database,
            Ok(Err(error)) => return Err(KvError(format!("redb cannot open {}: {error}", path.display()))),
            Err(panic) => {
                let reason = disk::panic_message(&*panic);
                return Err(KvError(format!("redb gave up while it opened {}: {reason}", path.display())));
            }
        };
        let store = Self { database };
        // Readers fail on a table that does not exist.
        store.commit(Vec::new())?;
        disk::sync_directory(directory).map_err(|error| KvError(error.to_string()))?;
        Ok(store)
    }
}

fn failed(error: impl Into<redb::Error>) -> KvError {
    KvError(format!("redb: {}", error.into()))
}

impl Kv for Redb {
    fn commit(&self, ops: Vec<Op>) -> Result<(), KvError> {
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
        }
        transaction.commit().map_err(failed)
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
