//! The seam between the store and its engine: ordered bytes, atomic and durable batches, scans that stop early.
//!
//! Everything above this trait is the same for both engines; nothing outside this crate sees it.

use crate::Error;
use std::ops::{ControlFlow, Range};
use std::path::Path;

pub(crate) mod redb;
pub(crate) mod sled;
pub(crate) mod sled_log;
pub(crate) mod watermark;

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
}

impl Op {
    /// What it adds to the log, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Put(key, value) => key.len() + value.len(),
            Self::Delete(key) => key.len(),
        }
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// Something that is wrong with the files of an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub(crate) struct Found {
    /// A file, and where in it if that is known.
    pub(crate) place: String,
    /// What is wrong there.
    pub(crate) reason: String,
}

/// What an opening does when acknowledged data is missing or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It changes nothing and fails with [`Error::Lost`].
    Refuse,
    /// It opens what is left, and logs what is not.
    Accept,
}

impl Loss {
    /// What becomes of an opening that found these things wrong.
    pub(crate) fn judge(self, directory: &Path, found: &[Found]) -> Result<(), Error> {
        let Some((first, rest)) = found.split_first() else { return Ok(()) };
        if self == Self::Accept {
            found.iter().for_each(|what| tracing::warn!(%what, "damage in the store's files is accepted, as was asked"));
            return Ok(());
        }
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
        Err(Error::Lost { what: format!("{first}{more}"), directory: directory.to_owned() })
    }
}

/// The engine failed, or does not trust its own files.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct KvError(pub(crate) String);

impl From<KvError> for Error {
    fn from(error: KvError) -> Self {
        Self::Failed(error.0)
    }
}

/// What a scan calls for each row, with key and value; it breaks to stop.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// An ordered map of bytes on a disk.
pub(crate) trait Kv: Send + Sync + 'static {
    /// Applies all or nothing; on `Ok` it survives a loss of power. After an error the engine must not be used any
    /// more: nobody knows what reached the disk.
    fn commit(&self, ops: Vec<Op>) -> Result<(), KvError>;

    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Shows the rows of a range in the order of their keys, until the visitor breaks. Whoever stops can go on later
    /// from the key that it saw last: a scan holds nothing between calls.
    fn scan(&self, range: Range<&[u8]>, direction: Direction, visit: Visit<'_>) -> Result<(), KvError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engines(directory: &std::path::Path) -> Vec<Box<dyn Kv>> {
        vec![
            Box::new(sled::Sled::open(&directory.join("sled"), 1 << 24, Loss::Refuse).unwrap()),
            Box::new(redb::Redb::open(&directory.join("redb"), 1 << 24, Loss::Refuse).unwrap()),
        ]
    }

    fn rows(kv: &dyn Kv, range: Range<&[u8]>, direction: Direction, limit: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        kv.scan(range, direction, &mut |key, _| {
            keys.push(key.to_vec());
            if keys.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        keys
    }

    #[test]
    fn a_batch_is_read_back_in_order_from_both_ends() {
        let directory = tempfile::tempdir().unwrap();
        for kv in engines(directory.path()) {
            kv.commit((0..100u8).map(|n| Op::Put(vec![b'a', n], vec![n; 3])).collect()).unwrap();
            kv.commit(vec![Op::Delete(vec![b'a', 7]), Op::Put(vec![b'a', 8], b"new".to_vec())]).unwrap();
            assert_eq!(kv.get(&[b'a', 7]).unwrap(), None);
            assert_eq!(kv.get(&[b'a', 8]).unwrap().as_deref(), Some(&b"new"[..]));
            assert_eq!(rows(&*kv, b"a\x06"..b"a\x0a", Direction::Forward, 9), [b"a\x06", b"a\x08", b"a\x09"]);
            assert_eq!(rows(&*kv, b"a"..b"b", Direction::Backward, 2), [[b'a', 99], [b'a', 98]]);
            assert_eq!(rows(&*kv, b"b"..b"c", Direction::Forward, 2), Vec::<Vec<u8>>::new());
        }
    }

    #[test]
    fn what_was_committed_is_there_after_a_reopening() {
        let directory = tempfile::tempdir().unwrap();
        for kv in engines(directory.path()) {
            kv.commit(vec![Op::Put(b"k".to_vec(), b"v".to_vec())]).unwrap();
        }
        for kv in engines(directory.path()) {
            assert_eq!(kv.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
        }
    }
}
