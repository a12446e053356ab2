//! The store inside this process.
//!
//! | module | what it does |
//! |---|---|
//! | [`committer`] | the one thread that writes: takes what waits, commits once, answers all |
//! | [`batch`] | decides each request of a commit; with [`ingest`], [`marks`], [`finish`], [`again`] and [`apply`] |
//! | [`effect`] | what a commit changes in memory |
//! | [`shared`] | what callers and committer have in common: engine, queue, cache, failure |
//! | [`recover`] | the schema's version and the queue, at the opening |
//! | [`claim`] | hands out what is due |
//! | [`operations`] | [`Store`](crate::Store) on top of these |

mod again;
mod apply;
mod batch;
mod claim;
mod committer;
mod effect;
mod finish;
mod ingest;
mod marks;
mod operations;
pub(crate) mod recover;
pub(crate) mod shared;

pub(crate) use committer::Hold;
pub use shared::Figures;

use crate::directory::Directory;
use crate::external::Sweep;
use crate::kv::{Kv, Loss};
use crate::purge::Marks;
use crate::{Error, idempotency, kv, transfer};
use committer::{Request, WAITING_REQUESTS};
use serde::{Deserialize, Serialize};
use shared::Shared;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, mpsc};

/// So many listings read at the same time; more would only wait for the same disk.
const LISTINGS: usize = 4;

/// What keeps the bytes of an [`Embedded`] store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// sled 0.34.7, hardened. The default.
    #[default]
    Sled,
    /// redb 4.
    Redb,
}

impl Engine {
    /// As the configuration writes it: `sled`, `redb`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no embedded engine.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is no embedded engine; expected \"sled\" or \"redb\"")]
pub struct UnknownEngine(String);

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Sled, Self::Redb]
            .into_iter()
            .find(|engine| engine.name() == text)
            .ok_or_else(|| UnknownEngine(text.chars().take(64).collect()))
    }
}

/// How an [`Embedded`] store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory; made if it does not exist.
    pub directory: PathBuf,
    /// The engine. Default: sled. A directory keeps the engine that it was made with.
    pub engine: Engine,
    /// The engine's cache. Default: 64 MiB. sled's use of memory is about three times as much.
    pub cache_bytes: u64,
    /// The space on the disk that new events and objects leave free, for recording outcomes; a purge may use half of
    /// it. Default: 64 MiB. When it is used up as well, the store fails. sled never gives space back to the disk: it
    /// reuses what a purge freed, but on a full disk new events wait until something else makes room.
    pub reserve_bytes: u64,
    /// How many bytes of newly accepted events are kept in memory until they are claimed. Default: 32 MiB.
    pub event_cache_bytes: usize,
    /// Whether the store opens though acknowledged data is missing or damaged, with what is left. Default: no; the opening
    /// then fails with [`Error::Lost`].
    pub accept_loss: bool,
}

impl Options {
    /// The defaults for a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            engine: Engine::default(),
            cache_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            event_cache_bytes: 32 << 20,
            accept_loss: false,
        }
    }
}

/// A [`Store`](crate::Store) in files of this process.
///
/// Dropping it without [`close`](crate::Store::close) finishes what was begun as well, and blocks meanwhile.
pub struct Embedded {
    pub(crate) shared: Arc<Shared>,
    requests: parking_lot::Mutex<Option<mpsc::Sender<Request>>>,
    committer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
    listings: Semaphore,
    /// Held by whoever must not meet a purge.
    pub(crate) marks: tokio::sync::Mutex<Marks>,
    /// Held over each step of a purge, and by what makes final deliveries unfinished again: a step removes what was
    /// final when it looked.
    history: tokio::sync::Mutex<()>,
    /// How far purges came among the external ids.
    sweep: parking_lot::Mutex<Sweep>,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").field("directory", &self.shared.path).finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens the store, and makes it first if there is none. Blocks while it verifies the engine's files, all of them, and
    /// reads what was left unfinished.
    ///
    /// # Errors
    /// [`Error::Lost`] when acknowledged data is missing or damaged, unless that is accepted; nothing is changed then.
    /// [`Error::Locked`] when another process uses the directory. [`Error::Failed`] when the directory cannot be made
    /// or written, was made for another engine or by a newer version, or the engine cannot open its files.
    /// [`Error::Damaged`] when the store's own notes are.
    pub fn open(options: Options) -> Result<Self, Error> {
        let directory = Directory::open(&options.directory, options.engine)?;
        let path = directory.engine_path(options.engine);
        let loss = if options.accept_loss { Loss::Accept } else { Loss::Refuse };
        let kv: Box<dyn Kv> = match options.engine {
            Engine::Sled => Box::new(kv::sled::Sled::open(&path, options.cache_bytes, loss)?),
            Engine::Redb => Box::new(kv::redb::Redb::open(&path, options.cache_bytes, loss)?),
        };
        Self::start(&options, Some(directory), kv)
    }

    fn start(options: &Options, directory: Option<Directory>, kv: Box<dyn Kv>) -> Result<Self, Error> {
        recover::check_schema(&*kv, &options.directory)?;
        transfer::undo_unfinished(&*kv)?;
        let last_day = idempotency::last_day(&*kv)?;
        let (queue, damaged) = recover::unfinished(&*kv)?;
        let shared = Arc::new(Shared::new(options, directory, kv, queue));
        shared.last_idempotency_day.store(last_day.unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
        shared.counters.damaged.store(damaged, std::sync::atomic::Ordering::Relaxed);
        let (sender, receiver) = mpsc::channel(WAITING_REQUESTS);
        let committer = {
            let shared = shared.clone();
            std::thread::Builder::new()
                .name("store-committer".into())
                .spawn(move || committer::run(&shared, receiver))
                .map_err(|error| Error::Failed(format!("the committer's thread cannot be started: {error}")))?
        };
        Ok(Self {
            shared,
            requests: parking_lot::Mutex::new(Some(sender)),
            committer: tokio::sync::Mutex::new(Some(committer)),
            listings: Semaphore::new(LISTINGS),
            marks: tokio::sync::Mutex::default(),
            history: tokio::sync::Mutex::default(),
            sweep: parking_lot::Mutex::default(),
        })
    }

    /// What was counted since the opening.
    pub fn figures(&self) -> Figures {
        self.shared.counters.read()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        drop(self.requests.get_mut().take());
        // A thread that panicked has said so in the failure already.
        if let Some(committer) = self.committer.get_mut().take() {
            committer.join().ok();
        }
        self.shared.close();
    }
}

#[cfg(test)]
mod tests;
