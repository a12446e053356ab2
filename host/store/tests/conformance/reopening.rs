//! What is done by hand to a delivery: another run, giving it up.

use crate::*;
use postern_core::DeliveryId;
use postern_core::delivery::Status;
use postern_store::{Cancelled, Error, MOST_REOPENED, Retention};
use std::time::Duration;

on_both_engines!(
    a_final_delivery_begins_another_run,
    only_final_deliveries_that_did_not_change_since_begin_again,
    what_begins_again_is_unfinished_and_stays_so,
    a_waiting_delivery_is_given_up,
    a_delivery_that_is_not_waiting_is_not_given_up,
    what_waited_at_the_opening_is_marked,
    reopening_and_purging_do_not_meet,
);

fn first(new: &NewEvent) -> DeliveryId {
    DeliveryId { event: new.event.id, index: 0 }
}

async fn delivered(store: &Embedded, state: State) -> DeliveryId {
    let id = first(&ingest(store, 1).await);
    let claims = claim_all(store).await;
    let steps: Vec<_> = claims.iter().filter(|claim| claim.id == id).map(|claim| finish(claim, state.clone())).collect();
    store.finish(&steps).await.unwrap();
    id
}

async fn a_final_delivery_begins_another_run(place: Place) {
    let mut store = place.open();
    for (n, state) in [failed(), success()].into_iter().enumerate() {
        let id = delivered(&store, state.clone()).await;
        let at = now();
        assert_eq!(store.reopen(vec![id, id], at, None).await.unwrap(), [id]);
        let (delivery, steps) = store.delivery(id).await.unwrap().unwrap();
        let run = Run { number: 2, started_at: Some(at), ..Run::default() };
        assert_eq!((delivery.state, delivery.attempts, delivery.updated_at), (State::Pending, 1, at));
        let expected = Step { state: State::Pending, attempts: 1, at, attempt: None, run };
        assert_eq!((steps.len(), &steps[1]), (2, &expected));
        if n == 1 {
            drop(store);
            store = place.open();
        }
        assert_eq!(store.backlog().unfinished, 1);
        let claim = claim_at(&store, at).await.remove(0);
        assert_eq!((claim.id, claim.attempts, &claim.state, claim.run), (id, 1, &State::Pending, run));
        let run = Run { retries: 1, ambiguous: true, ..run };
        let step = Step { run, ..step(2, retrying(at), 10) };
        store.finish(&[Finish { step, ..finish(&claim, success()) }]).await.unwrap();
        let claim = claim_at(&store, at).await.remove(0);
        assert_eq!((claim.attempts, claim.run), (2, run));
        store.finish(&[finish(&claim, success())]).await.unwrap();
        // What a run left open, the next one knows.
        assert_eq!(store.reopen(vec![id], at, None).await.unwrap(), [id]);
        let claim = claim_at(&store, at).await.remove(0);
        assert_eq!(claim.run, Run { number: 3, retries: 0, ..run });
        store.finish(&[finish(&claim, success())]).await.unwrap();
        assert_eq!(store.backlog().unfinished, 0);
    }
}

async fn only_final_deliveries_that_did_not_change_since_begin_again(place: Place) {
    let store = place.open();
    let (old, fresh) = (delivered(&store, failed()).await, first(&ingest(&store, 1).await));
    let changed = store.delivery(old).await.unwrap().unwrap().0.updated_at;
    let unknown = [DeliveryId { index: 1, ..old }, DeliveryId { event: EventId::generate(), index: 0 }];
    let all = vec![fresh, unknown[0], unknown[1], old];
    assert_eq!(store.reopen(all.clone(), now(), Some(changed)).await.unwrap(), []);
    let after = changed.saturating_add(Duration::from_millis(1));
    assert_eq!(store.reopen(all.clone(), now(), Some(after)).await.unwrap(), [old]);
    assert_eq!(store.reopen(all, now(), None).await.unwrap(), []);
    assert_eq!(ids(&claim_all(&store).await), [old, fresh]);
    let many = vec![old; MOST_REOPENED + 1];
    assert!(matches!(store.reopen(many, now(), None).await, Err(Error::TooLarge(_))));
    assert_eq!(store.reopen(Vec::new(), now(), None).await.unwrap(), []);
}

fn ids(claims: &[Claim]) -> Vec<DeliveryId> {
    claims.iter().map(|claim| claim.id).collect()
}

async fn what_begins_again_is_unfinished_and_stays_so(place: Place) {
    let mut store = place.open();
    let new = ingest(&store, 3).await;
    let all = [0, 1, 2].map(|index| DeliveryId { event: new.event.id, index });
    let steps: Vec<_> = claim_all(&store).await.iter().map(|claim| finish(claim, success())).collect();
    store.finish(&steps).await.unwrap();
    assert_eq!(store.reopen(vec![all[2]], now(), None).await.unwrap(), [all[2]]);
    assert_eq!(store.reopen(vec![all[0], all[1], all[2]], now(), None).await.unwrap(), [all[0], all[1]]);
    let later = now().saturating_add(Duration::from_secs(9));
    let everything = Retention { before: later, failed_before: later };
    for left in [3, 2, 1] {
        drop(store);
        store = place.open();
        assert_eq!(store.purge(everything, 1000).await.unwrap().events, 0);
        assert_eq!(store.backlog().unfinished, left);
        let claims = claim_all(&store).await;
        assert_eq!(claims.len(), left);
        store.finish(&[finish(&claims[0], success())]).await.unwrap();
    }
    assert_eq!(store.purge(everything, 1000).await.unwrap().events, 1);
    assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().problems, []);
}

async fn a_waiting_delivery_is_given_up(place: Place) {
    let mut store = place.open();
    let later = now().saturating_add(Duration::from_secs(60));
    let (retried, fresh, kept) =
        (delivered(&store, retrying(later)).await, first(&ingest(&store, 1).await), ingest(&store, 1).await);
    let at = now();
    for id in [retried, fresh] {
        assert_eq!(store.cancel(id, at, "not wanted".into()).await.unwrap(), Cancelled::Done);
        assert_eq!(store.cancel(id, at, "not wanted".into()).await.unwrap(), Cancelled::Final);
        let (delivery, steps) = store.delivery(id).await.unwrap().unwrap();
        let state = State::Failed { error: "not wanted".into(), reason: Some(Class::Cancelled.into()) };
        assert_eq!((&delivery.state, delivery.updated_at), (&state, at));
        assert_eq!((delivery.attempts, steps.last().unwrap().attempt.is_none()), (u32::from(id == retried), true));
    }
    for _ in 0..2 {
        assert_eq!(store.backlog().unfinished, 1);
        assert_eq!(ids(&claim_at(&store, later).await), [first(&kept)]);
        assert_eq!(store.next_due(), None);
        drop(store);
        store = place.open();
    }
    // It may begin again like any other.
    assert_eq!(store.reopen(vec![fresh], later, None).await.unwrap(), [fresh]);
    assert_eq!(ids(&claim_at(&store, later).await), [fresh, first(&kept)]);
    assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().problems, []);
}

async fn a_delivery_that_is_not_waiting_is_not_given_up(place: Place) {
    let store = place.open();
    let (done, claimed) = (delivered(&store, success()).await, first(&ingest(&store, 1).await));
    let claim = claim_all(&store).await.remove(0);
    let cancel = async |id| store.cancel(id, now(), "no".into()).await.unwrap();
    assert_eq!(cancel(claimed).await, Cancelled::InFlight);
    assert_eq!(cancel(done).await, Cancelled::Final);
    assert_eq!(cancel(DeliveryId { index: 9, ..done }).await, Cancelled::Unknown);
    assert_eq!(cancel(DeliveryId { event: EventId::generate(), index: 0 }).await, Cancelled::Unknown);
    store.finish(&[finish(&claim, success())]).await.unwrap();
    assert_eq!(store.delivery(claimed).await.unwrap().unwrap().0.state.status(), Status::Success);
    assert_eq!(store.backlog().unfinished, 0);
}

async fn what_waited_at_the_opening_is_marked(place: Place) {
    let store = place.open();
    let (retried, fresh) = (delivered(&store, retrying(now())).await, first(&ingest(&store, 1).await));
    assert!(claim_all(&store).await.iter().all(|claim| !claim.recovered));
    drop(store);
    let store = place.open();
    let new = first(&ingest(&store, 1).await);
    let claims = claim_all(&store).await;
    let marked: Vec<_> = claims.iter().map(|claim| (claim.id, claim.recovered)).collect();
    assert_eq!(marked, [(retried, true), (fresh, true), (new, false)]);
    // It stays so until something is recorded.
    store.release(claims.iter().map(|claim| claim.claim).collect()).await.unwrap();
    let claims = claim_all(&store).await;
    assert_eq!(claims.iter().map(|claim| claim.recovered).collect::<Vec<_>>(), [true, true, false]);
    store.finish(&claims.iter().map(|claim| finish(claim, retrying(now()))).collect::<Vec<_>>()).await.unwrap();
    assert!(claim_all(&store).await.iter().all(|claim| !claim.recovered));
}

async fn reopening_and_purging_do_not_meet(place: Place) {
    let store = Arc::new(place.open());
    for _ in 0..30 {
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(delivered(&store, failed()).await);
        }
        let later = now().saturating_add(Duration::from_secs(9));
        let purge = store.purge(Retention { before: later, failed_before: later }, 10_000);
        let (begun, purged) = tokio::join!(store.reopen(ids.clone(), now(), None), purge);
        let (begun, purged) = (begun.unwrap(), purged.unwrap());
        assert_eq!(begun.len() + purged.events, ids.len());
        let claims = claim_at(&store, later).await;
        assert_eq!(claims.len(), begun.len());
        store.finish(&claims.iter().map(|claim| finish(claim, success())).collect::<Vec<_>>()).await.unwrap();
        store.purge(Retention { before: later, failed_before: later }, 10_000).await.unwrap();
    }
    let checked = tokio::task::block_in_place(|| store.check()).unwrap();
    assert_eq!((checked.problems, checked.events), (vec![], 0));
}
