//! Many at once.

use crate::*;
use postern_core::DeliveryId;
use std::collections::HashSet;

on_both_engines!(waiting_requests_share_a_commit, everything_at_once);

async fn waiting_requests_share_a_commit(place: Place) {
    let store = Arc::new(place.open());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..10 {
                ingest(&store, 2).await;
            }
        });
    }
    tasks.join_all().await;
    let figures = store.figures();
    assert_eq!(figures.requests, 640);
    assert!(figures.commits * 4 < figures.requests, "{figures:?}");
    assert_eq!(unfinished(&store), 1280);
}

async fn everything_at_once(place: Place) {
    let store = Arc::new(place.open());
    let mut producers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = store.clone();
        producers.spawn(async move {
            for n in 0..40 {
                ingest(&store, n % 4).await;
            }
        });
    }
    let expected = 8 * 10 * (1 + 2 + 3);
    let delivered: Arc<std::sync::Mutex<HashSet<DeliveryId>>> = Arc::default();
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..4 {
        let (store, delivered) = (store.clone(), delivered.clone());
        workers.spawn(async move {
            while delivered.lock().unwrap().len() < expected {
                let claims = claim_at(&store, now()).await;
                let mut steps = Vec::new();
                for claim in &claims {
                    if claim.attempts == 0 && claim.id.index == 2 {
                        steps.push(finish(claim, retrying(now())));
                    } else {
                        assert!(delivered.lock().unwrap().insert(claim.id), "delivered twice");
                        steps.push(finish(claim, success()));
                    }
                }
                if worker == 0 {
                    store
                        .list_deliveries(Default::default(), postern_store::PageRequest { limit: 20, after: None })
                        .await
                        .unwrap();
                    store.purge(postern_store::Retention { before: now(), failed_before: now() }, 50).await.unwrap();
                }
                store.finish(&steps).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    producers.join_all().await;
    workers.join_all().await;
    store.close().await;
    assert_eq!(unfinished(&place.open()), 0);
}
