//! What an opening does before the store serves: the schema's version, and the queue of what was left unfinished.

use crate::codec::{Destination, Destinations};
use crate::due::{Lot, Queue, When};
use crate::entity::EntityHash;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, Op};
use crate::read::LastSteps;
use crate::record::{self, Damage, Head, seal, unseal};
use crate::{Error, read};
use postern_core::delivery::State;
use postern_core::{DeliveryId, EventId};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;

/// The version of the layout that this code writes. 2 added the rows of failures, holds and external ids; a store of
/// version 1 has none and is read as it is.
pub(crate) const SCHEMA: u32 = 2;

/// Where the version is noted.
pub(crate) const SCHEMA_NOTE: &str = "schema";

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

/// Fills a queue with every delivery that is not final and with every hold, and counts what cannot be read. That is
/// logged and left as it is: one bad record must not keep all others from being delivered.
pub(crate) fn unfinished(kv: &dyn Kv) -> Result<(Queue, u64), Error> {
    let mut queue = Queue::default();
    // First of all: what comes after is parked behind them.
    let mut damaged = holds(kv, &mut queue)?;
    let mut range = key::all_unfinished();
    loop {
        let mut page: Vec<(EventId, Result<(), Damage>)> = Vec::new();
        kv.scan(ends(&range), Direction::Forward, &mut |key, value| {
            if let Some(id) = key::parse_unfinished(key) {
                page.push((id, unseal(key, value).map(drop)));
            }
            if page.len() == PAGE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        for group in page.chunks(GROUP) {
            let mut group = Group::read(kv, group)?;
            for (id, mark) in std::mem::take(&mut group.events) {
                let restored = mark.map_err(Error::from).and_then(|()| group.restore(kv, &mut queue, id));
                match restored {
                    Ok(()) => {}
                    Err(Error::Damaged(reason)) => {
                        damaged += 1;
                        tracing::error!(event = %id, %reason, "the unfinished deliveries of a damaged event are left alone");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => {
                range.start = key::unfinished(*last);
                range.start.push(0);
            }
            _ => return Ok((queue, damaged)),
        }
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
    events: Vec<(EventId, Result<(), Damage>)>,
    heads: HashMap<EventId, Result<Head, Damage>>,
    /// None: they are to be looked for.
    steps: Option<LastSteps>,
}

impl Group {
    fn read(kv: &dyn Kv, events: &[(EventId, Result<(), Damage>)]) -> Result<Self, Error> {
        let mut group = Self { events: events.to_vec(), heads: HashMap::new(), steps: None };
        let (Some((oldest, _)), Some((newest, _))) = (events.first(), events.last()) else { return Ok(group) };
        let wanted: HashSet<EventId> = events.iter().map(|(id, _)| *id).collect();
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

    /// Adds the unfinished deliveries of an event.
    fn restore(&mut self, kv: &dyn Kv, queue: &mut Queue, event: EventId) -> Result<(), Error> {
        let destinations = self.destinations(kv, event)?;
        match &self.steps {
            Some(steps) => restore(queue, event, destinations, steps),
            None => restore(queue, event, destinations, &read::last_steps(kv, event, event)?),
        }
    }
}

fn restore(queue: &mut Queue, event: EventId, destinations: Destinations, steps: &LastSteps) -> Result<(), Error> {
    let of_event = DeliveryId { event, index: 0 }..=DeliveryId { event, index: u16::MAX };
    if let Some(damage) = steps.range(of_event).find_map(|(_, (_, step))| step.as_ref().err()) {
        return Err(damage.clone().into());
    }
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
    Ok(())
}
