//! One commit in the making: each request is decided in turn, on what is stored and what the requests before it in
//! the same commit change. One that is refused leaves no trace in it.

use super::committer::{NewStep, Reply, Request};
use super::shared::Shared;
use crate::audit::NewEntry;
use crate::cache::Routed;
use crate::directory::free_bytes;
use crate::idempotency::{self, Remembered};
use crate::key;
use crate::kv::{Kv, Op};
use crate::record::{self, Head, Record};
use crate::{Change, Error, Expect, Ingested, Kind, LONGEST_ID, NewEvent, codec};
use postern_core::delivery::State;
use postern_core::{DeliveryId, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

/// What the removal of a key writes, in bytes, before the engine's amplification: it rewrites a part of a page.
const PURGED_KEY: usize = 256;

/// A stored document: its revision and how many rows it has.
type Stored = Option<(u64, usize)>;

/// What is done once the commit is durable.
enum Done {
    Ingested {
        new: NewEvent,
        reply: Reply<Ingested>,
    },
    /// Nothing new; but the first emission may be in this very commit.
    Repeated {
        answer: Ingested,
        reply: Reply<Ingested>,
    },
    Finished {
        again: Vec<Again>,
        finals: usize,
        reply: Reply<()>,
    },
    Applied {
        revisions: Vec<u64>,
        reply: Reply<Vec<u64>>,
    },
    Purged {
        reply: Reply<()>,
    },
}

/// A delivery that becomes due again.
struct Again {
    id: DeliveryId,
    due: Timestamp,
    steps: u16,
    attempts: u32,
}

pub(crate) struct Batch<'a> {
    shared: &'a Shared,
    ops: Vec<Op>,
    bytes: usize,
    documents: HashMap<(Kind, String), Stored>,
    remembered: HashMap<[u8; 32], Remembered>,
    done: Vec<Done>,
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
            done: Vec::new(),
            purges: false,
            free: None,
        }
    }

    /// How many keys it changes.
    pub(crate) fn keys(&self) -> usize {
        self.ops.len()
    }

    fn push(&mut self, ops: impl IntoIterator<Item = Op>) {
        for op in ops {
            self.bytes += op.bytes();
            self.ops.push(op);
        }
    }

    /// Decides a request; answers it at once if it is refused.
    pub(crate) fn add(&mut self, request: Request) {
        match request {
            Request::Ingest { new, record, reply } => match self.ingest(&new, &record) {
                Ok(None) => self.done.push(Done::Ingested { new, reply }),
                Ok(Some(answer)) => self.done.push(Done::Repeated { answer, reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Finish { steps, reply } => match self.finish(&steps) {
                Ok((again, finals)) => self.done.push(Done::Finished { again, finals, reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Apply { changes, entries, reply } => match self.apply(&changes, &entries) {
                Ok(revisions) => self.done.push(Done::Applied { revisions, reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Purge { keys, reply } => match self.need_space(keys.len() * PURGED_KEY, self.shared.reserve / 2) {
                Ok(()) => {
                    self.purges = true;
                    self.push(keys.into_iter().map(Op::Delete));
                    self.done.push(Done::Purged { reply });
                }
                Err(error) => drop(reply.send(Err(error))),
            },
        }
    }

    /// Refuses before anything is written what would leave less than `keep` bytes free. An engine that meets a full
    /// disk in the middle of a commit has failed for good; what is kept back lets outcomes be recorded meanwhile.
    fn need_space(&mut self, bytes: usize, keep: u64) -> Result<(), Error> {
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

    /// Answers with what was answered before, if this is a repetition.
    fn ingest(&mut self, new: &NewEvent, record: &Record) -> Result<Option<Ingested>, Error> {
        let deliveries = u32::try_from(new.routes.len()).unwrap_or(u32::MAX);
        let id = new.event.id;
        let mut remember = Vec::new();
        if let Some(asked) = &new.idempotency {
            if let Some(answer) = self.remembered.get(&asked.key).and_then(|known| known.answer(asked.now)) {
                return Ok(Some(answer));
            }
            let last_day = self.shared.last_idempotency_day.load(Ordering::Relaxed);
            let (found, stale) = self.shared.read(|kv| idempotency::look_up(kv, asked, last_day))?;
            if let Some(answer) = found.and_then(|known| known.answer(asked.now)) {
                return Ok(Some(answer));
            }
            remember.extend(stale.into_iter().map(Op::Delete));
            if asked.until > asked.now {
                remember.push(Remembered { event: id, until: asked.until, deliveries }.op(&asked.key));
            }
        }
        self.need_space(record.rows() * record::CHUNK, self.shared.reserve)?;
        if let Some(asked) = new.idempotency.filter(|asked| asked.until > asked.now) {
            self.remembered.insert(asked.key, Remembered { event: id, until: asked.until, deliveries });
            self.shared.last_idempotency_day.fetch_max(idempotency::day(asked.until), Ordering::Relaxed);
        }
        self.push(remember);
        self.push(record.ops(&key::event(id)));
        if deliveries > 0 {
            let key = key::unfinished(id);
            let value = record::seal(&key, &deliveries.to_be_bytes());
            self.push([Op::Put(key, value)]);
        }
        Ok(None)
    }

    fn finish(&mut self, steps: &[NewStep]) -> Result<(Vec<Again>, usize), Error> {
        let mut queue = self.shared.queue.lock();
        let mut claims = HashSet::with_capacity(steps.len());
        if let Some(lost) = steps.iter().find(|step| !queue.holds(step.claim, step.id) || !claims.insert(step.claim)) {
            return Err(Error::LostClaim(lost.id));
        }
        let held: Vec<_> = steps.iter().filter_map(|step| queue.take_held(step.claim)).collect();
        if let Some(full) = held.iter().find(|held| held.steps == u16::MAX) {
            // Their claims are gone on purpose: a delivery that can record nothing must not be attempted again.
            return Err(Error::TooLarge(format!("delivery {} has {} steps", full.id, full.steps)));
        }
        let mut again = Vec::new();
        let mut ops = Vec::with_capacity(steps.len() * 2);
        for (step, held) in steps.iter().zip(held) {
            ops.extend(step.record.ops(&key::step(step.id, held.steps)));
            let due = match &step.state {
                State::Retrying { next_attempt_at, .. } => *next_attempt_at,
                State::Pending => step.at,
                State::Success { .. } | State::Failed { .. } => {
                    if queue.note_final(step.id.event) {
                        ops.push(Op::Delete(key::unfinished(step.id.event)));
                    }
                    continue;
                }
            };
            again.push(Again { id: step.id, due, steps: held.steps + 1, attempts: step.attempts });
        }
        drop(queue);
        self.push(ops);
        let finals = steps.len() - again.len();
        Ok((again, finals))
    }

    fn apply(&mut self, changes: &[Change], entries: &[NewEntry]) -> Result<Vec<u64>, Error> {
        let mut tentative: HashMap<(Kind, String), Stored> = HashMap::new();
        let mut ops = Vec::new();
        let mut revisions = Vec::with_capacity(changes.len());
        for change in changes {
            if change.id.len() > LONGEST_ID {
                return Err(Error::TooLarge(format!("an id of {} bytes; {LONGEST_ID} are allowed", change.id.len())));
            }
            let name = (change.kind, change.id.clone());
            let stored = match tentative.get(&name).or_else(|| self.documents.get(&name)) {
                Some(stored) => *stored,
                None => self.shared.read(|kv| stored(kv, change.kind, &change.id))?,
            };
            check(change, stored)?;
            let first = key::document(change.kind, &change.id);
            let old_rows = stored.map_or(0, |(_, rows)| rows);
            let now = match &change.body {
                None => None,
                Some(body) => {
                    let revision = stored.map_or(0, |(revision, _)| revision) + 1;
                    let record = codec::document_record(&change.id, revision, body)?;
                    ops.extend(record.ops(&first));
                    Some((revision, record.rows()))
                }
            };
            let new_rows = now.map_or(0, |(_, rows)| rows);
            ops.extend((0..=u16::MAX).take(old_rows).skip(new_rows).map(|number| Op::Delete(key::chunk(&first, number))));
            revisions.push(now.map_or(0, |(revision, _)| revision));
            tentative.insert(name, now);
        }
        let bytes: usize = ops.iter().filter(|op| matches!(op, Op::Put(..))).map(Op::bytes).sum();
        let entries: Vec<Op> = entries.iter().flat_map(|entry| entry.record.ops(&entry.first)).collect();
        let entry_bytes: usize = entries.iter().map(Op::bytes).sum();
        if bytes + entry_bytes > 0 {
            // What only removes objects is recorded on a full disk as well.
            let removes = bytes == 0 && !changes.is_empty();
            self.need_space(bytes + entry_bytes, if removes { self.shared.reserve / 2 } else { self.shared.reserve })?;
        }
        ops.extend(entries);
        self.documents.extend(tentative);
        self.push(ops);
        Ok(revisions)
    }

    /// Makes everything durable, then answers everybody.
    pub(crate) fn commit(self) {
        let Self { shared, ops, done, purges, .. } = self;
        if done.is_empty() {
            return;
        }
        let keys = ops.len() as u64;
        let committed = match ops.is_empty() {
            true => Ok(()),
            false => write(shared, purges, ops),
        };
        if let Err(error) = committed {
            if let Error::Failed(reason) = &error {
                shared.fail(reason);
            }
            done.into_iter().for_each(|done| done.refuse(&error));
            return;
        }
        shared.counters.commits.fetch_add(u64::from(keys > 0), Ordering::Relaxed);
        shared.counters.requests.fetch_add(done.len() as u64, Ordering::Relaxed);
        shared.counters.keys.fetch_add(keys, Ordering::Relaxed);
        make_due(shared, &done);
        done.into_iter().for_each(Done::answer);
    }
}

fn write(shared: &Shared, alone: bool, ops: Vec<Op>) -> Result<(), Error> {
    let run = |kv: Option<&dyn Kv>| Ok(kv.ok_or(Error::Closed)?.commit(ops)?);
    if alone { run(shared.kv.write().as_deref()) } else { run(shared.kv.read().as_deref()) }
}

/// Shows what is durable now to whoever claims.
fn make_due(shared: &Shared, done: &[Done]) {
    let ingested = || done.iter().filter_map(|done| if let Done::Ingested { new, .. } = done { Some(new) } else { None });
    if let Some(least) = ingested().map(|new| new.event.id).min() {
        let mut known = shared.least_ingested.lock();
        *known = Some(known.map_or(least, |known| known.min(least)));
        let mut cache = shared.cache.lock();
        for new in ingested() {
            cache.insert(Routed { event: new.event.clone(), routes: new.routes.as_slice().into() });
        }
    }
    let mut queue = shared.queue.lock();
    let before = queue.next_due();
    for done in done {
        match done {
            Done::Ingested { new, .. } => {
                let count = u16::try_from(new.routes.len()).unwrap_or(u16::MAX);
                queue.add_event(new.event.id, u32::from(count));
                (0..count).for_each(|index| queue.add_fresh(DeliveryId { event: new.event.id, index }));
            }
            Done::Finished { again, finals, .. } => {
                queue.settle(*finals);
                again.iter().for_each(|again| queue.add_waiting(again.id, again.due, again.steps, again.attempts));
            }
            Done::Repeated { .. } | Done::Applied { .. } | Done::Purged { .. } => {}
        }
    }
    let earlier = match (before, queue.next_due()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(now)) => now < before,
    };
    drop(queue);
    if earlier {
        shared.changed.notify_one();
    }
}

impl Done {
    fn answer(self) {
        // Whoever asked may have gone.
        match self {
            Self::Ingested { new, reply } => {
                let (event, deliveries) = (new.event.id, new.routes.len());
                drop(reply.send(Ok(Ingested { event, deliveries, repeated: false })));
            }
            Self::Repeated { answer, reply } => drop(reply.send(Ok(answer))),
            Self::Finished { reply, .. } | Self::Purged { reply } => drop(reply.send(Ok(()))),
            Self::Applied { revisions, reply } => drop(reply.send(Ok(revisions))),
        }
    }

    fn refuse(self, error: &Error) {
        match self {
            Self::Ingested { reply, .. } | Self::Repeated { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Finished { reply, .. } | Self::Purged { reply } => drop(reply.send(Err(error.clone()))),
            Self::Applied { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

fn stored(kv: &dyn Kv, kind: Kind, id: &str) -> Result<Stored, Error> {
    let first = key::document(kind, id);
    let Some(value) = kv.get(&first)? else { return Ok(None) };
    let head = Head::parse(&first, &value)?;
    let rows = head.rows();
    let header = head.header().ok_or_else(|| Error::Damaged(format!("the document {id} has no header")))?;
    let header: codec::DocumentHeader = codec::header("a document", header)?;
    Ok(Some((header.revision, rows)))
}

fn check(change: &Change, stored: Stored) -> Result<(), Error> {
    let expected = match (change.expect, stored) {
        (Expect::Anything, _) | (Expect::Absent, None) | (Expect::Present, Some(_)) => return Ok(()),
        (Expect::Revision(revision), Some((found, _))) if revision == found => return Ok(()),
        (Expect::Absent, _) => "nothing".to_owned(),
        (Expect::Present, _) => "something".to_owned(),
        (Expect::Revision(revision), _) => revision.to_string(),
    };
    let found = stored.map_or("nothing".to_owned(), |(revision, _)| revision.to_string());
    Err(Error::Conflict { id: change.id.clone(), expected, found })
}
