//! From acceptance to outcome.

use crate::*;
use postern_core::delivery::Status;
use postern_store::{ClaimId, Error};
use std::time::Duration;

on_both_engines!(
    an_event_is_claimed_once_and_finished,
    an_outcome_is_all_or_nothing,
    a_lost_claim_finishes_nothing,
    a_released_delivery_is_due_as_before,
    a_retry_waits_for_its_time,
    a_restart_takes_up_what_is_unfinished,
    payloads_of_every_size_come_back,
    steps_of_every_size_come_back,
    waiting_callers_hear_of_new_deliveries,
    too_many_routes_are_refused,
    a_full_disk_refuses_events_and_records_outcomes,
    a_wide_event_is_one_transaction,
);

async fn an_event_is_claimed_once_and_finished(place: Place) {
    let store = place.open();
    let new = ingest(&store, 3).await;
    assert_eq!(unfinished(&store), 3);
    assert!(store.next_due().unwrap() <= now());
    let claims = claim_all(&store).await;
    assert_eq!(claims.len(), 3);
    for (index, claim) in claims.iter().enumerate() {
        assert_eq!((claim.id.event, usize::from(claim.id.index)), (new.event.id, index));
        assert_eq!((&claim.route, &*claim.event), (&new.routes[index], &*new.event));
        assert_eq!((claim.attempts, &claim.state), (0, &State::Pending));
    }
    assert!(claim_all(&store).await.is_empty());
    assert_eq!((store.next_due(), unfinished(&store)), (None, 3));

    store.finish(&claims.iter().map(|claim| finish(claim, success())).collect::<Vec<_>>()).await.unwrap();
    assert_eq!((store.next_due(), unfinished(&store)), (None, 0));
    let (event, deliveries) = store.event(new.event.id).await.unwrap().unwrap();
    assert_eq!(event, new.event);
    assert!(deliveries.iter().all(|delivery| delivery.state == success() && delivery.attempts == 1));
    assert_eq!(deliveries[0].created_at, new.event.id.created_at());
    assert!(store.event(EventId::generate()).await.unwrap().is_none());
}

async fn an_outcome_is_all_or_nothing(place: Place) {
    let store = place.open();
    ingest(&store, 2).await;
    let claims = claim_all(&store).await;
    let mut steps: Vec<_> = claims.iter().map(|claim| finish(claim, success())).collect();
    steps[1].claim = ClaimId(u64::MAX);
    let lost = steps[1].id;
    assert!(matches!(store.finish(&steps).await, Err(Error::LostClaim(id)) if id == lost));
    for claim in &claims {
        assert!(store.delivery(claim.id).await.unwrap().unwrap().1.is_empty());
    }
    // The same claim twice is no better, and the good claims are still good.
    let twice = vec![finish(&claims[0], success()), finish(&claims[0], failed())];
    assert!(matches!(store.finish(&twice).await, Err(Error::LostClaim(_))));
    store.finish(&claims.iter().map(|claim| finish(claim, success())).collect::<Vec<_>>()).await.unwrap();
}

async fn a_lost_claim_finishes_nothing(place: Place) {
    let store = place.open();
    ingest(&store, 1).await;
    let first = claim_all(&store).await.remove(0);
    store.release(vec![first.claim, ClaimId(u64::MAX)]).await.unwrap();
    let second = claim_all(&store).await.remove(0);
    assert_ne!(first.claim, second.claim);
    assert!(matches!(store.finish(&[finish(&first, failed())]).await, Err(Error::LostClaim(_))));
    store.finish(&[finish(&second, success())]).await.unwrap();
    assert!(matches!(store.finish(&[finish(&second, failed())]).await, Err(Error::LostClaim(_))));
    let (delivery, steps) = store.delivery(second.id).await.unwrap().unwrap();
    assert_eq!((delivery.state, steps.len()), (success(), 1));
}

async fn a_released_delivery_is_due_as_before(place: Place) {
    let store = place.open();
    ingest(&store, 1).await;
    let claim = claim_all(&store).await.remove(0);
    let due = now().saturating_add(Duration::from_secs(5));
    store.finish(&[finish(&claim, retrying(due))]).await.unwrap();
    let claim = claim_at(&store, due).await.remove(0);
    assert_eq!(store.next_due(), None);
    store.release(vec![claim.claim]).await.unwrap();
    assert_eq!(store.next_due(), Some(due));
    let again = claim_at(&store, due).await.remove(0);
    assert_eq!((again.attempts, again.state, again.event), (1, retrying(due), claim.event));
}

async fn a_retry_waits_for_its_time(place: Place) {
    let store = place.open();
    let mut new = new_event(2, 10);
    new.routes[1].subscription = new.routes[0].subscription;
    store.ingest(new).await.unwrap();
    let claims = claim_all(&store).await;
    let at = |seconds| now().saturating_add(Duration::from_secs(seconds));
    let (later, sooner) = (at(60), at(30));
    store.finish(&[finish(&claims[0], retrying(later)), finish(&claims[1], retrying(sooner))]).await.unwrap();
    assert_eq!((store.next_due(), unfinished(&store)), (Some(sooner), 2));
    assert!(claim_all(&store).await.is_empty());
    let due = store.claim(later, vec![(claims[0].route.subscription, 9)]).await.unwrap();
    assert_eq!(due.iter().map(|claim| claim.id).collect::<Vec<_>>(), [claims[1].id, claims[0].id]);
    store.finish(&[finish(&due[0], success()), finish(&due[1], failed())]).await.unwrap();
    let (delivery, steps) = store.delivery(due[1].id).await.unwrap().unwrap();
    assert_eq!((delivery.state.status(), delivery.attempts), (Status::Failed, 2));
    assert_eq!(steps.iter().map(|step| step.state.clone()).collect::<Vec<_>>(), [retrying(later), failed()]);
    assert_eq!(delivery.updated_at, steps[1].at);
}

async fn a_restart_takes_up_what_is_unfinished(place: Place) {
    let store = place.open();
    let mut events = Vec::new();
    for routes in [1, 3, 2, 0] {
        events.push(ingest(&store, routes).await);
    }
    let claims = claim_all(&store).await;
    let due = now().saturating_add(Duration::from_secs(100));
    // The first event is done, one delivery of the second waits, one is done, one is claimed and forgotten.
    store
        .finish(&[finish(&claims[0], success()), finish(&claims[1], retrying(due)), finish(&claims[2], failed())])
        .await
        .unwrap();
    store.close().await;

    let store = place.open();
    assert_eq!(unfinished(&store), 4);
    let ready = claim_all(&store).await;
    let expected = [(&events[1], 2), (&events[2], 0), (&events[2], 1)].map(|(new, index)| (new.event.clone(), index));
    assert_eq!(ready.iter().map(|claim| (claim.event.clone(), claim.id.index)).collect::<Vec<_>>(), expected);
    assert_eq!(store.next_due(), Some(due));
    let waiting = claim_at(&store, due).await.remove(0);
    assert_eq!((waiting.id, waiting.attempts, &waiting.state), (claims[1].id, 1, &retrying(due)));
    let all: Vec<_> = ready.iter().chain([&waiting]).map(|claim| finish(claim, success())).collect();
    store.finish(&all).await.unwrap();
    store.close().await;
    let store = place.open();
    assert_eq!((unfinished(&store), store.next_due()), (0, None));
    assert_eq!(store.delivery(waiting.id).await.unwrap().unwrap().1.len(), 2);
}

async fn payloads_of_every_size_come_back(place: Place) {
    let store = place.open();
    let mut events = Vec::new();
    for bytes in [1, 5_900, 6_000, 6_144, 12_000, 12_288, 200_000, 2 << 20] {
        let new = new_event(1, bytes);
        store.ingest(new.clone()).await.unwrap();
        events.push(new);
    }
    for restarted in [false, true] {
        let store = if restarted {
            place.open()
        } else {
            Store::close(&store).await;
            place.open()
        };
        for new in &events {
            assert_eq!(store.event(new.event.id).await.unwrap().unwrap().0, new.event);
        }
        let claims = claim_all(&store).await;
        assert!(claims.iter().map(|claim| &claim.event).eq(events.iter().map(|new| &new.event)));
        store.close().await;
    }
}

async fn steps_of_every_size_come_back(place: Place) {
    let store = place.open();
    ingest(&store, 1).await;
    let mut expected = Vec::new();
    for bytes in [0, 6_000, 12_000, 200_000] {
        let claim = claim_all(&store).await.remove(0);
        let mut step = step(claim.attempts + 1, retrying(now()), bytes);
        if bytes == 0 {
            step.attempt = None;
        } else {
            // The text of an error may be long as well.
            step.state = State::Retrying { next_attempt_at: now(), error: "e".repeat(bytes), reason: None };
        }
        store.finish(&[finish_with(&claim, step.clone())]).await.unwrap();
        expected.push(step);
        let (delivery, steps) = store.delivery(claim.id).await.unwrap().unwrap();
        assert_eq!(steps, expected);
        assert_eq!(delivery.state, expected.last().unwrap().state);
    }
}

async fn waiting_callers_hear_of_new_deliveries(place: Place) {
    let store = place.open();
    ingest(&store, 1).await;
    // The permit is kept for whoever asks later.
    tokio::time::timeout(Duration::from_secs(10), store.due_changed()).await.unwrap();
    let claim = claim_all(&store).await.remove(0);
    let (heard, _) = tokio::join!(store.due_changed(), store.release(vec![claim.claim]));
    let () = heard;
    assert!(store.next_due().is_some());
}

async fn too_many_routes_are_refused(place: Place) {
    let store = place.open();
    let mut new = new_event(1, 1);
    new.routes = vec![new.routes[0].clone(); 65_536];
    let id = new.event.id;
    assert!(matches!(store.ingest(new).await, Err(Error::TooLarge(_))));
    assert!(store.event(id).await.unwrap().is_none());
}

async fn a_full_disk_refuses_events_and_records_outcomes(place: Place) {
    let store = place.open();
    ingest(&store, 1).await;
    store.close().await;
    let mut options = place.options();
    options.reserve_bytes = u64::MAX / 2;
    let store = Embedded::open(options).unwrap();
    let new = new_event(1, 10);
    assert!(matches!(store.ingest(new.clone()).await, Err(Error::Full(_))));
    assert!(store.event(new.event.id).await.unwrap().is_none());
    let claim = claim_all(&store).await.remove(0);
    store.finish(&[finish(&claim, success())]).await.unwrap();
}

async fn a_wide_event_is_one_transaction(place: Place) {
    let store = place.open();
    let mut new = new_event(0, 10);
    new.routes = vec![route(); 5_000];
    store.ingest(new.clone()).await.unwrap();
    let claims = claim_all(&store).await;
    assert_eq!(claims.len(), 5_000);
    store.finish(&claims[1..].iter().map(|claim| finish(claim, success())).collect::<Vec<_>>()).await.unwrap();
    store.close().await;
    let store = place.open();
    let last = claim_all(&store).await;
    assert_eq!(last.iter().map(|claim| claim.id).collect::<Vec<_>>(), [claims[0].id]);
    assert_eq!(store.event(new.event.id).await.unwrap().unwrap().1.len(), 5_000);
}
