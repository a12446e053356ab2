//! What may go: found oldest first, in steps of a bounded size, from where the last step ended.

use crate::Retention;
use crate::embedded::Hold;
use crate::entity::EntityHash;
use crate::key::{self, ends};
use crate::kv::{Direction, Kv, KvError};
use crate::read::{self, EventHead};
use crate::record;
use postern_core::delivery::Status;
use postern_core::{DeliveryId, EventId};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// How many events are looked at in one scan.
const GROUP: usize = 64;

/// How far the purges of this process came, so that none begins at the oldest event again.
#[derive(Clone, Debug)]
pub(crate) struct Marks {
    /// Of the events before this, those that were final are gone.
    any: EventId,
    /// Of the events before this, those that the shorter of the two times concerns are gone.
    some: EventId,
    /// Events before the marks that were not final when they were met.
    unfinished: BTreeSet<EventId>,
}

impl Default for Marks {
    fn default() -> Self {
        let zero = EventId::from_bytes([0; 16]);
        Self { any: zero, some: zero, unfinished: BTreeSet::new() }
    }
}

impl Marks {
    /// An event with this id was stored meanwhile.
    pub(crate) fn note_ingested(&mut self, id: EventId) {
        if id < self.any.max(self.some) {
            self.any = self.any.min(id);
            self.some = self.some.min(id);
        }
    }
}

/// One step of a purge.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) keys: Vec<Vec<u8>>,
    /// The holds of deliveries that go: nobody could end them any more.
    pub(crate) holds: Vec<Hold>,
    pub(crate) events: usize,
    pub(crate) deliveries: usize,
    /// Where the next step begins, once this one is durable.
    pub(crate) marks: Marks,
    /// Whether nothing is left to look at.
    pub(crate) done: bool,
}

/// Finds events to remove until their keys are `limit` or nothing is left.
/// `unmarked` says of which it may be that they are unfinished though they have no mark.
pub(crate) fn plan(
    kv: &dyn Kv,
    marks: Marks,
    retention: Retention,
    limit: usize,
    unmarked: &dyn Fn(EventId) -> bool,
) -> Result<Plan, KvError> {
    let sight = Sight { kv, unmarked };
    let mut plan = Plan { marks, ..Plan::default() };
    let (before, failed_before) = (key::first_at(retention.before), key::first_at(retention.failed_before));
    let both = before.min(failed_before);
    let goes = |id: EventId, failed: bool| id < if failed { failed_before } else { before };

    for id in plan.marks.unfinished.clone() {
        if plan.keys.len() >= limit {
            return Ok(plan);
        }
        if !sight.is_unfinished(id)? {
            plan.marks.unfinished.remove(&id);
            let found = read::event_heads(kv, id, id, 1, Direction::Forward)?;
            for head in found.into_iter().filter_map(|(_, head)| head.ok()) {
                if goes(id, has_failed(kv, id)?) {
                    plan.remove(kv, &head, &failures(kv, id, id)?)?;
                }
            }
        }
    }
    while let Some(newest) = key::previous(both).filter(|newest| *newest >= plan.marks.any) {
        let oldest = plan.marks.any;
        if !plan.group(&sight, newest, oldest, limit, |_| Ok(true), |marks, id| marks.any = id)? {
            return Ok(plan);
        }
    }
    plan.marks.some = plan.marks.some.max(both);
    while let Some(newest) = key::previous(before.max(failed_before)).filter(|newest| *newest >= plan.marks.some) {
        let oldest = plan.marks.some;
        let wanted = |id| Ok(goes(id, has_failed(kv, id)?));
        if !plan.group(&sight, newest, oldest, limit, wanted, |marks, id| marks.some = id)? {
            return Ok(plan);
        }
    }
    plan.done = true;
    Ok(plan)
}

/// What is known of events while they are looked at.
struct Sight<'a> {
    kv: &'a dyn Kv,
    unmarked: &'a dyn Fn(EventId) -> bool,
}

impl Sight<'_> {
    fn is_unfinished(&self, id: EventId) -> Result<bool, KvError> {
        // In this order: what gets its mark meanwhile, or becomes final, has that in the store before it is no longer unmarked.
        Ok((self.unmarked)(id) || self.kv.get(&key::unfinished(id))?.is_some())
    }
}

fn has_failed(kv: &dyn Kv, id: EventId) -> Result<bool, KvError> {
    let last = read::last_steps(kv, id, id)?;
    // What cannot be read is kept as long as a failure is.
    Ok(last.values().any(|(_, step)| step.as_ref().map_or(true, |step| step.state.status() == Status::Failed)))
}

impl Plan {
    /// Looks at one group; answers whether there is room for more.
    fn group(
        &mut self,
        sight: &Sight<'_>,
        newest: EventId,
        oldest: EventId,
        limit: usize,
        wanted: impl Fn(EventId) -> Result<bool, KvError>,
        advance: impl Fn(&mut Marks, EventId),
    ) -> Result<bool, KvError> {
        if self.keys.len() >= limit {
            return Ok(false);
        }
        let kv = sight.kv;
        let found = read::event_heads(kv, newest, oldest, GROUP, Direction::Backward)?;
        let whole = found.len() < GROUP;
        let failed = match (found.last(), found.first()) {
            (Some((newest, _)), Some((oldest, _))) => failures(kv, *newest, *oldest)?,
            _ => BTreeSet::new(),
        };
        for (id, head) in found {
            if self.keys.len() >= limit {
                return Ok(false);
            }
            match head {
                Err(damage) => tracing::error!(event = %id, %damage, "a damaged event is kept"),
                Ok(_) if sight.is_unfinished(id)? => {
                    self.marks.unfinished.insert(id);
                }
                Ok(head) if wanted(id)? => self.remove(kv, &head, &failed)?,
                Ok(_) => {}
            }
            advance(&mut self.marks, key::following(id).unwrap_or(id));
        }
        if whole {
            advance(&mut self.marks, key::following(newest).unwrap_or(newest));
        }
        Ok(true)
    }

    fn remove(&mut self, kv: &dyn Kv, head: &EventHead, failed: &BTreeSet<DeliveryId>) -> Result<(), KvError> {
        let first = key::event(head.id);
        self.keys.extend((0..=u16::MAX).take(head.rows).map(|number| key::chunk(&first, number)));
        self.keys.extend(read::step_keys(kv, head.id)?);
        for id in failed.range(DeliveryId { event: head.id, index: 0 }..=DeliveryId { event: head.id, index: u16::MAX }) {
            self.keys.push(key::failure(*id));
            let Some(route) = head.header.routes.get(usize::from(id.index)) else { continue };
            let Some(entity) = EntityHash::of_route(route).map(EntityHash::short) else { continue };
            let key = key::hold(route.subscription, entity);
            if kv.get(&key)?.is_some_and(|row| record::parse_hold(&key, &row).is_ok_and(|holder| holder == *id)) {
                self.keys.push(key);
                self.holds.push((route.subscription, entity, *id));
            }
        }
        self.events += 1;
        self.deliveries += head.header.routes.len();
        Ok(())
    }
}

/// The deliveries of the events between two ids that are in the index of failures.
fn failures(kv: &dyn Kv, newest: EventId, oldest: EventId) -> Result<BTreeSet<DeliveryId>, KvError> {
    let mut failures = BTreeSet::new();
    kv.scan(ends(&key::failures(newest, oldest)), Direction::Forward, &mut |key, _| {
        failures.extend(key::parse_failure(key));
        ControlFlow::Continue(())
    })?;
    Ok(failures)
}
