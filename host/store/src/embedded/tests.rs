//! What needs a hand inside: an engine that fails, a value that was changed, a store from the future.

use super::*;
use crate::kv::{Direction, KvError, Op, Visit};
use crate::record::seal;
use crate::{ClaimId, DeliveryFilter, NewEvent, PageRequest, Store, key};
use postern_core::delivery::Route;
use postern_core::{DeliveryId, Event, EventId, Json, SubscriptionId, Timestamp};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

/// An engine whose commits fail, or panic, on demand.
struct Failing {
    inner: kv::redb::Redb,
    mode: Arc<AtomicU8>,
}

impl Kv for Failing {
    fn commit(&self, ops: Vec<Op>) -> Result<(), KvError> {
        match self.mode.load(Ordering::SeqCst) {
            1 => Err(KvError("input/output error".into())),
            2 => panic!("the engine is confused"),
            _ => self.inner.commit(ops),
        }
    }
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        self.inner.get(key)
    }
    fn scan(&self, range: Range<&[u8]>, direction: Direction, visit: Visit<'_>) -> Result<(), KvError> {
        self.inner.scan(range, direction, visit)
    }
}

fn failing(directory: &Path) -> (Embedded, Arc<AtomicU8>) {
    let mode = Arc::new(AtomicU8::new(0));
    let inner = kv::redb::Redb::open(directory, 1 << 24).unwrap();
    let mut options = Options::new(directory);
    options.reserve_bytes = 0;
    (Embedded::start(&options, None, Box::new(Failing { inner, mode: mode.clone() })).unwrap(), mode)
}

fn new_event(payload: &str) -> NewEvent {
    let event = Event {
        id: EventId::generate(),
        event_type: "a.b".parse().unwrap(),
        tenant: Default::default(),
        timestamp: Timestamp::now(),
        payload: Json::parse(format!("\"{payload}\"")).unwrap(),
    };
    let route = Route { subscription: SubscriptionId::generate(), provider: "p.q".parse().unwrap() };
    NewEvent { event: Arc::new(event), routes: vec![route] }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_write_nothing_is_written_any_more() {
    for (how, expected) in [(1, "input/output error"), (2, "confused")] {
        let directory = tempfile::tempdir().unwrap();
        let (store, mode) = failing(directory.path());
        let good = new_event("good");
        store.ingest(good.clone()).await.unwrap();
        mode.store(how, Ordering::SeqCst);
        assert!(matches!(store.ingest(new_event("x")).await, Err(Error::Failed(reason)) if reason.contains(expected)));
        assert!(store.broken().await.contains(expected));
        // Even if the engine would work again.
        mode.store(0, Ordering::SeqCst);
        assert!(matches!(store.ingest(new_event("y")).await, Err(Error::Failed(_))));
        assert!(matches!(store.finish(Vec::new()).await, Err(Error::Failed(_))));
        assert!(matches!(store.release(vec![ClaimId(1)]).await, Err(Error::Failed(_))));
        assert_eq!(store.unfinished(), 1, "what failed is not due");
        assert_eq!(store.event(good.event.id).await.unwrap().unwrap().0, good.event, "reading goes on");
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_value_is_noticed_and_stops_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let (bad, good) = (new_event(&"x".repeat(20_000)), new_event("good"));
    {
        let (store, _) = failing(directory.path());
        store.ingest(bad.clone()).await.unwrap();
        store.ingest(good.clone()).await.unwrap();
    }
    {
        let kv = kv::redb::Redb::open(directory.path(), 1 << 24).unwrap();
        let part = key::chunk(&key::event(bad.event.id), 2);
        let mut value = kv.get(&part).unwrap().unwrap();
        value[100] ^= 4;
        kv.commit(vec![Op::Put(part, value)]).unwrap();
    }
    let (store, _) = failing(directory.path());
    assert!(matches!(store.event(bad.event.id).await, Err(Error::Damaged(_))));
    let claims = store.claim(Timestamp::now(), 10).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.id.event).collect::<Vec<_>>(), [good.event.id]);
    assert_eq!((store.figures().damaged, store.unfinished()), (1, 2));
    let page = || PageRequest { limit: 10, after: None };
    assert_eq!(store.list_events(Default::default(), page()).await.unwrap().items.len(), 1);
    assert_eq!(store.list_deliveries(DeliveryFilter::default(), page()).await.unwrap().items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_mark_does_not_stop_the_opening() {
    let directory = tempfile::tempdir().unwrap();
    let (bad, good) = (new_event("bad"), new_event("good"));
    {
        let (store, _) = failing(directory.path());
        store.ingest(bad.clone()).await.unwrap();
        store.ingest(good.clone()).await.unwrap();
        let kv = store.shared.kv.read();
        kv.as_deref().unwrap().commit(vec![Op::Put(key::unfinished(bad.event.id), vec![1, 2, 3])]).unwrap();
    }
    let (store, _) = failing(directory.path());
    assert_eq!((store.unfinished(), store.figures().damaged), (1, 1));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(failing(directory.path()));
    let kv = kv::redb::Redb::open(directory.path(), 1 << 24).unwrap();
    let key = key::note("schema");
    let value = seal(&key, &(recover::SCHEMA + 1).to_be_bytes());
    kv.commit(vec![Op::Put(key, value)]).unwrap();
    let message = Embedded::start(&Options::new(directory.path()), None, Box::new(kv)).unwrap_err().to_string();
    assert!(message.contains("newer"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_of_a_caller_that_went_away_are_due_again() {
    let directory = tempfile::tempdir().unwrap();
    let new = new_event("x");
    {
        let (store, _) = failing(directory.path());
        store.ingest(new.clone()).await.unwrap();
    }
    let (store, _) = failing(directory.path());
    {
        // Nothing is cached after an opening, so the claim reads, and is dropped meanwhile.
        let mut claim = store.claim(Timestamp::now(), 1);
        let waker = std::task::Waker::noop();
        assert!(claim.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    let claims = store.claim(Timestamp::now(), 1).await.unwrap();
    assert_eq!(claims[0].id, DeliveryId { event: new.event.id, index: 0 });
}
