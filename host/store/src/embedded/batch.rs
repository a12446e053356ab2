//! One commit in the making: each request is decided in turn, on what is stored and what the requests before it in
//! the same commit change. One that is refused leaves no trace in it.

use super::committer::{Reply, Request};
use super::effect::{self, Effect};
use super::shared::Shared;
use crate::directory::free_bytes;
use crate::idempotency::Remembered;
use crate::kv::{Kv, Op};
use crate::{Error, Kind, external};
use postern_core::Timestamp;
use std::collections::HashMap;
use std::time::Instant;

/// What the removal of a key writes, in bytes, before the engine's amplification: it rewrites a part of a page.
const PURGED_KEY: usize = 256;

/// A stored document: its revision and how many rows it has.
pub(super) type Stored = Option<(u64, usize)>;

/// Tells whoever asked what was decided, or why it is not durable.
type Answer = Box<dyn FnOnce(Result<(), Error>)>;

pub(crate) struct Batch<'a> {
    pub(super) shared: &'a Shared,
    ops: Vec<Op>,
    bytes: usize,
    pub(super) documents: HashMap<(Kind, String), Stored>,
    pub(super) remembered: HashMap<[u8; 32], Remembered>,
    effects: Vec<Effect>,
    answers: Vec<Answer>,
    purges: bool,
    free: Option<u64>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            ops: Vec::new(),
            bytes: 0,
            documents: HashMap::new(),
            remembered: HashMap::new(),
            effects: Vec::new(),
            answers: Vec::new(),
            purges: false,
            free: None,
        }
    }

    /// How many keys it changes.
    pub(crate) fn keys(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn push(&mut self, ops: impl IntoIterator<Item = Op>) {
        for op in ops {
            self.bytes += op.bytes();
            self.ops.push(op);
        }
    }

    /// Has this done once the commit is durable.
    pub(super) fn then(&mut self, effects: impl IntoIterator<Item = Effect>) {
        self.effects.extend(effects);
    }

    /// Decides a request; answers it at once if it is refused.
    pub(crate) fn add(&mut self, request: Request) {
        match request {
            Request::Ingest { ingest, reply } => {
                let decided = self.ingest(ingest);
                self.decided(decided, reply);
            }
            Request::Finish { steps, events, reply } => {
                let decided = self.finish(steps);
                if decided.is_ok() {
                    self.announce(events);
                }
                self.decided(decided, reply);
            }
            Request::Apply { beside, reply } => {
                let decided = self.beside(beside);
                self.decided(decided, reply);
            }
            Request::Purge { keys, holds, reply } => {
                let decided = self.purge(keys);
                if decided.is_ok() {
                    self.then(holds.into_iter().map(Effect::Lifted));
                }
                self.decided(decided, reply);
            }
            Request::Forget { keys, before, reply } => {
                let decided = self.forget(keys, before);
                self.decided(decided, reply);
            }
            Request::Reopen { subjects, at, unless_since, beside, reply } => {
                let decided = self.reopen(&subjects, at, unless_since, beside);
                self.decided(decided, reply);
            }
            Request::Cancel { subject, at, error, entries, reply } => {
                let decided = self.cancel(&subject, at, error, &entries);
                self.decided(decided, reply);
            }
            Request::ReleaseHolds { subscription, limit, reply } => {
                let decided = self.release_holds(subscription, limit);
                self.decided(decided, reply);
            }
        }
    }

    /// Keeps an answer until the commit is durable. Whoever asked may have gone by then.
    fn decided<T: 'static>(&mut self, decided: Result<T, Error>, reply: Reply<T>) {
        match decided {
            Ok(answer) => self.answers.push(Box::new(|committed| drop(reply.send(committed.map(|()| answer))))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    /// Refuses before anything is written what would leave less than `keep` bytes free. An engine that meets a full
    /// disk in the middle of a commit has failed for good; what is kept back lets outcomes be recorded meanwhile.
    pub(super) fn need_space(&mut self, bytes: usize, keep: u64) -> Result<(), Error> {
        let free = match self.free {
            Some(free) => free,
            None => match free_bytes(&self.shared.path) {
                Ok(free) => *self.free.insert(free),
                Err(error) => {
                    tracing::warn!(%error, "the free space cannot be read");
                    return Ok(());
                }
            },
        };
        let bytes = u64::try_from(self.bytes.saturating_add(bytes)).unwrap_or(u64::MAX);
        if free < keep.saturating_add(bytes.saturating_mul(self.shared.amplification)) {
            let (free, keep, path) = (free >> 20, keep >> 20, self.shared.path.display());
            return Err(Error::Full(format!("{free} MiB are free at {path}, and {keep} MiB are kept back")));
        }
        Ok(())
    }

    fn purge(&mut self, keys: Vec<Vec<u8>>) -> Result<(), Error> {
        self.need_space(keys.len() * PURGED_KEY, self.shared.reserve / 2)?;
        self.purges = true;
        self.push(keys.into_iter().map(Op::Delete));
        Ok(())
    }

    fn forget(&mut self, keys: Vec<Vec<u8>>, before: Timestamp) -> Result<(), Error> {
        // Some may have been used since they were found.
        let unused = |kv: &dyn Kv, key: &Vec<u8>| -> Result<bool, Error> {
            let row = kv.get(key)?;
            Ok(row.is_some_and(|row| external::parse(key, &row).map_or(true, |row| row.last < before)))
        };
        let mut gone = Vec::new();
        for key in keys {
            if self.shared.read(|kv| unused(kv, &key))? {
                gone.push(key);
            }
        }
        self.purge(gone)
    }

    /// Makes everything durable, then answers everybody.
    pub(crate) fn commit(self) {
        let Self { shared, ops, effects, answers, purges, .. } = self;
        if answers.is_empty() && ops.is_empty() {
            return;
        }
        let (keys, began) = (ops.len() as u64, Instant::now());
        let committed = match ops.is_empty() {
            true => Ok(()),
            false => write(shared, purges, ops),
        };
        if let Err(Error::Failed(reason)) = &committed {
            shared.fail(reason);
        }
        if committed.is_ok() {
            shared.counters.committed(answers.len() as u64, keys, began.elapsed());
            effect::take(shared, effects);
        }
        answers.into_iter().for_each(|answer| answer(committed.clone()));
    }
}

fn write(shared: &Shared, alone: bool, ops: Vec<Op>) -> Result<(), Error> {
    let run = |kv: Option<&dyn Kv>| Ok(kv.ok_or(Error::Closed)?.commit(ops)?);
    if alone { run(shared.kv.write().as_deref()) } else { run(shared.kv.read().as_deref()) }
}
