//! Opening and closing.

use crate::*;
use postern_store::{Error, Expect, Kind};

on_both_engines!(
    one_process_at_a_time,
    a_closed_store_says_so,
    a_store_that_is_dropped_keeps_what_it_acknowledged,
    the_engine_stays
);

async fn one_process_at_a_time(place: Place) {
    let store = place.open();
    assert!(matches!(Embedded::open(place.options()), Err(Error::Locked(path)) if path == place.options().directory));
    store.close().await;
    place.open();
}

async fn a_closed_store_says_so(place: Place) {
    let store = place.open();
    ingest(&store, 1).await;
    let claim = claim_all(&store).await.remove(0);
    store.close().await;
    store.close().await;
    assert!(matches!(store.ingest(new_event(1, 1)).await, Err(Error::Closed)));
    assert!(matches!(store.claim(now(), vec![(SubscriptionId::generate(), 1)]).await, Err(Error::Closed)));
    assert!(matches!(store.finish(&[finish(&claim, success())]).await, Err(Error::Closed)));
    assert!(matches!(store.event(claim.id.event).await, Err(Error::Closed)));
    assert!(matches!(store.documents(Kind::Setting).await, Err(Error::Closed)));
    assert!(matches!(
        store.list_deliveries(Default::default(), postern_store::PageRequest { limit: 1, after: None }).await,
        Err(Error::Closed)
    ));
}

async fn a_store_that_is_dropped_keeps_what_it_acknowledged(place: Place) {
    let store = place.open();
    let new = ingest(&store, 1).await;
    let change = postern_store::Change { kind: Kind::Setting, id: "a".into(), expect: Expect::Absent, body: Some("1".into()) };
    store.apply(vec![change]).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.event(new.event.id).await.unwrap().unwrap().0, new.event);
    assert_eq!(store.documents(Kind::Setting).await.unwrap().len(), 1);
}

async fn the_engine_stays(place: Place) {
    place.open().close().await;
    let mut options = place.options();
    options.engine = if place.engine == Engine::Sled { Engine::Redb } else { Engine::Sled };
    let message = Embedded::open(options).unwrap_err().to_string();
    assert!(message.contains("\"sled\"") && message.contains("\"redb\""), "{message}");
}
