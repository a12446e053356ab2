//! What a commit changes in memory once it is durable.

use super::committer::Hold;
use super::shared::Shared;
use crate::cache::Routed;
use crate::due::{Lot, Queue, When};
use crate::entity::ShortHash;
use postern_core::delivery::Route;
use postern_core::{DeliveryId, Event, EventId};
use std::sync::Arc;

/// One of the things.
pub(super) enum Effect {
    /// There is a new event. The entities of its routes are none at all if no route has one.
    Ingested { event: Arc<Event>, routes: Arc<[Route]>, entities: Vec<Option<ShortHash>> },
    /// A delivery that was out is due again.
    Again { lot: Lot, when: When },
    /// A delivery that was out is final.
    Final { lot: Lot, holds: bool },
    /// The last delivery of an event without a mark is final.
    Finished(EventId),
    /// What was to get a mark has it.
    Marked,
    /// A delivery that was final is due again; its event had other unfinished ones, or none.
    Reopened { lot: Lot, when: When, had_some: bool },
    /// A hold has ended.
    Lifted(Hold),
}

/// Shows what is durable now to whoever claims.
pub(super) fn take(shared: &Shared, effects: Vec<Effect>) {
    keep_events(shared, &effects);
    let mut queue = shared.queue.lock();
    let before = queue.next_due();
    effects.into_iter().for_each(|effect| apply(&mut queue, effect));
    let earlier = is_earlier(before, queue.next_due());
    drop(queue);
    if earlier {
        shared.changed.notify_one();
    }
}

/// Whether whoever waits for the first moment waits too long for the second one.
pub(super) fn is_earlier(before: Option<postern_core::Timestamp>, now: Option<postern_core::Timestamp>) -> bool {
    now.is_some_and(|now| before.is_none_or(|before| now < before))
}

/// Newly accepted events are claimed soon, and need not be read then.
fn keep_events(shared: &Shared, effects: &[Effect]) {
    let ingested = || {
        effects.iter().filter_map(|effect| match effect {
            Effect::Ingested { event, routes, .. } => Some((event, routes)),
            _ => None,
        })
    };
    if let Some(least) = ingested().map(|(event, _)| event.id).min() {
        let mut known = shared.least_ingested.lock();
        *known = Some(known.map_or(least, |known| known.min(least)));
        let mut cache = shared.cache.lock();
        for (event, routes) in ingested() {
            cache.insert(Routed { event: event.clone(), routes: routes.clone() });
        }
    }
}

fn apply(queue: &mut Queue, effect: Effect) {
    match effect {
        Effect::Ingested { event, routes, entities } => {
            queue.add_event(event.id, u32::try_from(routes.len()).unwrap_or(u32::MAX));
            for (index, route) in (0..u16::MAX).zip(&*routes) {
                let entity = entities.get(usize::from(index)).copied().flatten();
                let id = DeliveryId { event: event.id, index };
                queue.add(Lot { id, subscription: route.subscription, entity }, When::Fresh);
            }
        }
        Effect::Again { lot, when } => queue.add(lot, when),
        Effect::Final { lot, holds } => queue.finished(lot, holds),
        Effect::Finished(event) => queue.unmarked.finished(event),
        Effect::Marked => queue.unmarked.left(),
        Effect::Reopened { lot, when, had_some } => {
            queue.add_one(lot.id.event, had_some);
            queue.add(lot, when);
        }
        Effect::Lifted((subscription, entity, id)) => queue.lift(subscription, entity, id),
    }
}
