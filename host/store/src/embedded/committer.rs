//! The one thread that writes. It takes all requests that wait, makes one commit of them, and answers them all.
//!
//! No request waits for company: while one commit waits for the disk, the next requests gather.

use super::batch::Batch;
use super::shared::Shared;
use crate::audit::NewEntry;
use crate::record::Record;
use crate::{Change, ClaimId, Error, Ingested, NewEvent, disk};
use postern_core::DeliveryId;
use postern_core::Timestamp;
use postern_core::delivery::State;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// A commit takes requests until it has so many keys: more would make the first of them wait too long.
pub(crate) const KEYS_PER_COMMIT: usize = 1500;

/// So many requests may wait; whoever brings the next one waits with it.
pub(crate) const WAITING_REQUESTS: usize = 1024;

/// How a request is answered.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// A step that is to be recorded.
pub(crate) struct NewStep {
    pub(crate) claim: ClaimId,
    pub(crate) id: DeliveryId,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) at: Timestamp,
    pub(crate) record: Record,
}

/// A write, with the parts that need no decision already encoded.
pub(crate) enum Request {
    Ingest { new: NewEvent, record: Record, reply: Reply<Ingested> },
    Finish { steps: Vec<NewStep>, reply: Reply<()> },
    Apply { changes: Vec<Change>, entries: Vec<NewEntry>, reply: Reply<Vec<u64>> },
    Purge { keys: Vec<Vec<u8>>, reply: Reply<()> },
}

impl Request {
    pub(crate) fn refuse(self, error: Error) {
        // Whoever asked may have gone; then nobody wants the answer.
        match self {
            Self::Ingest { reply, .. } => drop(reply.send(Err(error))),
            Self::Finish { reply, .. } | Self::Purge { reply, .. } => drop(reply.send(Err(error))),
            Self::Apply { reply, .. } => drop(reply.send(Err(error))),
        }
    }
}

/// Runs until every sender is gone and every request is answered.
pub(crate) fn run(shared: &Arc<Shared>, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        if let Some(error) = shared.failure() {
            first.refuse(error);
            continue;
        }
        // sled panics where other engines answer with an error. The answers' senders are then dropped, and the
        // callers learn the reason from the store.
        let round = AssertUnwindSafe(|| commit_waiting(shared, first, &mut requests));
        if let Err(panic) = std::panic::catch_unwind(round) {
            shared.fail(&format!("the engine gave up: {}", disk::panic_message(&*panic)));
        }
    }
}

fn commit_waiting(shared: &Shared, first: Request, requests: &mut mpsc::Receiver<Request>) {
    let mut batch = Batch::new(shared);
    batch.add(first);
    while batch.keys() < KEYS_PER_COMMIT {
        match requests.try_recv() {
            Ok(request) => batch.add(request),
            Err(_) => break,
        }
    }
    batch.commit();
}
