//! How whoever schedules hears of what is due.

use crate::*;
use postern_core::DeliveryId;
use std::collections::BTreeSet;
use std::time::Duration;

on_both_engines!(
    a_subscription_is_named_until_a_claim_finds_too_little,
    time_makes_a_subscription_ready,
    a_subscription_gets_no_more_than_it_asked_for,
    a_restart_names_everything_again,
    a_scheduler_that_keeps_what_was_named_finds_everything,
);

async fn to(store: &Embedded, subscription: SubscriptionId) -> DeliveryId {
    let mut new = new_event(1, 10);
    new.routes[0].subscription = subscription;
    let id = new.event.id;
    store.ingest(new).await.unwrap();
    DeliveryId { event: id, index: 0 }
}

async fn a_subscription_is_named_until_a_claim_finds_too_little(place: Place) {
    let store = place.open();
    let (one, other) = (SubscriptionId::generate(), SubscriptionId::generate());
    for subscription in [one, one, other] {
        to(&store, subscription).await;
    }
    let named: BTreeSet<_> = store.ready(now()).into_iter().collect();
    assert_eq!((named, store.ready(now()), store.next_due()), (BTreeSet::from([one, other]), vec![], None));
    // As many as were asked for: there may be more.
    assert_eq!(store.claim(now(), vec![(one, 1)]).await.unwrap().len(), 1);
    to(&store, one).await;
    assert_eq!(store.ready(now()), []);
    let claims = store.claim(now(), vec![(one, 3), (other, 1)]).await.unwrap();
    assert_eq!((claims.len(), store.ready(now())), (3, vec![]));
    // The one came back short, the other did not.
    let ids = [to(&store, one).await, to(&store, other).await];
    assert_eq!((store.ready(now()), store.next_due()), (vec![one], None));
    let claims = store.claim(now(), vec![(one, 2), (other, 2)]).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), ids);
    // What is given back makes it ready again, and nothing is claimed for whom nothing is asked.
    store.release(vec![claims[0].claim]).await.unwrap();
    assert!(store.next_due().is_some_and(|due| due <= now()));
    assert_eq!(store.ready(now()), [one]);
    assert!(store.claim(now(), vec![(SubscriptionId::generate(), 9), (one, 0)]).await.unwrap().is_empty());
    assert_eq!(store.claim(now(), vec![(one, 9)]).await.unwrap().len(), 1);
}

async fn time_makes_a_subscription_ready(place: Place) {
    let store = place.open();
    let at = |seconds| Timestamp::from_millis(1_700_000_000_000).saturating_add(Duration::from_secs(seconds));
    let subscription = SubscriptionId::generate();
    for _ in 0..2 {
        to(&store, subscription).await;
    }
    let claims = claim_all(&store).await;
    store.finish(&[finish(&claims[0], retrying(at(60))), finish(&claims[1], retrying(at(30)))]).await.unwrap();
    let backlog = store.backlog();
    assert_eq!((backlog.unfinished, backlog.claimed, backlog.oldest_due), (2, 0, Some(at(30))));
    assert_eq!((store.next_due(), store.ready(at(29))), (Some(at(30)), vec![]));
    assert_eq!((store.ready(at(30)), store.next_due()), (vec![subscription], None));
    assert_eq!(store.claim(at(30), vec![(subscription, 2)]).await.unwrap().len(), 1);
    assert_eq!((store.next_due(), store.ready(at(59)), store.ready(at(99))), (Some(at(60)), vec![], vec![subscription]));
}

async fn a_subscription_gets_no_more_than_it_asked_for(place: Place) {
    let store = place.open();
    let subscriptions: Vec<_> = (0..5).map(|_| SubscriptionId::generate()).collect();
    for _ in 0..10 {
        for subscription in &subscriptions {
            to(&store, *subscription).await;
        }
    }
    let wanted: Vec<_> = subscriptions.iter().copied().zip([0, 1, 4, 10, 11]).collect();
    let claims = store.claim(now(), wanted).await.unwrap();
    for (subscription, expected) in subscriptions.iter().zip([0, 1, 4, 10, 10]) {
        let got: Vec<_> = claims.iter().filter(|claim| claim.route.subscription == *subscription).map(|claim| claim.id).collect();
        assert!(got.len() == expected && got.is_sorted(), "the oldest first");
    }
}

async fn a_restart_names_everything_again(place: Place) {
    let store = place.open();
    let subscriptions: BTreeSet<_> = (0..50).map(|_| SubscriptionId::generate()).collect();
    for subscription in &subscriptions {
        to(&store, *subscription).await;
    }
    assert_eq!(claim_all(&store).await.len(), 50);
    drop(store);
    let store = place.open();
    assert_eq!(store.ready(now()).into_iter().collect::<BTreeSet<_>>(), subscriptions);
}

async fn a_scheduler_that_keeps_what_was_named_finds_everything(place: Place) {
    let store = Arc::new(place.open());
    let subscriptions: Vec<_> = (0..6).map(|_| SubscriptionId::generate()).collect();
    let mut producers = tokio::task::JoinSet::new();
    for producer in 0..4 {
        let (store, subscriptions) = (store.clone(), subscriptions.clone());
        producers.spawn(async move {
            for n in 0..60 {
                to(&store, subscriptions[(producer + n) % subscriptions.len()]).await;
            }
        });
    }
    let (mut named, mut found) = (BTreeSet::new(), 0);
    while found < 240 {
        named.extend(store.ready(now()));
        let Some(subscription) = named.first().copied() else {
            // Nobody says anything twice: this ends only because no change is missed.
            tokio::time::timeout(Duration::from_secs(30), store.due_changed()).await.unwrap();
            continue;
        };
        let claims = store.claim(now(), vec![(subscription, 3)]).await.unwrap();
        if claims.len() < 3 {
            named.remove(&subscription);
        }
        let mut steps = Vec::new();
        for claim in &claims {
            let again = claim.attempts == 0 && claim.id.event.to_bytes()[15] % 4 == 0;
            steps.push(finish(claim, if again { retrying(now()) } else { success() }));
            found += usize::from(!again);
        }
        store.finish(&steps).await.unwrap();
    }
    producers.join_all().await;
    assert_eq!(store.backlog().unfinished, 0);
}
