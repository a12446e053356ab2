//! Events that were just accepted, kept until their deliveries are claimed, so that a claim normally reads nothing.

use postern_core::delivery::Route;
use postern_core::{Event, EventId};
use std::collections::HashMap;
use std::sync::Arc;

/// An event with its routes.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) event: Arc<Event>,
    pub(crate) routes: Arc<[Route]>,
}

/// Bounded by bytes. When it is full, later events stay out: claims take the oldest first, so those that are in it
/// leave it first.
#[derive(Debug)]
pub(crate) struct Cache {
    events: HashMap<EventId, (Routed, usize)>,
    free: usize,
}

impl Cache {
    /// A cache for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { events: HashMap::new(), free: bytes }
    }

    /// Keeps the event until each of its deliveries was claimed once, if there is room.
    pub(crate) fn insert(&mut self, routed: Routed) {
        let size = size(&routed);
        if size <= self.free && !routed.routes.is_empty() {
            let left = routed.routes.len();
            if self.events.insert(routed.event.id, (routed, left)).is_none() {
                self.free -= size;
            }
        }
    }

    /// The event, for one claim.
    pub(crate) fn take(&mut self, id: EventId) -> Option<Routed> {
        let (routed, left) = self.events.get_mut(&id)?;
        *left -= 1;
        if *left > 0 {
            return Some(routed.clone());
        }
        let (routed, _) = self.events.remove(&id)?;
        self.free += size(&routed);
        Some(routed)
    }
}

/// What it takes in memory, roughly.
fn size(routed: &Routed) -> usize {
    512 + routed.event.payload.as_str().len() + routed.routes.len() * 96
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::{Json, SubscriptionId, Timestamp};

    fn routed(routes: usize, payload: usize) -> Routed {
        let event = Event {
            id: EventId::generate(),
            event_type: "a.b".parse().unwrap(),
            tenant: Default::default(),
            timestamp: Timestamp::now(),
            payload: Json::parse(format!("\"{}\"", "x".repeat(payload))).unwrap(),
        };
        let route = Route::new(SubscriptionId::generate(), "p.q".parse().unwrap());
        Routed { event: Arc::new(event), routes: vec![route; routes].into() }
    }

    #[test]
    fn an_event_leaves_with_its_last_claim_and_makes_room() {
        let mut cache = Cache::new(2000);
        let (first, second) = (routed(2, 1000), routed(1, 1000));
        cache.insert(first.clone());
        cache.insert(second.clone());
        assert!(cache.take(second.event.id).is_none(), "there was no room");
        assert!(cache.take(first.event.id).is_some() && cache.take(first.event.id).is_some());
        assert!(cache.take(first.event.id).is_none());
        cache.insert(second.clone());
        assert!(cache.take(second.event.id).is_some());
        assert_eq!(cache.free, 2000);
    }
}
