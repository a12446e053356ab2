//! What an opening does before the store serves: the schema's version, and the queue of what was left unfinished.

use crate::due::Queue;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, Op};
use crate::record::{seal, unseal};
use crate::{Error, read};
use postern_core::delivery::State;
use postern_core::{DeliveryId, EventId};
use std::ops::ControlFlow;
use std::path::Path;

/// The version of the layout that this code writes.
pub(crate) const SCHEMA: u32 = 1;

/// Where the version is noted.
pub(crate) const SCHEMA_NOTE: &str = "schema";

/// How many events are read from the engine's list at a time.
const PAGE: usize = 4096;

/// Checks the version of the layout, or records it in a new store.
pub(crate) fn check_schema(kv: &dyn Kv, path: &Path) -> Result<(), Error> {
    let Some(version) = schema(kv)? else {
        let key = key::note(SCHEMA_NOTE);
        kv.commit(vec![Op::Put(key.clone(), seal(&key, &SCHEMA.to_be_bytes()))])?;
        return Ok(());
    };
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

/// Fills a queue with every delivery that is not final, and counts the events that cannot be read. Those are logged
/// and left as they are: one bad record must not keep all others from being delivered.
pub(crate) fn unfinished(kv: &dyn Kv) -> Result<(Queue, u64), Error> {
    let mut queue = Queue::default();
    let mut damaged = 0;
    let mut range = key::all_unfinished();
    loop {
        let mut page: Vec<(EventId, Result<u32, Error>)> = Vec::new();
        kv.scan(ends(&range), Direction::Forward, &mut |key, value| {
            if let Some(id) = key::parse_unfinished(key) {
                page.push((id, count(key, value)));
            }
            if page.len() == PAGE { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        for (id, count) in &page {
            let restored = match count {
                Ok(count) => restore(kv, &mut queue, *id, *count),
                Err(error) => Err(error.clone()),
            };
            match restored {
                Ok(()) => {}
                Err(Error::Damaged(reason)) => {
                    damaged += 1;
                    tracing::error!(event = %id, %reason, "the unfinished deliveries of a damaged event are left alone");
                }
                Err(error) => return Err(error),
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

fn count(key: &[u8], value: &[u8]) -> Result<u32, Error> {
    let bytes = unseal(key, value)?;
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| Error::Damaged("a count of deliveries".into()))
}

fn restore(kv: &dyn Kv, queue: &mut Queue, event: EventId, count: u32) -> Result<(), Error> {
    let last = read::last_steps(kv, event, event)?;
    if let Some(damage) = last.values().find_map(|(_, step)| step.as_ref().err()) {
        return Err(damage.clone().into());
    }
    let mut unfinished = 0;
    for index in (0..u16::MAX).take(usize::try_from(count).unwrap_or(usize::MAX)) {
        let id = DeliveryId { event, index };
        match last.get(&id) {
            Some((sequence, Ok(step))) if !step.state.is_final() => {
                let due = if let State::Retrying { next_attempt_at, .. } = step.state { next_attempt_at } else { step.at };
                queue.add_waiting(id, due, sequence.saturating_add(1), step.attempts);
            }
            Some(_) => continue,
            None => queue.add_fresh(id),
        }
        unfinished += 1;
    }
    queue.add_event(event, unfinished);
    Ok(())
}
