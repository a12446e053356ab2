//! The order of deliveries about one entity, its holds, and its external id.

use crate::*;
use postern_core::DeliveryId;
use postern_store::{Backlog, Cancelled, LONGEST_EXTERNAL_ID, Retention};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

on_both_engines!(
    deliveries_about_an_entity_go_one_by_one,
    an_older_one_that_begins_again_goes_first,
    a_held_entity_waits_until_its_holder_succeeds,
    a_hold_ends_in_other_ways_as_well,
    holds_of_a_subscription_are_released_together,
    a_purge_ends_the_holds_of_what_it_removes,
    the_first_external_id_is_kept,
    external_ids_that_nobody_uses_go,
    workers_keep_the_order,
);

const DAY: i64 = 24 * 60 * 60 * 1000;

fn subscription() -> SubscriptionId {
    SubscriptionId::from_bytes([7; 16])
}

/// Ingests an event about an entity for one subscription.
async fn about(store: &Embedded, entity: Option<&str>) -> DeliveryId {
    let mut new = new_event(1, 10);
    new.routes[0].subscription = subscription();
    new.routes[0].entity = entity.map(str::to_owned);
    store.ingest(new.clone()).await.unwrap();
    DeliveryId { event: new.event.id, index: 0 }
}

fn ids(claims: &[Claim]) -> Vec<DeliveryId> {
    claims.iter().map(|claim| claim.id).collect()
}

async fn done(store: &Embedded, claim: &Claim, state: State) {
    store.finish(&[finish(claim, state)]).await.unwrap();
}

/// Fails a delivery for good and holds its entity.
async fn hold(store: &Embedded, claim: &Claim) {
    store.finish(&[Finish { hold: true, ..finish(claim, failed()) }]).await.unwrap();
}

async fn deliveries_about_an_entity_go_one_by_one(place: Place) {
    let mut store = place.open();
    let (a1, a2, b1) = (about(&store, Some("a")).await, about(&store, Some("a")).await, about(&store, Some("b")).await);
    let (none, a3) = (about(&store, None).await, about(&store, Some("a")).await);
    // The same entity of another subscription is another entity.
    let mut other = new_event(1, 10);
    other.routes[0].entity = Some("a".into());
    store.ingest(other.clone()).await.unwrap();
    let other = DeliveryId { event: other.event.id, index: 0 };
    for restarted in [false, true] {
        if restarted {
            drop(store);
            store = place.open();
        }
        assert_eq!(ids(&claim_all(&store).await), [a1, b1, none, other], "restarted: {restarted}");
        let Backlog { unfinished, claimed, behind, .. } = store.backlog();
        assert_eq!((unfinished, claimed, behind), (6, 4, 2));
        let waits_for = |delivery| store.waits_for(subscription(), "a", delivery);
        assert_eq!([a1, a2, a3, none].map(waits_for), [None, Some(a1), Some(a1), None]);
    }
    store.close().await;
    let store = place.open();
    let claims = claim_all(&store).await;
    done(&store, &claims[0], success()).await;
    let second = claim_all(&store).await.remove(0);
    assert_eq!((second.id, store.backlog().behind), (a2, 1));
    // While it waits for its retry, the next one waits as well.
    let later = now().saturating_add(Duration::from_secs(60));
    done(&store, &second, retrying(later)).await;
    assert!(claim_all(&store).await.is_empty());
    drop(store);
    let store = place.open();
    assert_eq!(ids(&claim_all(&store).await), [b1, none, other]);
    let second = claim_at(&store, later).await;
    assert_eq!(ids(&second), [a2]);
    done(&store, &second[0], failed()).await;
    assert_eq!(ids(&claim_all(&store).await), [a3]);
    assert_eq!(store.backlog().behind, 0);
}

async fn an_older_one_that_begins_again_goes_first(place: Place) {
    for restarted in [false, true] {
        let place = Place::new(place.engine);
        let mut store = place.open();
        let first = about(&store, Some("a")).await;
        done(&store, &claim_all(&store).await[0], failed()).await;
        let (second, third) = (about(&store, Some("a")).await, about(&store, Some("a")).await);
        let later = now().saturating_add(Duration::from_secs(60));
        done(&store, &claim_all(&store).await[0], retrying(later)).await;
        // The second waits for a retry: the first overtakes it.
        assert_eq!(store.reopen(vec![first], now(), None).await.unwrap(), [first]);
        assert_eq!([second, third].map(|id| store.waits_for(subscription(), "a", id)), [Some(first); 2]);
        if restarted {
            drop(store);
            store = place.open();
        }
        let claims = claim_at(&store, later).await;
        assert_eq!(ids(&claims), [first]);
        done(&store, &claims[0], success()).await;
        let claims = claim_at(&store, later).await;
        assert_eq!(ids(&claims), [second]);
        // One that is claimed is not overtaken: never are two of them out.
        assert_eq!(store.reopen(vec![first], now(), None).await.unwrap(), [first]);
        assert!(claim_at(&store, later).await.is_empty());
        assert_eq!(store.waits_for(subscription(), "a", first), Some(second));
        store.release(vec![claims[0].claim]).await.unwrap();
        assert_eq!(ids(&claim_at(&store, later).await), [first]);
        assert_eq!(store.waits_for(subscription(), "a", second), Some(first));
    }
}

async fn a_held_entity_waits_until_its_holder_succeeds(place: Place) {
    let mut store = place.open();
    let holder = about(&store, Some("a")).await;
    hold(&store, &claim_all(&store).await[0]).await;
    let (next, other) = (about(&store, Some("a")).await, about(&store, Some("b")).await);
    assert_eq!(ids(&claim_all(&store).await), [other]);
    assert_eq!(store.waits_for(subscription(), "a", next), Some(holder));
    drop(store);
    store = place.open();
    assert_eq!(ids(&claim_all(&store).await), [other]);
    assert_eq!(store.waits_for(subscription(), "a", next), Some(holder));
    // A second failure that holds changes nothing; a restart in the middle of it neither.
    assert_eq!(store.reopen(vec![holder], now(), None).await.unwrap(), [holder]);
    drop(store);
    store = place.open();
    let claims = claim_all(&store).await;
    assert_eq!(ids(&claims), [holder, other]);
    hold(&store, &claims[0]).await;
    assert!(claim_all(&store).await.is_empty());
    store.reopen(vec![holder], now(), None).await.unwrap();
    done(&store, &claim_all(&store).await[0], success()).await;
    assert_eq!(ids(&claim_all(&store).await), [next]);
    drop(store);
    assert_eq!(ids(&claim_all(&place.open()).await), [next, other]);
}

async fn a_hold_ends_in_other_ways_as_well(place: Place) {
    let store = place.open();
    // A failure without an entity holds nothing.
    about(&store, None).await;
    hold(&store, &claim_all(&store).await[0]).await;
    assert_eq!(store.release_holds(subscription()).await.unwrap(), 0);
    // The holder fails again and does not hold any more.
    let (first, second) = (about(&store, Some("a")).await, about(&store, Some("a")).await);
    hold(&store, &claim_all(&store).await[0]).await;
    store.reopen(vec![first], now(), None).await.unwrap();
    done(&store, &claim_all(&store).await[0], failed()).await;
    let claims = claim_all(&store).await;
    assert_eq!(ids(&claims), [second]);
    // The holder is cancelled: while it is final, and while it waits.
    hold(&store, &claims[0]).await;
    let third = about(&store, Some("a")).await;
    assert!(claim_all(&store).await.is_empty());
    assert_eq!(store.cancel(first, now(), "no".into()).await.unwrap(), Cancelled::Final, "it holds nothing");
    assert_eq!(store.cancel(second, now(), "no".into()).await.unwrap(), Cancelled::Released);
    assert_eq!(store.cancel(second, now(), "no".into()).await.unwrap(), Cancelled::Final);
    let claims = claim_all(&store).await;
    assert_eq!(ids(&claims), [third]);
    hold(&store, &claims[0]).await;
    let fourth = about(&store, Some("a")).await;
    store.reopen(vec![third], now(), None).await.unwrap();
    assert_eq!(store.cancel(third, now(), "no".into()).await.unwrap(), Cancelled::Done);
    assert_eq!(ids(&claim_all(&store).await), [fourth]);
    drop(store);
    assert_eq!(ids(&claim_all(&place.open()).await), [fourth]);
}

async fn holds_of_a_subscription_are_released_together(place: Place) {
    let store = place.open();
    let mut next = Vec::new();
    for entity in ["a", "b", "c"] {
        about(&store, Some(entity)).await;
    }
    for claim in claim_all(&store).await {
        hold(&store, &claim).await;
    }
    for entity in ["a", "b", "c"] {
        next.push(about(&store, Some(entity)).await);
    }
    drop(store);
    let store = place.open();
    assert!(claim_all(&store).await.is_empty());
    assert_eq!(store.release_holds(SubscriptionId::generate()).await.unwrap(), 0);
    assert_eq!(store.release_holds(subscription()).await.unwrap(), 3);
    assert_eq!(store.release_holds(subscription()).await.unwrap(), 0);
    assert_eq!(ids(&claim_all(&store).await), next);
    drop(store);
    assert_eq!(ids(&claim_all(&place.open()).await), next);
}

async fn a_purge_ends_the_holds_of_what_it_removes(place: Place) {
    let store = place.open();
    about(&store, Some("a")).await;
    hold(&store, &claim_all(&store).await[0]).await;
    let next = about(&store, Some("a")).await;
    let after = now().saturating_add(Duration::from_secs(9));
    assert_eq!(store.purge(Retention { before: after, failed_before: after }, 1000).await.unwrap().events, 1);
    assert_eq!(ids(&claim_all(&store).await), [next]);
    drop(store);
    let store = place.open();
    assert_eq!(ids(&claim_all(&store).await), [next]);
    assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().problems, []);
}

/// Delivers once about an entity, at this time and with this external id; answers with the one that was known before.
async fn deliver(store: &Embedded, entity: &str, at: Timestamp, external_id: Option<&str>) -> Option<String> {
    about(store, Some(entity)).await;
    let claim = claim_all(store).await.remove(0);
    let mut finish = finish(&claim, State::Success { external_id: external_id.map(str::to_owned) });
    finish.step.at = at;
    store.finish(&[finish]).await.unwrap();
    claim.external_id
}

async fn the_first_external_id_is_kept(place: Place) {
    let store = place.open();
    assert_eq!(deliver(&store, "a", now(), None).await, None);
    assert_eq!(deliver(&store, "a", now(), Some("PROJ-1")).await, None);
    assert_eq!(deliver(&store, "a", now(), Some("PROJ-2")).await.as_deref(), Some("PROJ-1"));
    assert_eq!(deliver(&store, "b", now(), Some(&"x".repeat(LONGEST_EXTERNAL_ID + 1))).await, None);
    assert_eq!(deliver(&store, "b", now(), Some(&"x".repeat(LONGEST_EXTERNAL_ID))).await, None);
    // Retries and later runs know it, failures keep none, and nobody else's entity has it.
    about(&store, Some("a")).await;
    let claim = claim_all(&store).await.remove(0);
    assert_eq!(claim.external_id.as_deref(), Some("PROJ-1"));
    done(&store, &claim, retrying(now())).await;
    drop(store);
    let store = place.open();
    let claim = claim_all(&store).await.remove(0);
    assert_eq!(claim.external_id.as_deref(), Some("PROJ-1"));
    done(&store, &claim, success()).await;
    assert_eq!(deliver(&store, "b", now(), None).await, Some("x".repeat(LONGEST_EXTERNAL_ID)));
    let mut other = new_event(2, 10);
    other.routes[0].entity = Some("a".into());
    store.ingest(other).await.unwrap();
    assert!(claim_all(&store).await.iter().all(|claim| claim.external_id.is_none()));
}

async fn external_ids_that_nobody_uses_go(place: Place) {
    let store = place.open();
    let at = |days: i64| Timestamp::from_millis(days * DAY);
    for (entity, day) in [("old", 1), ("used", 1), ("new", 5)] {
        deliver(&store, entity, at(day), Some(entity)).await;
    }
    deliver(&store, "used", at(4), None).await;
    let purge = async |days| {
        let purged = store.purge(Retention { before: at(0), failed_before: at(days) }, 100).await.unwrap();
        assert!(!purged.more);
    };
    purge(3).await;
    let known = async |entity| deliver(&store, entity, at(9), None).await;
    assert_eq!((known("old").await, known("new").await.as_deref()), (None, Some("new")));
    // "used" was used last on day 4; a purge looks again when its time has moved by a day.
    purge(3).await;
    purge(6).await;
    assert_eq!((known("used").await, known("new").await.as_deref()), (None, Some("new")));
}

async fn workers_keep_the_order(place: Place) {
    let store = Arc::new(place.open());
    let mut expected: BTreeMap<&str, Vec<DeliveryId>> = BTreeMap::new();
    for n in 0..120usize {
        let entity = ["a", "b", "c"][n % 3];
        expected.entry(entity).or_default().push(about(&store, Some(entity)).await);
    }
    let seen: Arc<std::sync::Mutex<BTreeMap<String, Vec<DeliveryId>>>> = Arc::default();
    let out: Arc<std::sync::Mutex<BTreeSet<String>>> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (store, seen, out) = (store.clone(), seen.clone(), out.clone());
        workers.spawn(async move {
            while store.backlog().unfinished > 0 {
                for claim in store.claim(now(), vec![(subscription(), 2)]).await.unwrap() {
                    let entity = claim.route.entity.clone().unwrap();
                    assert!(out.lock().unwrap().insert(entity.clone()), "two of one entity are out");
                    tokio::task::yield_now().await;
                    let state = if claim.attempts == 0 { retrying(now()) } else { success() };
                    if state == success() {
                        seen.lock().unwrap().entry(entity.clone()).or_default().push(claim.id);
                    }
                    out.lock().unwrap().remove(&entity);
                    store.finish(&[finish(&claim, state)]).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        });
    }
    workers.join_all().await;
    let seen = seen.lock().unwrap();
    assert!(expected.iter().all(|(entity, ids)| seen[*entity] == *ids));
}
