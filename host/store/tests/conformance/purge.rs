//! Retention.

use crate::*;
use postern_store::{DeliveryFilter, PageRequest, Purged, Retention};
use std::time::Duration;

on_both_engines!(old_events_go_and_unfinished_ones_stay, a_budget_bounds_the_work, failures_are_kept_longer);

fn id(millis: u64, n: u64) -> EventId {
    EventId::from_bytes(((u128::from(millis) << 80) | u128::from(n)).to_be_bytes())
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn all_before(millis: i64) -> Retention {
    Retention { before: at(millis), failed_before: at(millis) }
}

async fn ingest_at(store: &Embedded, id: EventId, routes: usize, bytes: usize) {
    let mut new = new_event(routes, bytes);
    Arc::get_mut(&mut new.event).unwrap().id = id;
    store.ingest(new).await.unwrap();
}

async fn left(store: &Embedded) -> Vec<EventId> {
    let page = PageRequest { limit: 10_000, after: None };
    store.list_events(Default::default(), page).await.unwrap().items.into_iter().map(|(event, _)| event.id).collect()
}

async fn old_events_go_and_unfinished_ones_stay(place: Place) {
    let store = place.open();
    for millis in 1..=10 {
        ingest_at(&store, id(millis, 0), 2, if millis % 2 == 0 { 20_000 } else { 10 }).await;
    }
    ingest_at(&store, id(2, 1), 0, 10).await;
    let claims = claim_all(&store).await;
    let (unfinished, rest): (Vec<_>, Vec<_>) = claims.iter().partition(|claim| claim.id.event == id(3, 0) && claim.id.index == 1);
    store.finish(&rest.into_iter().map(|claim| finish(claim, success())).collect::<Vec<_>>()).await.unwrap();
    let purged = store.purge(all_before(6), 10_000).await.unwrap();
    assert_eq!(purged, Purged { events: 5, deliveries: 8, more: false });
    assert_eq!(left(&store).await, [10, 9, 8, 7, 6, 3].map(|millis| id(millis, 0)));
    assert_eq!(store.purge(all_before(6), 10_000).await.unwrap(), Purged::default());
    // What was passed over goes once it is final, and so does what came in behind the mark.
    store.finish(&[finish(unfinished[0], success())]).await.unwrap();
    ingest_at(&store, id(4, 7), 0, 10).await;
    assert_eq!(store.purge(all_before(6), 10_000).await.unwrap(), Purged { events: 2, deliveries: 2, more: false });
    assert!(store.delivery(unfinished[0].id).await.unwrap().is_none());
    store.close().await;
    let store = place.open();
    assert_eq!(left(&store).await, [10, 9, 8, 7, 6].map(|millis| id(millis, 0)));
    assert_eq!(store.purge(all_before(i64::MAX), 10_000).await.unwrap().events, 5);
    assert!(
        store.list_deliveries(DeliveryFilter::default(), PageRequest { limit: 9, after: None }).await.unwrap().items.is_empty()
    );
}

async fn a_budget_bounds_the_work(place: Place) {
    let store = place.open();
    for n in 0..300 {
        ingest_at(&store, id(5, n), 0, 10).await;
    }
    let first = store.purge(all_before(6), 100).await.unwrap();
    assert_eq!(first, Purged { events: 100, deliveries: 0, more: true });
    assert_eq!(left(&store).await.last(), Some(&id(5, 100)), "the oldest go first");
    let mut events = first.events;
    loop {
        let purged = store.purge(all_before(6), 100).await.unwrap();
        events += purged.events;
        if !purged.more {
            break;
        }
    }
    assert_eq!((events, left(&store).await.len()), (300, 0));
}

async fn failures_are_kept_longer(place: Place) {
    let store = place.open();
    for millis in 1..=8 {
        ingest_at(&store, id(millis, 0), 2, 10).await;
    }
    for claim in claim_all(&store).await {
        let fails = claim.id.event.created_at().as_millis() % 2 == 0 && claim.id.index == 1;
        if claim.id.event == id(5, 0) && claim.id.index == 0 {
            let later = now().saturating_add(Duration::from_secs(9));
            store.finish(&[finish(&claim, retrying(later))]).await.unwrap();
        } else {
            store.finish(&[finish(&claim, if fails { failed() } else { success() })]).await.unwrap();
        }
    }
    let keep_failures = Retention { before: at(8), failed_before: at(3) };
    assert_eq!(store.purge(keep_failures, 10_000).await.unwrap().events, 4);
    assert_eq!(left(&store).await, [8, 6, 5, 4].map(|millis| id(millis, 0)));
    let later = Retention { before: at(9), failed_before: at(6) };
    assert_eq!(store.purge(later, 10_000).await.unwrap().events, 1);
    assert_eq!(left(&store).await, [8, 6, 5].map(|millis| id(millis, 0)));
}
