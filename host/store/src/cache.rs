//! Events that were just accepted, kept until their deliveries are claimed, so that a claim normally reads nothing.

use postern_core::delivery::Route;
use postern_core::{Event, EventId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An event that nobody claimed for this long makes room for a new one: its subscription is slow, or waits for something.
const PATIENCE: Duration = Duration::from_secs(60);

/// An event with its routes.
#[derive(Clone, Debug)]
pub(crate) struct Routed {
    pub(crate) event: Arc<Event>,
    pub(crate) routes: Arc<[Route]>,
}

/// Bounded by bytes. When it is full, new events stay out, since those that are in it are claimed before; but not for
/// the sake of those that nobody claims.
#[derive(Debug)]
pub(crate) struct Cache {
    /// With how many claims are to come. Oldest first.
    events: BTreeMap<EventId, (Routed, usize)>,
    free: usize,
}

impl Cache {
    /// A cache for so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { events: BTreeMap::new(), free: bytes }
    }

    /// Keeps the event until each of its deliveries was claimed once, if there is room.
    pub(crate) fn insert(&mut self, routed: Routed) {
        let (id, bytes, left) = (routed.event.id, size(&routed), routed.routes.len());
        if left == 0 {
            return;
        }
        while bytes > self.free
            && let Some(oldest) = self.events.first_entry()
            && id.created_at().since(oldest.key().created_at()) > PATIENCE
        {
            self.free += size(&oldest.remove().0);
        }
        if bytes <= self.free && self.events.insert(id, (routed, left)).is_none() {
            self.free -= bytes;
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
    fn what_nobody_claims_makes_room_after_a_while() {
        let mut cache = Cache::new(2000);
        let event = |seconds: u128| {
            let mut routed = routed(1, 1000);
            let event = Arc::get_mut(&mut routed.event).unwrap();
            event.id = EventId::from_bytes(((seconds * 1000) << 80).to_be_bytes());
            routed
        };
        cache.insert(event(100));
        cache.insert(event(160));
        assert!(!cache.events.contains_key(&event(160).event.id));
        cache.insert(event(161));
        assert!(cache.take(event(100).event.id).is_none() && cache.take(event(161).event.id).is_some());
        assert_eq!(cache.free, 2000);
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
