//! What is to be delivered when, in memory: pure, and small, since a backlog may hold a million deliveries of a hundred
//! thousand subscriptions.
//!
//! Each subscription with something to deliver has a [`lane`]: a heap of what was never attempted and is due at once (18
//! bytes each), and one of what waits for a moment (32 bytes each). Deliveries about an entity go one by one ([`order`]).
//! A delivery is in its lane, parked behind another one about the same entity, or out: claimed, or between a finish that
//! was accepted and its commit. Whoever accepted that says afterwards what is to become of it.
//!
//! Which events are unfinished is known from their marks in the store after a crash; the youngest have none ([`unmarked`]).
//!
//! A lane is named to whoever schedules when it has something due, and then not again until a claim finds less in it than
//! was asked for. So a scheduler that keeps every lane that was named until then misses nothing, and looks at nothing in
//! vain.

mod count;
mod entry;
mod lane;
mod order;
mod unmarked;

pub(crate) use entry::When;
pub(crate) use unmarked::Unmarked;

use crate::entity::ShortHash;
use crate::{Backlog, ClaimId};
use count::Count;
use entry::Packed;
use lane::{LONG_PAST, Lane};
use order::Order;
use postern_core::{DeliveryId, EventId, SubscriptionId, Timestamp};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

/// Claims of a store that was closed and opened again in the same process must differ as well.
static NEXT_CLAIM: AtomicU64 = AtomicU64::new(1);

/// Below this many lanes the map keeps its memory.
const SMALL: usize = 4096;

type LaneKey = [u8; 16];

/// A claimed delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: DeliveryId,
    pub(crate) subscription: SubscriptionId,
    /// When it was due.
    pub(crate) when: When,
    /// Whether it waited in the store when that was opened, and has no step since.
    pub(crate) recovered: bool,
}

/// A delivery's place among those of its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lot {
    pub(crate) id: DeliveryId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) entity: Option<ShortHash>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lanes: HashMap<LaneKey, Lane>,
    /// The lanes that are to be named, with when.
    calls: BTreeSet<(i64, LaneKey)>,
    /// The lanes that hold something, each with a moment that is not later than its oldest entry's.
    heads: BTreeSet<(i64, LaneKey)>,
    held: HashMap<ClaimId, Held>,
    /// What is claimed or on its way to the disk.
    out: HashSet<Packed>,
    count: Count,
    /// The unfinished events that have no mark in the store.
    pub(crate) unmarked: Unmarked,
    /// How many are parked.
    behind: usize,
    /// The newest event that was there at the opening.
    recovered_to: Option<EventId>,
}

impl Queue {
    /// How much there is, and since when the oldest is due.
    pub(crate) fn backlog(&mut self) -> Backlog {
        let oldest_due = self.oldest_due().map(Timestamp::from_millis);
        Backlog { unfinished: self.count.total(), claimed: self.held.len(), behind: self.behind, oldest_due }
    }

    fn oldest_due(&mut self) -> Option<i64> {
        // A lane's mark is moved only when somebody asks: its oldest entry changes with each claim.
        loop {
            let (at, key) = *self.heads.first()?;
            let lane = self.lanes.get_mut(&key)?;
            let oldest = lane.oldest();
            if oldest == Some(at) {
                return oldest;
            }
            self.heads.pop_first();
            lane.head = oldest;
            self.heads.extend(oldest.map(|at| (at, key)));
        }
    }

    /// When a lane is to be named that is not yet. What was never attempted is due at once: the answer is then 1970, so
    /// that no clock, even one that was set back, says otherwise.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.calls.first().map(|(at, _)| Timestamp::from_millis(if *at == LONG_PAST { 0 } else { *at }))
    }

    /// Names the lanes that have something due.
    pub(crate) fn ready(&mut self, now: Timestamp) -> Vec<SubscriptionId> {
        let mut ready = Vec::new();
        while let Some((at, key)) = self.calls.first().copied()
            && at <= now.as_millis()
        {
            self.calls.pop_first();
            if let Some(lane) = self.lanes.get_mut(&key) {
                (lane.named, lane.call) = (true, None);
                ready.push(SubscriptionId::from_bytes(key));
            }
        }
        ready
    }

    /// Claims up to `max` due deliveries of a subscription, oldest due first.
    pub(crate) fn claim(&mut self, now: Timestamp, subscription: SubscriptionId, max: usize, claims: &mut Vec<(ClaimId, Held)>) {
        let mut taken = Vec::new();
        self.with(subscription, |lane, _| {
            while taken.len() < max
                && let Some(entry) = lane.take(now.as_millis())
            {
                taken.push(entry);
            }
            lane.named &= taken.len() == max;
        });
        for (packed, when) in taken {
            let id = DeliveryId::from(packed);
            let recovered = match when {
                When::Fresh => self.recovered_to.is_some_and(|newest| id.event <= newest),
                When::At { recovered, .. } => recovered,
            };
            let claim = ClaimId(NEXT_CLAIM.fetch_add(1, Ordering::Relaxed));
            let held = Held { id, subscription, when, recovered };
            self.out.insert(packed);
            self.held.insert(claim, held);
            claims.push((claim, held));
        }
    }

    /// Gives up the claim on a delivery that cannot be handed out: it is nowhere until it is withdrawn, and keeps those
    /// behind it waiting. Whoever claimed gets fewer than were taken and believes that the lane has no more, so it is to
    /// be named again.
    pub(crate) fn set_aside(&mut self, claim: ClaimId) {
        if let Some(held) = self.held.remove(&claim) {
            self.out.remove(&held.id.into());
            self.with(held.subscription, |lane, _| lane.named = false);
        }
    }

    /// Whether this claim on this delivery is held.
    pub(crate) fn holds(&self, claim: ClaimId, id: DeliveryId) -> bool {
        self.held.get(&claim).is_some_and(|held| held.id == id)
    }

    /// Gives a claim up for good. The delivery stays out until [`add`](Self::add) or [`finished`](Self::finished).
    pub(crate) fn take_held(&mut self, claim: ClaimId) -> Option<Held> {
        self.held.remove(&claim)
    }

    /// Puts a claimed delivery back as it was. Answers whether the claim was held.
    pub(crate) fn release(&mut self, claim: ClaimId) -> bool {
        let Some(held) = self.held.remove(&claim) else { return false };
        let id = Packed::from(held.id);
        self.out.remove(&id);
        self.with(held.subscription, |lane, out| {
            lane.push(id, held.when);
            let promoted = lane.order.as_mut().and_then(|order| order.returned(id, |id| out.contains(&id)));
            push(lane, promoted);
        });
        true
    }

    /// Counts an event's unfinished deliveries, which are then added one by one.
    pub(crate) fn add_event(&mut self, event: EventId, unfinished: u32) {
        self.count.add_event(event, unfinished);
    }

    /// As [`add_event`](Self::add_event), when the store is opened.
    pub(crate) fn recover_event(&mut self, event: EventId, unfinished: u32) {
        self.count.add_event(event, unfinished);
        self.recovered_to = self.recovered_to.max(Some(event));
    }

    /// Counts one more delivery of an event that had unfinished ones, or none.
    pub(crate) fn add_one(&mut self, event: EventId, had_some: bool) {
        self.count.add_one(event, had_some);
    }

    /// Adds a delivery, or takes one back that was out.
    pub(crate) fn add(&mut self, lot: Lot, when: When) {
        let id = Packed::from(lot.id);
        self.out.remove(&id);
        self.with(lot.subscription, |lane, out| match lot.entity {
            None => lane.push(id, when),
            Some(entity) => {
                let promoted = lane.order.get_or_insert_default().admit(entity, id, when, |id| out.contains(&id));
                push(lane, promoted);
            }
        });
    }

    /// Notes that one delivery of the event becomes final. Answers whether it was the last unfinished one.
    pub(crate) fn note_final(&mut self, event: EventId) -> bool {
        self.count.note_final(event)
    }

    /// A delivery that was out is final, and that is durable. The next one about its entity may go, unless it holds that.
    pub(crate) fn finished(&mut self, lot: Lot, holds: bool) {
        self.count.settle(1);
        let id = Packed::from(lot.id);
        self.out.remove(&id);
        if let Some(entity) = lot.entity {
            self.with_order(lot.subscription, |order, out| order.finished(entity, id, holds, |id| out.contains(&id)));
        }
    }

    /// Takes a delivery that waits out of its lane; it is out then. Answers whether it was not out before.
    pub(crate) fn withdraw(&mut self, lot: Lot, steps: u16) -> bool {
        let id = Packed::from(lot.id);
        if !self.out.insert(id) {
            return false;
        }
        self.with(lot.subscription, |lane, _| {
            let parked = lot.entity.is_some_and(|entity| lane.order.as_mut().is_some_and(|order| order.forget(entity, id)));
            if !parked {
                lane.withdraw(id, steps);
            }
        });
        true
    }

    /// Notes that a delivery holds its entity.
    pub(crate) fn hold(&mut self, subscription: SubscriptionId, entity: ShortHash, id: DeliveryId) {
        self.with_order(subscription, |order, _| {
            order.hold(entity, id.into());
            None
        });
    }

    /// Ends a hold.
    pub(crate) fn lift(&mut self, subscription: SubscriptionId, entity: ShortHash, id: DeliveryId) {
        self.with_order(subscription, |order, out| order.lift(entity, id.into(), |id| out.contains(&id)));
    }

    /// Whether a delivery holds its entity.
    pub(crate) fn is_holder(&self, lot: Lot) -> bool {
        let order = self.lanes.get(&lot.subscription.to_bytes()).and_then(|lane| lane.order.as_ref());
        order.zip(lot.entity).is_some_and(|(order, entity)| order.is_held_by(entity, lot.id.into()))
    }

    /// Which delivery this one waits behind.
    pub(crate) fn waits_for(&self, lot: Lot) -> Option<DeliveryId> {
        let order = self.lanes.get(&lot.subscription.to_bytes())?.order.as_ref()?;
        order.before(lot.entity?, lot.id.into()).map(DeliveryId::from)
    }

    fn with_order(&mut self, subscription: SubscriptionId, change: impl FnOnce(&mut Order, &HashSet<Packed>) -> order::Promoted) {
        self.with(subscription, |lane, out| {
            let promoted = change(lane.order.get_or_insert_default(), out);
            push(lane, promoted);
        });
    }

    /// Changes a lane, and then what follows from it: when it is named, where it stands, whether it is there at all.
    fn with(&mut self, subscription: SubscriptionId, change: impl FnOnce(&mut Lane, &HashSet<Packed>)) {
        let key = subscription.to_bytes();
        let mut entry = match self.lanes.entry(key) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Lane::default()),
        };
        let lane = entry.get_mut();
        let behind = lane.behind();
        change(lane, &self.out);
        self.behind = (self.behind + lane.behind()).saturating_sub(behind);

        let call = if lane.named { None } else { lane.next_due() };
        if call != lane.call {
            if let Some(at) = std::mem::replace(&mut lane.call, call) {
                self.calls.remove(&(at, key));
            }
            self.calls.extend(call.map(|at| (at, key)));
        }
        let oldest = lane.oldest();
        if oldest.is_none_or(|oldest| lane.head.is_none_or(|head| oldest < head)) {
            if let Some(at) = std::mem::replace(&mut lane.head, oldest) {
                self.heads.remove(&(at, key));
            }
            self.heads.extend(oldest.map(|at| (at, key)));
        }
        if lane.is_idle() {
            entry.remove();
            if self.lanes.capacity() > SMALL && self.lanes.len() < self.lanes.capacity() / 8 {
                self.lanes.shrink_to(self.lanes.len() * 2);
            }
        }
    }
}

fn push(lane: &mut Lane, promoted: order::Promoted) {
    if let Some((id, when)) = promoted {
        lane.push(id, when);
    }
}

#[cfg(test)]
mod tests;
