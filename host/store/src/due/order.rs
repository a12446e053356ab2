//! The order of one subscription's deliveries about the same entity: only the oldest of them, by id, may be claimed, and
//! while one holds its entity only that one.
//!
//! Whoever may go is `active`: it is in the lane's heaps, claimed, or between its last claim and the commit of what
//! became of it (`out`). The others are parked. When an older one comes, as one that is begun again does, it takes the
//! place of an active one that is not out; that one's entry cannot be found in its heap, so it stays there until it
//! comes to the top, marked as outranked.

use super::entry::{Packed, When};
use crate::entity::ShortHash;
use std::collections::BTreeMap;

/// Where a parked delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Here alone.
    Parked(When),
    /// Its entry is still in the lane's heaps.
    Queued,
}

/// See the module. Trees, since most lanes have few entities: a hash table of few takes more room.
#[derive(Debug, Default)]
pub(super) struct Order {
    active: BTreeMap<ShortHash, Packed>,
    holders: BTreeMap<ShortHash, Packed>,
    parked: BTreeMap<(ShortHash, Packed), Place>,
    /// Those that another one goes before, but that are in the heaps or out.
    outranked: BTreeMap<Packed, ShortHash>,
}

/// An entry for the lane's heaps.
pub(super) type Promoted = Option<(Packed, When)>;

impl Order {
    /// Whether nothing is known.
    pub(super) fn is_empty(&self) -> bool {
        self.active.is_empty() && self.holders.is_empty() && self.parked.is_empty()
    }

    /// How many wait behind others.
    pub(super) fn behind(&self) -> usize {
        self.parked.len()
    }

    /// Which one a delivery waits behind.
    pub(super) fn before(&self, entity: ShortHash, id: Packed) -> Option<Packed> {
        self.parked.get(&(entity, id))?;
        self.holders.get(&entity).or_else(|| self.active.get(&entity)).copied()
    }

    /// Takes in a delivery, new or back from its claim; it is not out any more. Answers with what may go now.
    pub(super) fn admit(&mut self, entity: ShortHash, id: Packed, when: When, out: impl Fn(Packed) -> bool) -> Promoted {
        if self.active.get(&entity) == Some(&id) {
            self.active.remove(&entity);
            self.outranked.remove(&id);
        }
        self.parked.insert((entity, id), Place::Parked(when));
        self.promote(entity, out)
    }

    /// A claim was given back, and its delivery is in the heaps again. Answers with what may go now.
    pub(super) fn returned(&mut self, id: Packed, out: impl Fn(Packed) -> bool) -> Promoted {
        let entity = self.outranked.remove(&id)?;
        self.promote(entity, out)
    }

    /// A delivery is final. Answers with what may go now.
    pub(super) fn finished(&mut self, entity: ShortHash, id: Packed, holds: bool, out: impl Fn(Packed) -> bool) -> Promoted {
        if self.active.get(&entity) == Some(&id) {
            self.active.remove(&entity);
            self.outranked.remove(&id);
        }
        if holds {
            self.holders.insert(entity, id);
        } else if self.holders.get(&entity) == Some(&id) {
            self.holders.remove(&entity);
        }
        self.promote(entity, out)
    }

    /// Notes a hold.
    pub(super) fn hold(&mut self, entity: ShortHash, id: Packed) {
        self.holders.insert(entity, id);
    }

    /// Ends a hold. Answers with what may go now.
    pub(super) fn lift(&mut self, entity: ShortHash, id: Packed, out: impl Fn(Packed) -> bool) -> Promoted {
        if self.holders.get(&entity) == Some(&id) {
            self.holders.remove(&entity);
        }
        self.promote(entity, out)
    }

    /// Whether the delivery holds the entity.
    pub(super) fn is_held_by(&self, entity: ShortHash, id: Packed) -> bool {
        self.holders.get(&entity) == Some(&id)
    }

    /// Forgets a parked delivery. Answers whether it was here alone, and not in the heaps.
    pub(super) fn forget(&mut self, entity: ShortHash, id: Packed) -> bool {
        match self.parked.remove(&(entity, id)) {
            Some(Place::Parked(_)) => true,
            Some(Place::Queued) => {
                self.outranked.remove(&id);
                false
            }
            None => false,
        }
    }

    /// Parks a delivery that came out of a heap, if it is not the one that may go.
    pub(super) fn park_if_outranked(&mut self, id: Packed, when: When) -> bool {
        if self.outranked.is_empty() {
            return false;
        }
        let Some(entity) = self.outranked.remove(&id) else { return false };
        self.parked.insert((entity, id), Place::Parked(when));
        true
    }

    /// Makes the one active that may go.
    fn promote(&mut self, entity: ShortHash, out: impl Fn(Packed) -> bool) -> Promoted {
        let current = self.active.get(&entity).copied();
        let next = self.next(entity, current);
        if next == current {
            return None;
        }
        if let Some(current) = current {
            self.outranked.insert(current, entity);
            if out(current) {
                return None;
            }
            self.active.remove(&entity);
            self.parked.insert((entity, current), Place::Queued);
        }
        let next = next?;
        self.active.insert(entity, next);
        match self.parked.remove(&(entity, next))? {
            Place::Parked(when) => Some((next, when)),
            Place::Queued => {
                self.outranked.remove(&next);
                None
            }
        }
    }

    /// Which one may go: the holder or, if there is none, the oldest.
    fn next(&self, entity: ShortHash, current: Option<Packed>) -> Option<Packed> {
        if let Some(holder) = self.holders.get(&entity) {
            let here = current == Some(*holder) || self.parked.contains_key(&(entity, *holder));
            return here.then_some(*holder);
        }
        let first = self.parked.range((entity, Packed::FIRST)..=(entity, Packed::LAST)).next().map(|((_, id), _)| *id);
        current.into_iter().chain(first).min()
    }
}
