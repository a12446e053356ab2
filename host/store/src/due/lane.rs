//! What is due for one subscription.

use super::entry::{Packed, Waiting, When};
use super::order::Order;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Below this many entries a heap keeps its memory.
const SMALL: usize = 64;

/// When something that was never attempted is due: before any moment that a clock shows.
pub(super) const LONG_PAST: i64 = i64::MIN;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lane {
    fresh: BinaryHeap<Reverse<Packed>>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Entries of the heaps that are not due any more, with the number of their steps, which tells them from entries
    /// that came later. The first of a heap is never one of them.
    withdrawn: BTreeSet<(Packed, u16)>,
    /// There if one of the deliveries is about an entity.
    pub(super) order: Option<Box<Order>>,
    /// Whether somebody was told of this lane and has not found too little in it since.
    pub(super) named: bool,
    /// Where it stands among the lanes that are to be named.
    pub(super) call: Option<i64>,
    /// Where it stands among the oldest; never later than its oldest entry.
    pub(super) head: Option<i64>,
}

impl Lane {
    /// Adds a delivery.
    pub(super) fn push(&mut self, id: Packed, when: When) {
        match when {
            When::Fresh => self.fresh.push(Reverse(id)),
            When::At { due, steps, recovered } => {
                self.waiting.push(Reverse(Waiting { due: due.as_millis(), id, steps, recovered }));
            }
        }
    }

    /// Takes the oldest that is due. One that was never attempted is due since its event was accepted.
    pub(super) fn take(&mut self, now: i64) -> Option<(Packed, When)> {
        loop {
            let (id, when) = self.pop(now)?;
            self.drop_withdrawn();
            // One that another one goes before is put where it belongs only now: its entry could not be found before.
            if !self.order.as_mut().is_some_and(|order| order.park_if_outranked(id, when)) {
                return Some((id, when));
            }
        }
    }

    fn pop(&mut self, now: i64) -> Option<(Packed, When)> {
        let fresh = self.fresh.peek().map(|Reverse(id)| id.accepted());
        let due = self.waiting.peek().map(|Reverse(waiting)| waiting.due).filter(|due| *due <= now);
        match (fresh, due) {
            (None, None) => None,
            (Some(accepted), due) if due.is_none_or(|due| accepted <= due) => {
                self.fresh.pop().map(|Reverse(id)| (id, When::Fresh))
            }
            _ => self.waiting.pop().map(|Reverse(waiting)| (waiting.id, waiting.into())),
        }
    }

    /// Takes a delivery out, wherever in the heaps it is.
    pub(super) fn withdraw(&mut self, id: Packed, steps: u16) {
        self.withdrawn.insert((id, steps));
        if self.withdrawn.len() * 2 > self.fresh.len() + self.waiting.len() {
            let withdrawn = std::mem::take(&mut self.withdrawn);
            self.fresh.retain(|Reverse(id)| !withdrawn.contains(&(*id, 0)));
            self.waiting.retain(|Reverse(waiting)| !withdrawn.contains(&(waiting.id, waiting.steps)));
        }
        self.drop_withdrawn();
    }

    fn drop_withdrawn(&mut self) {
        if self.withdrawn.is_empty() {
            return;
        }
        while self.fresh.peek().is_some_and(|Reverse(id)| self.withdrawn.remove(&(*id, 0))) {
            self.fresh.pop();
        }
        while self.waiting.peek().is_some_and(|Reverse(waiting)| self.withdrawn.remove(&(waiting.id, waiting.steps))) {
            self.waiting.pop();
        }
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        if self.fresh.is_empty() { self.waiting.peek().map(|Reverse(waiting)| waiting.due) } else { Some(LONG_PAST) }
    }

    /// Since or from when the oldest is due.
    pub(super) fn oldest(&self) -> Option<i64> {
        let fresh = self.fresh.peek().map(|Reverse(id)| id.accepted());
        let waiting = self.waiting.peek().map(|Reverse(waiting)| waiting.due);
        fresh.into_iter().chain(waiting).min()
    }

    /// How many wait behind others.
    pub(super) fn behind(&self) -> usize {
        self.order.as_ref().map_or(0, |order| order.behind())
    }

    /// Whether nobody needs it any more. Gives memory back on the way.
    pub(super) fn is_idle(&mut self) -> bool {
        shrink(&mut self.fresh);
        shrink(&mut self.waiting);
        if self.order.as_ref().is_some_and(|order| order.is_empty()) {
            self.order = None;
        }
        !self.named && self.order.is_none() && self.fresh.is_empty() && self.waiting.is_empty()
    }
}

fn shrink<T: Ord>(heap: &mut BinaryHeap<T>) {
    if heap.capacity() > SMALL && heap.len() < heap.capacity() / 4 {
        heap.shrink_to(heap.len() * 2);
    }
}
