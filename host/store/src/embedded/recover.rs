//! What an opening does before the store serves: the schema's version, and the queue of what was left unfinished.

use crate::codec::{Destination, Destinations};
use crate::due::{Lot, Queue, Unmarked, When};
use crate::entity::EntityHash;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, KvError, Op};
use crate::read::LastSteps;
use crate::record::{self, Damage, Head, seal, unseal};
use crate::{Error, read};
use postern_core::delivery::State;
use postern_core::{DeliveryId, EventId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

/// The version of the layout that this code writes. 2 added the rows of failures, holds and external ids; a store of
/// version 1 has none and is read as it is. Since 3 an unfinished event need not be marked from a noted one on; in an earlier store
/// all are.
pub(crate) const SCHEMA: u32 = 3;

/// Where the version is noted.
pub(crate) const SCHEMA_NOTE: &str = "schema";

/// Where the least event is noted that need not be marked.
const SINCE_NOTE: &str = "unmarked-since";

/// The least and the greatest id of an event.
const FIRST: EventId = EventId::from_bytes([0; 16]);
const LAST: EventId = EventId::from_bytes([0xff; 16]);

/// How many events are read from the engine's list at a time.
const PAGE: usize = 4096;

/// How many of them are looked up together.
const GROUP: usize = 256;

/// Checks the version of the layout, and records it in a new store or one of an earlier version.
pub(crate) fn check_schema(kv: &dyn Kv, path: &Path) -> Result<(), Error> {
    let version = schema(kv)?.unwrap_or(0);
    if version < SCHEMA {
        let key = key::note(SCHEMA_NOTE);
        kv.commit(vec![Op::Put(key.clone(), seal(&key, &SCHEMA.to_be_bytes()))])?;
    }
    if version > SCHEMA {
        return Err(Error::Failed(format!(
            "the store in {} was made by a newer postern (its schema is version {version}, this postern knows {SCHEMA}); \
             run that version again, or put a backup in its place",
            path.display()
        )));
    }
    Ok(())
}

/// The version of the layout; none in a new store.
pub(crate) fn schema(kv: &dyn Kv) -> Result<Option<u32>, Error> {
    let key = key::note(SCHEMA_NOTE);
    let Some(value) = kv.get(&key)? else { return Ok(None) };
    let bytes = unseal(&key, &value)?;
    bytes.try_into().map(|bytes| Some(u32::from_be_bytes(bytes))).map_err(|_| Error::Damaged("the schema's version".into()))
}

/// The least event that need not be marked; none in a store of an earlier version, where each is.
pub(crate) fn since(kv: &dyn Kv) -> Result<Option<EventId>, Error> {
    let key = key::note(SINCE_NOTE);
    let Some(value) = kv.get(&key)? else { return Ok(None) };
    let bytes = unseal(&key, &value)?.try_into();
    bytes.map(|bytes| Some(EventId::from_bytes(bytes))).map_err(|_| Error::Damaged("the least event without a mark".into()))
}

/// Notes that whatever is unfinished before this event is marked.
pub(crate) fn note_since(event: EventId) -> Op {
    let key = key::note(SINCE_NOTE);
    let value = seal(&key, &event.to_bytes());
    Op::Put(key, value)
}

/// Notes that whatever is unfinished is marked.
pub(crate) fn note_all_marked(kv: &dyn Kv) -> Result<(), Error> {
    Ok(kv.commit(vec![note_since(end(kv)?)])?)
}

/// The least id behind those of all events.
fn end(kv: &dyn Kv) -> Result<EventId, Error> {
    let newest = read::event_heads(kv, LAST, FIRST, 1, Direction::Forward)?.pop();
    Ok(newest.and_then(|(newest, _)| key::following(newest)).unwrap_or(FIRST))
}

/// Fills a queue with every delivery that is not final and with every hold, marks all unfinished events, and counts what cannot be
/// read. That is logged and left as it is: one bad record must not keep all others from being delivered.
pub(crate) fn unfinished(kv: &dyn Kv) -> Result<(Queue, u64), Error> {
    let mut recovery = Recovery { kv, queue: Queue::default(), damaged: 0, unmarked: Vec::new() };
    // First of all: what comes after is parked behind them.
    recovery.damaged = holds(kv, &mut recovery.queue)?;
    let since = since(kv)?;
    let mut range = key::all_unfinished();
    if let Some(since) = since {
        range.end = key::unfinished(since);
    }
    loop {
        let page = marks(kv, &range, PAGE)?;
        recovery.restore(&page)?;
        let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
        range.start = behind_mark(last.id);
    }
    if let Some(since) = since {
        recovery.since(since)?;
    }
    recovery.end(since)
}

/// An event that may be unfinished.
struct Candidate {
    id: EventId,
    /// Whether the mark can be read, if it has one.
    mark: Option<Result<(), Damage>>,
}

/// So many marked events.
fn marks(kv: &dyn Kv, range: &key::KeyRange, limit: usize) -> Result<Vec<Candidate>, KvError> {
    let mut page = Vec::new();
    kv.scan(ends(range), Direction::Forward, &mut |key, value| {
        if let Some(id) = key::parse_unfinished(key) {
            page.push(Candidate { id, mark: Some(unseal(key, value).map(drop)) });
        }
        if page.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(page)
}

fn behind_mark(id: EventId) -> Vec<u8> {
    let mut key = key::unfinished(id);
    key.push(0);
    key
}

/// A queue that is being filled.
struct Recovery<'a> {
    kv: &'a dyn Kv,
    queue: Queue,
    damaged: u64,
    /// Events that are to be marked, with how many deliveries they have.
    unmarked: Vec<(EventId, u32)>,
}

impl Recovery<'_> {
    /// Looks at the events from this one on, marked or not.
    fn since(&mut self, mut oldest: EventId) -> Result<(), Error> {
        loop {
            let found = read::event_heads(self.kv, LAST, oldest, GROUP, Direction::Backward)?;
            let last = found.last().map(|(id, _)| *id).filter(|_| found.len() == GROUP);
            let mut range = key::unfinished(oldest)..key::all_unfinished().end;
            if let Some(last) = last {
                range.end = behind_mark(last);
            }
            let mut page: BTreeMap<_, _> = found.into_iter().map(|(id, _)| (id, Candidate { id, mark: None })).collect();
            page.extend(marks(self.kv, &range, usize::MAX)?.into_iter().map(|candidate| (candidate.id, candidate)));
            self.restore(&page.into_values().collect::<Vec<_>>())?;
            match last.and_then(key::following) {
                Some(next) => oldest = next,
                None => return Ok(()),
            }
        }
    }

    /// Adds the unfinished deliveries of events, oldest first.
    fn restore(&mut self, candidates: &[Candidate]) -> Result<(), Error> {
        for candidates in candidates.chunks(GROUP) {
            let mut group = Group::read(self.kv, candidates)?;
            for Candidate { id, mark } in candidates {
                let sound = mark.clone().unwrap_or(Ok(())).map_err(Error::from);
                match sound.and_then(|()| group.restore(self.kv, &mut self.queue, *id)) {
                    Ok((0, _)) => {}
                    Ok((_, deliveries)) if mark.is_none() => self.unmarked.push((*id, deliveries)),
                    Ok(_) => {}
                    Err(Error::Damaged(reason)) => {
                        self.damaged += 1;
                        if mark.is_none() {
                            // Nobody knows whether it is unfinished; it is not to be forgotten.
                            let header = read::event_header(self.kv, *id).ok().flatten();
                            let deliveries = header.map_or(0, |header| u32::try_from(header.routes.len()).unwrap_or(u32::MAX));
                            self.unmarked.push((*id, deliveries));
                        }
                        tracing::error!(event = %id, %reason, "the unfinished deliveries of a damaged event are left alone");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Marks what is not yet marked.
    fn end(mut self, since: Option<EventId>) -> Result<(Queue, u64), Error> {
        // A clock that was set back must not let it go back.
        let now = end(self.kv)?.max(since.unwrap_or(FIRST));
        if since != Some(now) {
            let marks = self.unmarked.into_iter().map(|(id, deliveries)| record::unfinished(id, deliveries));
            self.kv.commit(marks.chain([note_since(now)]).collect())?;
        }
        self.queue.unmarked = Unmarked::since(now);
        Ok((self.queue, self.damaged))
    }
}

fn holds(kv: &dyn Kv, queue: &mut Queue) -> Result<u64, Error> {
    let mut damaged = 0;
    kv.scan(ends(&key::all_holds()), Direction::Forward, &mut |key, value| {
        match (key::parse_hold(key), record::parse_hold(key, value)) {
            (Some((subscription, entity)), Ok(holder)) => queue.hold(subscription, entity, holder),
            (_, holder) => {
                damaged += 1;
                tracing::error!(key = %key::hex(key), damage = ?holder.err(), "a damaged hold is left alone");
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(damaged)
}

/// Some events that follow each other in the list of unfinished ones. Where they also lie close to each other among all
/// events, their rows are read in one scan, which costs much less than looking for each.
struct Group {
    heads: HashMap<EventId, Result<Head, Damage>>,
    /// None: they are to be looked for.
    steps: Option<LastSteps>,
}

impl Group {
    fn read(kv: &dyn Kv, events: &[Candidate]) -> Result<Self, Error> {
        let mut group = Self { heads: HashMap::new(), steps: None };
        let (Some(Candidate { id: oldest, .. }), Some(Candidate { id: newest, .. })) = (events.first(), events.last()) else {
            return Ok(group);
        };
        let wanted: HashSet<EventId> = events.iter().map(|event| event.id).collect();
        let (mut rows, enough) = (0, events.len() * 3);
        kv.scan(ends(&key::events(*newest, *oldest)), Direction::Forward, &mut |key, value| {
            if let Some((id, true)) = key::parse_event(key)
                && wanted.contains(&id)
            {
                group.heads.insert(id, Head::parse(key, value));
            }
            rows += 1;
            if rows == enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if rows < enough {
            group.steps = Some(read::last_steps(kv, *newest, *oldest)?);
        }
        Ok(group)
    }

    fn destinations(&mut self, kv: &dyn Kv, event: EventId) -> Result<Destinations, Error> {
        let first = key::event(event);
        let head = match self.heads.remove(&event) {
            Some(head) => head?,
            None => {
                let missing = || Error::Damaged(format!("event {event} has an unfinished delivery, but its record is gone"));
                Head::parse(&first, &kv.get(&first)?.ok_or_else(missing)?)?
            }
        };
        Ok(read::header(kv, "an event", &first, head)?)
    }

    /// Adds the unfinished deliveries of an event. Answers with how many they are, and how many deliveries it has.
    fn restore(&mut self, kv: &dyn Kv, queue: &mut Queue, event: EventId) -> Result<(u32, u32), Error> {
        let destinations = self.destinations(kv, event)?;
        match &self.steps {
            Some(steps) => restore(queue, event, destinations, steps),
            None => restore(queue, event, destinations, &read::last_steps(kv, event, event)?),
        }
    }
}

fn restore(queue: &mut Queue, event: EventId, destinations: Destinations, steps: &LastSteps) -> Result<(u32, u32), Error> {
    let of_event = DeliveryId { event, index: 0 }..=DeliveryId { event, index: u16::MAX };
    if let Some(damage) = steps.range(of_event).find_map(|(_, (_, step))| step.as_ref().err()) {
        return Err(damage.clone().into());
    }
    let deliveries = u32::try_from(destinations.routes.len()).unwrap_or(u32::MAX);
    let mut unfinished = 0;
    for (index, Destination { subscription, entity }) in (0..u16::MAX).zip(destinations.routes) {
        let id = DeliveryId { event, index };
        let when = match steps.get(&id) {
            Some((_, Ok(step))) if step.state.is_final() => continue,
            Some((sequence, Ok(step))) => {
                let due = if let State::Retrying { next_attempt_at, .. } = step.state { next_attempt_at } else { step.at };
                When::At { due, steps: sequence.saturating_add(1), recovered: true }
            }
            // Damage was looked for above.
            Some((_, Err(_))) | None => When::Fresh,
        };
        queue.add(Lot { id, subscription, entity: entity.as_deref().map(|entity| EntityHash::of(entity).short()) }, when);
        unfinished += 1;
    }
    queue.recover_event(event, unfinished);
    Ok((unfinished, deliveries))
}
