//! Emissions that come twice.

use crate::*;
use postern_store::{Error, Expiry, Idempotency, Ingested, LONGEST_IDEMPOTENCY, PurgedExpired, Retention};
use std::time::Duration;

on_both_engines!(
    a_repetition_gets_the_first_answer,
    of_many_at_once_one_is_stored,
    a_key_is_known_after_a_restart,
    an_expired_key_is_free_again,
    keys_differ,
    what_is_refused_leaves_no_key,
    expired_keys_are_purged_in_steps,
    a_key_outlives_its_event,
);

const DAY: i64 = 24 * 60 * 60 * 1000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn keyed(key: u8, now: i64, until: i64) -> NewEvent {
    let idempotency = Idempotency { key: [key; 32], now: at(now), until: at(until) };
    NewEvent { idempotency: Some(idempotency), ..new_event(2, 100) }
}

async fn stored(store: &Embedded) -> usize {
    let page = postern_store::PageRequest { limit: 10_000, after: None };
    store.list_events(Default::default(), page).await.unwrap().items.len()
}

async fn a_repetition_gets_the_first_answer(place: Place) {
    let store = place.open();
    let first = keyed(1, 10, DAY);
    let answer = store.ingest(first.clone()).await.unwrap();
    assert_eq!(answer, Ingested { event: first.event.id, deliveries: 2, repeated: false });
    let mut again = keyed(1, 20, 2 * DAY);
    again.routes.clear();
    assert_eq!(store.ingest(again.clone()).await.unwrap(), Ingested { repeated: true, ..answer });
    assert!(store.event(again.event.id).await.unwrap().is_none());
    assert_eq!((stored(&store).await, unfinished(&store), claim_all(&store).await.len()), (1, 2, 2));
}

async fn of_many_at_once_one_is_stored(place: Place) {
    let store = Arc::new(place.open());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let store = store.clone();
        tasks.spawn(async move { store.ingest(keyed(7, 10, DAY)).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert!(answers.iter().all(|answer| answer.event == answers[0].event && answer.deliveries == 2));
    assert_eq!((stored(&store).await, unfinished(&store)), (1, 2));
}

async fn a_key_is_known_after_a_restart(place: Place) {
    let store = place.open();
    let first = store.ingest(keyed(1, 10, 3 * DAY)).await.unwrap();
    store.close().await;
    let store = place.open();
    let again = store.ingest(keyed(1, DAY, 2 * DAY)).await.unwrap();
    assert_eq!(again, Ingested { repeated: true, ..first });
}

async fn an_expired_key_is_free_again(place: Place) {
    let store = place.open();
    // Within a day, and over the days: the key's place differs.
    for (now, until) in [(10, 20), (20, 30), (30, DAY + 5), (DAY + 5, 3 * DAY), (3 * DAY, 10 * DAY)] {
        let first = store.ingest(keyed(1, now, until)).await.unwrap();
        assert!(!first.repeated, "{now}");
        let last = store.ingest(keyed(1, until - 1, until + 1)).await.unwrap();
        assert_eq!(last, Ingested { repeated: true, ..first });
    }
    // A key that is over when it comes is never known.
    for _ in 0..2 {
        assert!(!store.ingest(keyed(2, 10, 10)).await.unwrap().repeated);
    }
}

async fn keys_differ(place: Place) {
    let store = place.open();
    for key in 0..50 {
        assert!(!store.ingest(keyed(key, 10, DAY)).await.unwrap().repeated);
        assert!(!store.ingest(new_event(1, 10)).await.unwrap().repeated);
    }
    for key in 0..50 {
        assert!(store.ingest(keyed(key, 10, DAY)).await.unwrap().repeated);
    }
    assert_eq!(stored(&store).await, 100);
}

async fn what_is_refused_leaves_no_key(place: Place) {
    let mut options = place.options();
    options.reserve_bytes = u64::MAX / 2;
    let store = Embedded::open(options).unwrap();
    for _ in 0..2 {
        assert!(matches!(store.ingest(keyed(1, 10, DAY)).await, Err(Error::Full(_))));
    }
    store.close().await;
    let store = place.open();
    let longest = i64::try_from(LONGEST_IDEMPOTENCY.as_millis()).unwrap();
    assert!(matches!(store.ingest(keyed(1, 10, 10 + longest + 1)).await, Err(Error::TooLarge(_))));
    assert!(!store.ingest(keyed(1, 10, 10 + longest)).await.unwrap().repeated);
    assert!(store.ingest(keyed(1, 9 + longest, 9 + longest)).await.unwrap().repeated);
}

async fn expired_keys_are_purged_in_steps(place: Place) {
    let store = place.open();
    for key in 0..30 {
        store.ingest(keyed(key, 10, if key < 20 { DAY - 1 } else { 2 * DAY })).await.unwrap();
    }
    let purge = |now, budget| store.purge_expired(Expiry { now: at(now), audit_before: at(0) }, budget);
    let purged = |idempotency_keys, more| PurgedExpired { idempotency_keys, audit_entries: 0, more };
    assert_eq!(purge(DAY - 1, 100).await.unwrap(), purged(0, false), "the day is not over");
    assert_eq!(purge(DAY, 15).await.unwrap(), purged(15, true));
    assert_eq!(purge(DAY, 15).await.unwrap(), purged(5, false));
    assert!(!store.ingest(keyed(0, 10, 20)).await.unwrap().repeated);
    assert!(store.ingest(keyed(29, 10, DAY)).await.unwrap().repeated);
    // The purge of events takes along what nobody removed.
    let long_ago = Retention { before: at(0), failed_before: at(3 * DAY) };
    store.purge(long_ago, 10_000).await.unwrap();
    assert_eq!(purge(30 * DAY, 100).await.unwrap(), purged(0, false));
}

async fn a_key_outlives_its_event(place: Place) {
    let store = place.open();
    let mut new = keyed(1, 10, DAY);
    new.routes.clear();
    let first = store.ingest(new).await.unwrap();
    let later = now().saturating_add(Duration::from_secs(9));
    // The clock of the keys runs by itself here: the event is of today, the key of 1970, and a purge of today takes both.
    assert_eq!(store.purge(Retention { before: later, failed_before: later }, 0).await.unwrap().events, 0);
    assert_eq!(store.ingest(keyed(1, 20, DAY)).await.unwrap(), Ingested { repeated: true, ..first });
    let today = now().as_millis();
    let (mut new, key) = (keyed(2, today, today + DAY), 2);
    new.routes.clear();
    let first = store.ingest(new).await.unwrap();
    assert_eq!(store.purge(Retention { before: later, failed_before: later }, 1000).await.unwrap().events, 2);
    assert_eq!(store.ingest(keyed(key, today + 1, today + DAY)).await.unwrap(), Ingested { repeated: true, ..first });
}
