//! What both listings and single reads need: first rows of events and steps, put together.
//!
//! These functions block; they run on threads that may. A reader holds the engine's lock over one call, and a purge
//! takes it alone, so that nobody sees half of an event that is being removed.

use crate::codec::{self, EventHeader, StepHeader};
use crate::key::{self, KeyRange, ends};
use crate::kv::{Direction, Kv, KvError};
use crate::record::{self, Damage, Head, ReadError};
use postern_core::delivery::{Route, State, Status, Step};
use postern_core::{Delivery, DeliveryId, Event, EventId};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// A record with more rows than this is jumped over; a shorter one is read through, which costs less than a new scan.
const JUMP: usize = 8;

/// A whole event with its routes.
pub(crate) fn event(kv: &dyn Kv, id: EventId) -> Result<Option<(Event, Vec<Route>)>, ReadError> {
    match record::read(kv, &key::event(id))? {
        Some(whole) => Ok(Some(codec::event(id, &whole)?)),
        None => Ok(None),
    }
}

/// An event without its payload.
pub(crate) fn event_header(kv: &dyn Kv, id: EventId) -> Result<Option<EventHeader>, ReadError> {
    let first = key::event(id);
    let Some(value) = kv.get(&first)? else { return Ok(None) };
    header(kv, "an event", &first, Head::parse(&first, &value)?).map(Some)
}

/// The header of a record whose first row was read; reads on only if the header is longer than that row.
pub(crate) fn header<T: serde::de::DeserializeOwned>(kv: &dyn Kv, what: &str, first: &[u8], head: Head) -> Result<T, ReadError> {
    Ok(match head.header() {
        Some(bytes) => codec::header(what, bytes)?,
        None => codec::header(what, record::complete(kv, first, head)?.header())?,
    })
}

/// The beginning of an event in a scan.
pub(crate) struct EventHead {
    pub(crate) id: EventId,
    /// How many rows the event itself has.
    pub(crate) rows: usize,
    pub(crate) header: EventHeader,
}

/// What a scan found under an id.
pub(crate) type Found<T> = (EventId, Result<T, Damage>);

/// The first `limit` events between two ids, both included.
pub(crate) fn event_heads(
    kv: &dyn Kv,
    mut newest: EventId,
    mut oldest: EventId,
    limit: usize,
    direction: Direction,
) -> Result<Vec<Found<EventHead>>, KvError> {
    let mut heads: Vec<(EventId, Result<Head, Damage>)> = Vec::new();
    while newest >= oldest {
        let mut jump = None;
        let mut last_part = None;
        kv.scan(ends(&key::events(newest, oldest)), direction, &mut |key, value| {
            let Some((id, first)) = key::parse_event(key) else { return ControlFlow::Continue(()) };
            if !first {
                // Backward, the first row comes last.
                return match direction {
                    Direction::Forward => ControlFlow::Continue(()),
                    Direction::Backward => {
                        last_part = Some(id);
                        ControlFlow::Break(())
                    }
                };
            }
            let head = Head::parse(key, value);
            let long = head.as_ref().is_ok_and(|head| head.rows() > JUMP);
            heads.push((id, head));
            if long {
                jump = Some(id);
            }
            if long || heads.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(id) = last_part {
            let first = key::event(id);
            heads.push((id, Head::parse(&first, &kv.get(&first)?.unwrap_or_default())));
            jump = Some(id);
        }
        let beyond = match direction {
            Direction::Forward => jump.and_then(key::previous),
            Direction::Backward => jump.and_then(key::following),
        };
        match (beyond, direction) {
            _ if heads.len() >= limit => break,
            (None, _) => break,
            (Some(id), Direction::Forward) => newest = id,
            (Some(id), Direction::Backward) => oldest = id,
        }
    }
    let mut found = Vec::with_capacity(heads.len());
    for (id, head) in heads {
        found.push((id, event_head(kv, id, head).or_else(damage_only)?));
    }
    Ok(found)
}

fn event_head(kv: &dyn Kv, id: EventId, head: Result<Head, Damage>) -> Result<Result<EventHead, Damage>, ReadError> {
    let head = head?;
    let rows = head.rows();
    Ok(Ok(EventHead { id, rows, header: header(kv, "an event", &key::event(id), head)? }))
}

/// Damage concerns one record; any other error concerns the engine.
fn damage_only<T>(error: ReadError) -> Result<Result<T, Damage>, KvError> {
    match error {
        ReadError::Damage(damage) => Ok(Err(damage)),
        ReadError::Kv(error) => Err(error),
    }
}

/// The last step of each delivery, without its attempt, and its number.
pub(crate) type LastSteps = BTreeMap<DeliveryId, (u16, Result<StepHeader, Damage>)>;

/// The last steps of the deliveries of the events between two ids, both included.
pub(crate) fn last_steps(kv: &dyn Kv, newest: EventId, oldest: EventId) -> Result<LastSteps, KvError> {
    last_of(kv, key::steps(newest, oldest))
}

fn last_of(kv: &dyn Kv, range: KeyRange) -> Result<LastSteps, KvError> {
    let mut heads = BTreeMap::new();
    step_heads(kv, range, &mut |id, sequence, head| {
        heads.insert(id, (sequence, head));
    })?;
    let mut last = LastSteps::new();
    for (id, (sequence, head)) in heads {
        let read = || header(kv, "a step", &key::step(id, sequence), head?);
        last.insert(id, (sequence, read().map(Ok).or_else(damage_only)?));
    }
    Ok(last)
}

/// One step of a delivery, without its attempt.
pub(crate) fn step_header(kv: &dyn Kv, id: DeliveryId, sequence: u16) -> Result<Option<StepHeader>, ReadError> {
    let first = key::step(id, sequence);
    let Some(value) = kv.get(&first)? else { return Ok(None) };
    header(kv, "a step", &first, Head::parse(&first, &value)?).map(Some)
}

/// The last step of a delivery, without its attempt, and its number. However long the history is, it reads two rows.
pub(crate) fn last_step(kv: &dyn Kv, id: DeliveryId) -> Result<Option<(u16, StepHeader)>, ReadError> {
    let mut last = None;
    kv.scan(ends(&key::steps_of(id)), Direction::Backward, &mut |key, _| {
        last = key::parse_step(key);
        ControlFlow::Break(())
    })?;
    let Some((_, sequence, _)) = last else { return Ok(None) };
    Ok(step_header(kv, id, sequence)?.map(|header| (sequence, header)))
}

/// All steps of a delivery, oldest first.
pub(crate) fn history(kv: &dyn Kv, id: DeliveryId) -> Result<Vec<Step>, ReadError> {
    let mut heads = Vec::new();
    step_heads(kv, key::steps_of(id), &mut |_, sequence, head| heads.push((sequence, head)))?;
    heads.into_iter().map(|(sequence, head)| Ok(codec::step(&record::complete(kv, &key::step(id, sequence), head?)?)?)).collect()
}

fn step_heads(kv: &dyn Kv, range: KeyRange, visit: &mut dyn FnMut(DeliveryId, u16, Result<Head, Damage>)) -> Result<(), KvError> {
    let mut range = range;
    loop {
        let mut jump = None;
        kv.scan(ends(&range), Direction::Forward, &mut |key, value| {
            let Some((id, sequence, true)) = key::parse_step(key) else { return ControlFlow::Continue(()) };
            let head = Head::parse(key, value);
            let long = head.as_ref().is_ok_and(|head| head.rows() > JUMP);
            visit(id, sequence, head);
            if long {
                jump = Some((id, sequence));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        match jump {
            Some((id, sequence)) => range.start = key::behind_step(id, sequence),
            None => return Ok(()),
        }
    }
}

/// Which steps an event has: delivery and number.
pub(crate) fn step_ids(kv: &dyn Kv, id: EventId) -> Result<Vec<(DeliveryId, u16)>, KvError> {
    let mut ids = Vec::new();
    step_heads(kv, key::steps(id, id), &mut |delivery, sequence, _| ids.push((delivery, sequence)))?;
    Ok(ids)
}

/// The keys of all steps of an event.
pub(crate) fn step_keys(kv: &dyn Kv, id: EventId) -> Result<Vec<Vec<u8>>, KvError> {
    let mut keys = Vec::new();
    kv.scan(ends(&key::steps(id, id)), Direction::Forward, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(keys)
}

/// A delivery as its route and its last step make it; one without a step is pending.
pub(crate) fn delivery(id: DeliveryId, header: &EventHeader, last: &LastSteps) -> Result<Option<Delivery>, Damage> {
    let Some(route) = header.routes.get(usize::from(id.index)) else { return Ok(None) };
    let created_at = id.event.created_at();
    let (state, attempts, updated_at) = match last.get(&id) {
        None => (State::Pending, 0, created_at),
        Some((_, Ok(step))) => (step.state.clone(), step.attempts, step.at),
        Some((_, Err(damage))) => return Err(damage.clone()),
    };
    Ok(Some(Delivery {
        id,
        event_type: header.event_type.clone(),
        tenant: header.tenant.clone(),
        route: route.clone(),
        attempts,
        state,
        created_at,
        updated_at,
    }))
}

/// The status of a delivery of an event.
pub(crate) fn status(id: DeliveryId, last: &LastSteps) -> Result<Status, Damage> {
    match last.get(&id) {
        None => Ok(Status::Pending),
        Some((_, Ok(step))) => Ok(step.state.status()),
        Some((_, Err(damage))) => Err(damage.clone()),
    }
}

/// All deliveries of an event.
pub(crate) fn deliveries(id: EventId, header: &EventHeader, last: &LastSteps) -> Result<Vec<Delivery>, Damage> {
    (0..=u16::MAX).map_while(|index| delivery(DeliveryId { event: id, index }, header, last).transpose()).collect()
}

/// As [`last_steps`], of one delivery.
pub(crate) fn last_steps_of(kv: &dyn Kv, id: DeliveryId) -> Result<LastSteps, KvError> {
    last_of(kv, key::steps_of(id))
}
