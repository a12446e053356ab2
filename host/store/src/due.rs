//! What is to be delivered when, in memory: pure, and small, since a backlog may hold a million deliveries.
//!
//! A delivery is in one of three places: `fresh` (never attempted, due at once, 18 bytes), `waiting` (due at a moment,
//! 32 bytes) or `held` (claimed). Between a finish that was accepted and its commit it is in none of them; whoever
//! accepted it says afterwards what is to become of it. Of an event the queue only remembers how many deliveries are
//! not final, and that only if they are more than one.

use crate::ClaimId;
use postern_core::{DeliveryId, EventId, Timestamp};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

/// Claims of a store that was closed and opened again in the same process must differ as well.
static NEXT_CLAIM: AtomicU64 = AtomicU64::new(1);

/// Below this many entries a heap keeps its memory.
const SMALL: usize = 4096;

/// An id in 18 bytes: the id type itself is aligned to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packed([u8; 16], u16);

impl From<DeliveryId> for Packed {
    fn from(id: DeliveryId) -> Self {
        Self(id.event.to_bytes(), id.index)
    }
}

impl From<Packed> for DeliveryId {
    fn from(Packed(event, index): Packed) -> Self {
        Self { event: EventId::from_bytes(event), index }
    }
}

/// Ordered by time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: i64,
    id: Packed,
    steps: u16,
    attempts: u32,
}

/// A claimed delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: DeliveryId,
    /// When it was due; none: it has no step yet and is due at once.
    pub(crate) due: Option<Timestamp>,
    /// How many steps it has.
    pub(crate) steps: u16,
    pub(crate) attempts: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    fresh: BinaryHeap<Reverse<Packed>>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    held: HashMap<ClaimId, Held>,
    /// Unfinished deliveries of an event, where they are more than one.
    several: HashMap<[u8; 16], u32>,
    total: usize,
}

impl Queue {
    /// How many deliveries are not final.
    pub(crate) fn unfinished(&self) -> usize {
        self.total
    }

    /// When the next one is due. What was never attempted is due at once: the answer is then 1970, so that no clock,
    /// even one that was set back, says otherwise.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        if self.fresh.is_empty() {
            self.waiting.peek().map(|Reverse(waiting)| Timestamp::from_millis(waiting.due))
        } else {
            Some(Timestamp::from_millis(0))
        }
    }

    /// Counts an event's unfinished deliveries, which are then added one by one.
    pub(crate) fn add_event(&mut self, event: EventId, unfinished: u32) {
        self.total += unfinished as usize;
        if unfinished > 1 {
            self.several.insert(event.to_bytes(), unfinished);
        }
    }

    /// Adds a delivery that was never attempted, or puts one back.
    pub(crate) fn add_fresh(&mut self, id: DeliveryId) {
        self.fresh.push(Reverse(id.into()));
    }

    /// Adds a delivery that waits for a moment, or puts one back.
    pub(crate) fn add_waiting(&mut self, id: DeliveryId, due: Timestamp, steps: u16, attempts: u32) {
        self.waiting.push(Reverse(Waiting { due: due.as_millis(), id: id.into(), steps, attempts }));
    }

    /// Claims up to `max` deliveries that are due, oldest due first. One that was never attempted is due since its
    /// event was accepted.
    pub(crate) fn claim(&mut self, now: Timestamp, max: usize) -> Vec<(ClaimId, Held)> {
        let mut claims = Vec::new();
        while claims.len() < max {
            let Some(held) = self.take(now.as_millis()) else { break };
            let claim = ClaimId(NEXT_CLAIM.fetch_add(1, Ordering::Relaxed));
            self.held.insert(claim, held);
            claims.push((claim, held));
        }
        shrink(&mut self.fresh);
        shrink(&mut self.waiting);
        claims
    }

    fn take(&mut self, now: i64) -> Option<Held> {
        let fresh = self.fresh.peek().map(|Reverse(id)| DeliveryId::from(*id).event.created_at().as_millis());
        let waiting = self.waiting.peek().map(|Reverse(waiting)| waiting.due).filter(|due| *due <= now);
        match (fresh, waiting) {
            (Some(accepted), Some(due)) if due < accepted => self.take_waiting(),
            (Some(_), _) => self.fresh.pop().map(|Reverse(id)| Held { id: id.into(), due: None, steps: 0, attempts: 0 }),
            (None, Some(_)) => self.take_waiting(),
            (None, None) => None,
        }
    }

    fn take_waiting(&mut self) -> Option<Held> {
        let Reverse(Waiting { due, id, steps, attempts }) = self.waiting.pop()?;
        Some(Held { id: id.into(), due: Some(Timestamp::from_millis(due)), steps, attempts })
    }

    /// Whether this claim on this delivery is held.
    pub(crate) fn holds(&self, claim: ClaimId, id: DeliveryId) -> bool {
        self.held.get(&claim).is_some_and(|held| held.id == id)
    }

    /// Gives a claim up for good.
    pub(crate) fn take_held(&mut self, claim: ClaimId) -> Option<Held> {
        self.held.remove(&claim)
    }

    /// Puts a claimed delivery back as it was. Answers whether the claim was held.
    pub(crate) fn release(&mut self, claim: ClaimId) -> bool {
        let Some(held) = self.held.remove(&claim) else { return false };
        match held.due {
            None => self.add_fresh(held.id),
            Some(due) => self.add_waiting(held.id, due, held.steps, held.attempts),
        }
        true
    }

    /// Notes that one delivery of the event becomes final. Answers whether it was the last unfinished one.
    pub(crate) fn note_final(&mut self, event: EventId) -> bool {
        let key = event.to_bytes();
        match self.several.get_mut(&key) {
            Some(count) if *count > 2 => *count -= 1,
            Some(_) => {
                self.several.remove(&key);
                if self.several.capacity() > SMALL && self.several.len() < self.several.capacity() / 8 {
                    self.several.shrink_to(self.several.len() * 2);
                }
            }
            None => return true,
        }
        false
    }

    /// Takes final deliveries out of the count, once that is durable.
    pub(crate) fn settle(&mut self, count: usize) {
        self.total = self.total.saturating_sub(count);
    }
}

fn shrink<T: Ord>(heap: &mut BinaryHeap<T>) {
    if heap.capacity() > SMALL && heap.len() < heap.capacity() / 4 {
        heap.shrink_to(heap.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn event(millis: u64) -> EventId {
        EventId::from_bytes((u128::from(millis) << 80).to_be_bytes())
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_waiting_delivery_takes_at_most_64_bytes() {
        // A heap's buffer is at most twice as large as its content.
        assert!(size_of::<Packed>() * 2 <= 64);
        assert!(size_of::<Waiting>() * 2 <= 64);
    }

    #[test]
    fn the_oldest_due_comes_first_across_new_ones_and_retries() {
        let mut queue = Queue::default();
        for (millis, index) in [(30, 0), (10, 1), (10, 0)] {
            queue.add_fresh(DeliveryId { event: event(millis), index });
        }
        queue.add_waiting(DeliveryId { event: event(1), index: 0 }, at(20), 1, 1);
        queue.add_waiting(DeliveryId { event: event(1), index: 1 }, at(200), 1, 1);
        let order: Vec<_> = queue.claim(at(100), 9).into_iter().map(|(_, held)| (held.id.event, held.id.index)).collect();
        assert_eq!(order, [(event(10), 0), (event(10), 1), (event(1), 0), (event(30), 0)]);
        assert_eq!(queue.next_due(), Some(at(200)));
    }

    #[test]
    fn what_was_never_attempted_is_due_whatever_the_clock_says() {
        let mut queue = Queue::default();
        queue.add_fresh(DeliveryId { event: event(1_000_000), index: 0 });
        assert!(queue.next_due().unwrap() <= at(5));
        assert_eq!(queue.claim(at(5), 1).len(), 1);
    }

    #[test]
    fn the_last_delivery_of_an_event_is_known() {
        let mut queue = Queue::default();
        queue.add_event(event(1), 3);
        queue.add_event(event(2), 1);
        assert_eq!(queue.unfinished(), 4);
        assert!(queue.note_final(event(2)));
        assert_eq!([(); 3].map(|()| queue.note_final(event(1))), [false, false, true]);
        queue.settle(4);
        assert_eq!(queue.unfinished(), 0);
    }

    #[derive(Clone, Debug)]
    enum Action {
        Ingest(u8),
        Claim(i64, usize),
        Release(usize),
        Retry(usize, i64),
    }

    fn action() -> impl Strategy<Value = Action> {
        prop_oneof![
            (1..5u8).prop_map(Action::Ingest),
            (0..200i64, 0..6usize).prop_map(|(now, max)| Action::Claim(now, max)),
            (0..9usize).prop_map(Action::Release),
            (0..9usize, 0..200i64).prop_map(|(which, due)| Action::Retry(which, due)),
        ]
    }

    proptest! {
        /// Against a plain map from delivery to due time: nothing is lost or claimed twice, nothing comes early, and
        /// the order is right.
        #[test]
        fn it_behaves_as_a_plain_map(actions in prop::collection::vec(action(), 1..80)) {
            let mut queue = Queue::default();
            let mut model: BTreeMap<DeliveryId, (i64, bool)> = BTreeMap::new();
            let mut held: Vec<(ClaimId, Held)> = Vec::new();
            let mut next = 0;
            for action in actions {
                match action {
                    Action::Ingest(count) => {
                        next += 1;
                        queue.add_event(event(next), u32::from(count));
                        for index in 0..u16::from(count) {
                            let id = DeliveryId { event: event(next), index };
                            queue.add_fresh(id);
                            model.insert(id, (i64::try_from(next).unwrap(), true));
                        }
                    }
                    Action::Claim(now, max) => {
                        let mut expected: Vec<_> = model.iter().filter(|(_, (due, fresh))| *fresh || *due <= now).map(|(_, (due, _))| *due).collect();
                        expected.sort_unstable();
                        expected.truncate(max);
                        let claims = queue.claim(at(now), max);
                        let got: Vec<_> = claims.iter().map(|(_, held)| model.remove(&held.id).unwrap().0).collect();
                        prop_assert_eq!(got, expected);
                        held.extend(claims);
                    }
                    Action::Release(which) if which < held.len() => {
                        let (claim, was) = held.swap_remove(which);
                        prop_assert!(queue.release(claim));
                        prop_assert!(!queue.release(claim));
                        model.insert(was.id, (was.due.map_or(was.id.event.created_at().as_millis(), Timestamp::as_millis), was.due.is_none()));
                    }
                    Action::Retry(which, due) if which < held.len() => {
                        let (claim, was) = held.swap_remove(which);
                        prop_assert!(queue.holds(claim, was.id));
                        prop_assert_eq!(queue.take_held(claim), Some(was));
                        prop_assert!(!queue.holds(claim, was.id));
                        queue.add_waiting(was.id, at(due), was.steps + 1, was.attempts + 1);
                        model.insert(was.id, (due, false));
                    }
                    _ => {}
                }
                prop_assert_eq!(queue.unfinished(), model.len() + held.len());
            }
        }
    }
}
