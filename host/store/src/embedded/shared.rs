//! What the callers' side and the committer have in common.

use super::{Engine, Options};
use crate::cache::Cache;
use crate::directory::Directory;
use crate::due::Queue;
use crate::kv::Kv;
use crate::{Error, disk};
use metrics::{Histogram, Unit, describe_histogram, histogram};
use parking_lot::{Mutex, RwLock};
use postern_core::EventId;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Counts since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Commits, each with one wait for the disk.
    pub commits: u64,
    /// Requests that were part of a commit: more than `commits` when several waited together.
    pub requests: u64,
    /// Keys that were written or removed.
    pub keys: u64,
    /// Deliveries that cannot be attempted because their records are damaged.
    pub damaged: u64,
}

/// [`Figures`], and what is told beside them to whoever collects figures of the process.
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) keys: AtomicU64,
    pub(crate) damaged: AtomicU64,
    /// How long the engine took for a commit, in seconds.
    commit_seconds: Histogram,
    commit_requests: Histogram,
    commit_keys: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        describe_histogram!("postern_store_commit_seconds", Unit::Seconds, "How long the store took to make a commit durable.");
        describe_histogram!("postern_store_commit_requests", "How many requests a commit of the store answered.");
        describe_histogram!("postern_store_commit_keys", "How many keys a commit of the store wrote or removed.");
        Self {
            commits: AtomicU64::default(),
            requests: AtomicU64::default(),
            keys: AtomicU64::default(),
            damaged: AtomicU64::default(),
            commit_seconds: histogram!("postern_store_commit_seconds"),
            commit_requests: histogram!("postern_store_commit_requests"),
            commit_keys: histogram!("postern_store_commit_keys"),
        }
    }
}

impl Counters {
    pub(crate) fn read(&self) -> Figures {
        Figures {
            commits: self.commits.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            keys: self.keys.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
        }
    }

    /// A commit is durable that answers so many requests. One without keys waited for nothing and is no commit.
    pub(crate) fn committed(&self, requests: u64, keys: u64, took: Duration) {
        self.requests.fetch_add(requests, Ordering::Relaxed);
        if keys > 0 {
            self.commits.fetch_add(1, Ordering::Relaxed);
            self.keys.fetch_add(keys, Ordering::Relaxed);
            self.commit_seconds.record(took);
            self.commit_requests.record(requests as f64);
            self.commit_keys.record(keys as f64);
        }
    }
}

pub(crate) struct Shared {
    /// Readers and ordinary commits share it; a purge's commit and the closing have it alone.
    pub(crate) kv: RwLock<Option<Box<dyn Kv>>>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) cache: Mutex<Cache>,
    pub(crate) changed: Notify,
    pub(crate) counters: Counters,
    /// The least id that was ingested since the last purge looked.
    pub(crate) least_ingested: Mutex<Option<EventId>>,
    /// The last day on which an idempotency key expires, so that look-ups try no later ones.
    pub(crate) last_idempotency_day: AtomicU32,
    pub(crate) path: PathBuf,
    pub(crate) reserve: u64,
    /// How many bytes the engine may write for one of ours before it frees what that replaced. Measured: 13 to 18 on
    /// sled, about 2 on redb.
    pub(crate) amplification: u64,
    failure: watch::Sender<Option<String>>,
    directory: Mutex<Option<Directory>>,
}

impl Shared {
    pub(crate) fn new(options: &Options, directory: Option<Directory>, kv: Box<dyn Kv>, queue: Queue) -> Self {
        Self {
            kv: RwLock::new(Some(kv)),
            queue: Mutex::new(queue),
            cache: Mutex::new(Cache::new(options.event_cache_bytes)),
            changed: Notify::new(),
            counters: Counters::default(),
            least_ingested: Mutex::default(),
            last_idempotency_day: AtomicU32::new(0),
            path: options.directory.clone(),
            reserve: options.reserve_bytes,
            amplification: match options.engine {
                Engine::Sled => 16,
                Engine::Redb => 4,
            },
            failure: watch::Sender::new(None),
            directory: Mutex::new(directory),
        }
    }

    /// The engine failed: nothing is written any more.
    pub(crate) fn fail(&self, reason: &str) {
        self.failure.send_if_modified(|failure| {
            if failure.is_some() {
                return false;
            }
            tracing::error!(reason, "the store failed; nothing more is written");
            *failure = Some(reason.to_owned());
            true
        });
    }

    /// Why the engine failed, if it did.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.failure.borrow().clone().map(Error::Failed)
    }

    /// Waits until the engine failed.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|reason| reason.clone()) {
            Ok(Some(reason)) => reason,
            // The sender lives as long as `self`.
            _ => std::future::pending().await,
        }
    }

    /// Reads from the engine. Blocks.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&dyn Kv) -> Result<T, Error>) -> Result<T, Error> {
        let kv = self.kv.read();
        let kv = kv.as_deref().ok_or(Error::Closed)?;
        // sled panics where other engines answer with an error.
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| read(kv)))
            .unwrap_or_else(|panic| Err(Error::Failed(disk::panic_message(&*panic))));
        if let Err(Error::Failed(reason)) = &result {
            self.fail(reason);
        }
        result
    }

    /// As [`read`](Self::read), but nobody else reads or writes meanwhile, and what is done may write. Blocks.
    pub(crate) fn alone<T>(&self, work: impl FnOnce(&dyn Kv) -> Result<T, Error>) -> Result<T, Error> {
        let kv = self.kv.write();
        let kv = kv.as_deref().ok_or(Error::Closed)?;
        self.failure().map_or(Ok(()), Err)?;
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| work(kv)))
            .unwrap_or_else(|panic| Err(Error::Failed(disk::panic_message(&*panic))));
        if let Err(Error::Failed(reason)) = &result {
            self.fail(reason);
        }
        result
    }

    /// Closes the engine, then gives the directory up. Blocks.
    pub(crate) fn close(&self) {
        let kv = self.kv.write().take();
        drop(kv);
        drop(self.directory.lock().take());
    }
}
