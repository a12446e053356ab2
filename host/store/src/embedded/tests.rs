//! What needs a hand inside: an engine that fails, a value that was changed, a store from the future.

mod marks;

use super::*;
use crate::kv::{Direction, KvError, Op, Visit};
use crate::record::seal;
use crate::{ClaimId, DeliveryFilter, NewEvent, PageRequest, StatsFilter, Store, key};
use postern_core::delivery::{Route, State, Step};
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
    let inner = kv::redb::Redb::open(&directory.join("redb"), 1 << 24, kv::Loss::Refuse).unwrap();
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
    let route = Route::new(SubscriptionId::generate(), "p.q".parse().unwrap());
    NewEvent { event: Arc::new(event), routes: vec![route], idempotency: None }
}

fn every(store: &Embedded) -> Vec<(SubscriptionId, usize)> {
    store.ready(Timestamp::now()).into_iter().map(|subscription| (subscription, 10)).collect()
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
        assert!(matches!(store.finish(&[]).await, Err(Error::Failed(_))));
        assert!(matches!(store.release(vec![ClaimId(1)]).await, Err(Error::Failed(_))));
        assert_eq!(store.backlog().unfinished, 1, "what failed is not due");
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
        let kv = kv::redb::Redb::open(&directory.path().join("redb"), 1 << 24, kv::Loss::Refuse).unwrap();
        let part = key::chunk(&key::event(bad.event.id), 2);
        let mut value = kv.get(&part).unwrap().unwrap();
        value[100] ^= 4;
        kv.commit(vec![Op::Put(part, value)]).unwrap();
    }
    let (store, _) = failing(directory.path());
    assert!(matches!(store.event(bad.event.id).await, Err(Error::Damaged(_))));
    let claims = store.claim(Timestamp::now(), every(&store)).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.id.event).collect::<Vec<_>>(), [good.event.id]);
    assert_eq!((store.figures().damaged, store.backlog().unfinished), (1, 2));
    let page = || PageRequest { limit: 10, after: None };
    assert_eq!(store.list_events(Default::default(), page()).await.unwrap().items.len(), 1);
    assert_eq!(store.list_deliveries(DeliveryFilter::default(), page()).await.unwrap().items.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_with_a_damaged_delivery_is_not_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let subscription = SubscriptionId::generate();
    let mut news = [new_event(&"x".repeat(20_000)), new_event("good")];
    {
        let (store, _) = failing(directory.path());
        for new in &mut news {
            new.routes[0].subscription = subscription;
            new.routes[0].entity = Some("thing".into());
            store.ingest(new.clone()).await.unwrap();
        }
    }
    raw(directory.path()).commit(vec![Op::Delete(key::chunk(&key::event(news[0].event.id), 2))]).unwrap();
    let (store, _) = failing(directory.path());
    let now = Timestamp::now();
    assert_eq!(store.ready(now), [subscription]);
    assert!(store.claim(now, vec![(subscription, 1)]).await.unwrap().is_empty(), "fewer than were asked for");
    // What is behind it about the same thing goes on once somebody gives it up.
    let [bad, good] = [0, 1].map(|n| DeliveryId { event: news[n].event.id, index: 0 });
    assert_eq!((store.ready(now), store.waits_for(subscription, "thing", good)), (vec![], Some(bad)));
    assert_eq!(store.cancel(bad, now, "it cannot be read".into()).await.unwrap(), crate::Cancelled::Done);
    assert_eq!((store.ready(now), store.backlog().unfinished), (vec![subscription], 1));
    assert_eq!(store.claim(now, vec![(subscription, 1)]).await.unwrap()[0].id.event, news[1].event.id);
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
    assert_eq!((store.backlog().unfinished, store.figures().damaged), (1, 1));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(failing(directory.path()));
    let kv = kv::redb::Redb::open(&directory.path().join("redb"), 1 << 24, kv::Loss::Refuse).unwrap();
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
        // Nothing is cached after an opening, so the claim reads, which it cannot yet, and is dropped meanwhile.
        let _busy = store.shared.kv.write();
        let mut claim = store.claim(Timestamp::now(), every(&store));
        let waker = std::task::Waker::noop();
        assert!(claim.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    let claims = store.claim(Timestamp::now(), every(&store)).await.unwrap();
    assert_eq!(claims[0].id, DeliveryId { event: new.event.id, index: 0 });
}

fn raw(directory: &Path) -> kv::redb::Redb {
    kv::redb::Redb::open(&directory.join("redb"), 1 << 24, kv::Loss::Refuse).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_what_is_damaged_and_what_does_not_fit() {
    let directory = tempfile::tempdir().unwrap();
    let events: Vec<_> = (0..6).map(|n| new_event(&"x".repeat(n * 7_000))).collect();
    {
        let (store, _) = failing(directory.path());
        for new in &events {
            store.ingest(new.clone()).await.unwrap();
        }
        assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().problem_count, 0);
    }
    // An opening marks what is unfinished.
    drop(failing(directory.path()));
    let first = |n: usize| key::event(events[n].event.id);
    let lost_step = key::step(DeliveryId { event: EventId::generate(), index: 0 }, 0);
    {
        let kv = raw(directory.path());
        let flipped = |key: &[u8]| {
            let mut value = kv.get(key).unwrap().unwrap();
            value[20] ^= 4;
            Op::Put(key.to_vec(), value)
        };
        let step = Step { state: State::Pending, attempts: 0, at: Timestamp::now(), attempt: None, run: Default::default() };
        let mut ops = vec![
            flipped(&key::chunk(&first(3), 2)),
            Op::Delete(key::unfinished(events[0].event.id)),
            Op::Delete(first(1)),
            Op::Delete(key::chunk(&first(4), 1)),
            Op::Put(key::chunk(&first(5), 900), seal(&key::chunk(&first(5), 900), b"x")),
            Op::Put(b"nonsense".to_vec(), Vec::new()),
        ];
        ops.extend(crate::codec::step_record(&step).unwrap().ops(&lost_step));
        kv.commit(ops).unwrap();
    }
    let (store, _) = failing(directory.path());
    let checked = tokio::task::block_in_place(|| store.check()).unwrap();
    let has = |key: &[u8], what: &str| {
        let found = checked.problems.iter().any(|problem| problem.key == Some(key::hex(key)) && problem.reason.contains(what));
        assert!(found, "{what}: {:#?}", checked.problems);
    };
    has(&first(3), "checksum");
    has(&first(0), "not in the queue");
    has(&key::unfinished(events[1].event.id), "not there");
    has(&key::chunk(&first(1), 1), "beginning is not there");
    has(&first(4), "out of order");
    has(&key::chunk(&first(5), 900), "does not have");
    has(b"nonsense", "no key");
    has(&lost_step, "not there");
    assert_eq!((checked.problem_count, checked.problems.len()), (8, 8), "{:#?}", checked.problems);
    // What is sound moves; the rest is counted.
    let mut bytes = Vec::new();
    let counts = tokio::task::block_in_place(|| store.export(&mut bytes)).unwrap();
    assert_eq!((counts.events, counts.damaged), (3, 2));
    let target = tempfile::tempdir().unwrap();
    let (moved, _) = failing(target.path());
    tokio::task::block_in_place(|| moved.import(&mut &*bytes)).unwrap();
    assert_eq!(tokio::task::block_in_place(|| moved.check()).unwrap().problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_was_killed_is_undone_at_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    {
        let (store, _) = failing(directory.path());
        store.ingest(new_event("half")).await.unwrap();
        let kv = store.shared.kv.read();
        let note = key::note("importing");
        kv.as_deref().unwrap().commit(vec![Op::Put(note.clone(), seal(&note, &[]))]).unwrap();
    }
    for _ in 0..2 {
        let (store, _) = failing(directory.path());
        let checked = tokio::task::block_in_place(|| store.check()).unwrap();
        assert_eq!((checked.events, checked.problem_count, store.backlog().unfinished), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_ends_at_its_bound_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = failing(directory.path());
    for _ in 0..300 {
        store.ingest(new_event("x")).await.unwrap();
    }
    // Each event counts twice: itself and its delivery.
    for (bound, expected) in [(20, 10), (256, 128), (258, 129), (599, 300), (600, 300), (10_000, 300)] {
        let mut tally = crate::stats::Tally::new(StatsFilter { since: Timestamp::from_millis(0), tenant: None }, bound);
        while !tally.is_done() {
            store.shared.read(|kv| tally.read(kv)).unwrap();
        }
        let stats = tally.stats;
        assert_eq!((stats.events, stats.deliveries.pending), (expected, expected), "{bound}");
        assert_eq!(stats.cut_at.is_some(), expected < 300, "{bound}");
    }
}

/// Claims the deliveries of these ids and fails them.
async fn fail_all(store: &Embedded, hold: bool) {
    let reason = Some(postern_core::delivery::Class::Timeout.into());
    let state = State::Failed { error: "late".into(), reason };
    let step = Step { state, attempts: 1, at: Timestamp::now(), attempt: None, run: Default::default() };
    let claims = store.claim(Timestamp::now(), every(store)).await.unwrap();
    let finish =
        |claim: crate::Claim| crate::Finish { claim: claim.claim, id: claim.id, route: claim.route, step: step.clone(), hold };
    store.finish(&claims.into_iter().map(finish).collect::<Vec<_>>()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_of_failures_ends_at_its_bounds_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = failing(directory.path());
    for _ in 0..2500 {
        let mut new = new_event("x");
        new.routes[0].subscription = SubscriptionId::from_bytes([7; 16]);
        store.ingest(new).await.unwrap();
        fail_all(&store, false).await;
    }
    for (bound, expected) in [(20, 20), (1024, 1024), (2499, 2499), (2500, 2500), (9999, 2500)] {
        let mut count = crate::failure::Count::new(Default::default(), bound, 10);
        while !count.is_done() {
            store.shared.read(|kv| count.read(kv)).unwrap();
        }
        let failures = count.into_failures();
        assert_eq!((failures.groups[0].count, failures.groups.len(), failures.cut), (expected, 1, bound < 2500), "{bound}");
    }
    for _ in 0..4 {
        store.ingest(new_event("x")).await.unwrap();
        fail_all(&store, false).await;
    }
    let mut count = crate::failure::Count::new(Default::default(), 9999, 3);
    while !count.is_done() {
        store.shared.read(|kv| count.read(kv)).unwrap();
    }
    let failures = count.into_failures();
    assert_eq!((failures.groups.len(), failures.cut), (3, true), "the newest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_delivery_costs_as_few_keys_as_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = failing(directory.path());
    let mut keys = 0;
    let mut cost = || store.figures().keys - std::mem::replace(&mut keys, store.figures().keys);
    let about = |new: NewEvent| {
        let mut new = new;
        new.routes[0].entity = Some("thing".into());
        new
    };
    for (new, external_id, ingest, finish) in [
        (new_event("x"), None, 1, 1),
        (new_event("x"), Some("PROJ-1"), 1, 1),
        (about(new_event("x")), None, 1, 1),
        (about(new_event("x")), Some("PROJ-1"), 1, 2),
    ] {
        store.ingest(new).await.unwrap();
        assert_eq!(cost(), ingest);
        let claim = store.claim(Timestamp::now(), every(&store)).await.unwrap().remove(0);
        let state = State::Success { external_id: external_id.map(str::to_owned) };
        let step = Step { state, attempts: 1, at: Timestamp::now(), attempt: None, run: Default::default() };
        let finished = crate::Finish { claim: claim.claim, id: claim.id, route: claim.route, step, hold: false };
        store.finish(&[finished]).await.unwrap();
        assert_eq!(cost(), finish);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_earlier_version_opens_and_is_marked() {
    let directory = tempfile::tempdir().unwrap();
    let (new, later) = (new_event("x"), Timestamp::now().saturating_add(std::time::Duration::from_secs(9)));
    {
        let (store, _) = failing(directory.path());
        store.ingest(new.clone()).await.unwrap();
        fail_all(&store, false).await;
    }
    let id = DeliveryId { event: new.event.id, index: 0 };
    {
        let kv = raw(directory.path());
        let note = key::note("schema");
        kv.commit(vec![Op::Put(note.clone(), seal(&note, &1u32.to_be_bytes())), Op::Delete(key::failure(id))]).unwrap();
    }
    let (store, _) = failing(directory.path());
    assert_eq!(store.shared.read(recover::schema).unwrap(), Some(recover::SCHEMA));
    // What failed before the index was made is not in it, but is no less a failure.
    assert_eq!(store.failures(Default::default()).await.unwrap().groups, []);
    assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().problems, []);
    assert_eq!(store.reopen(vec![id], Timestamp::now(), None).await.unwrap(), [id]);
    fail_all(&store, false).await;
    assert_eq!(store.failures(Default::default()).await.unwrap().groups[0].count, 1);
    assert_eq!(store.purge(crate::Retention { before: later, failed_before: later }, 100).await.unwrap().events, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_full_does_not_begin_again() {
    let directory = tempfile::tempdir().unwrap();
    let new = [new_event("full"), new_event("nearly")];
    let id = |n: usize| DeliveryId { event: new[n].event.id, index: 0 };
    {
        let (store, _) = failing(directory.path());
        for new in &new {
            store.ingest(new.clone()).await.unwrap();
        }
        fail_all(&store, false).await;
    }
    {
        let step = |state, at| Step { state, attempts: 9, at, attempt: None, run: Default::default() };
        let failed = State::Failed { error: "x".into(), reason: None };
        let mut ops = Vec::new();
        for (n, last) in [(0, u16::MAX - 2), (1, u16::MAX - 3)] {
            let record = crate::codec::step_record(&step(failed.clone(), Timestamp::now())).unwrap();
            ops.extend(record.ops(&key::step(id(n), last)));
        }
        raw(directory.path()).commit(ops).unwrap();
    }
    let (store, _) = failing(directory.path());
    assert_eq!(store.reopen(vec![id(0), id(1)], Timestamp::now(), None).await.unwrap(), [id(1)]);
    // The last step that there is room for ends the run.
    fail_all(&store, false).await;
    assert_eq!(store.backlog().unfinished, 0);
    assert_eq!(store.reopen(vec![id(0), id(1)], Timestamp::now(), None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_looks_at_failures_holds_and_external_ids() {
    let directory = tempfile::tempdir().unwrap();
    let mut new = new_event("x");
    new.routes[0].entity = Some("thing".into());
    let (id, subscription) = (DeliveryId { event: new.event.id, index: 0 }, new.routes[0].subscription);
    let hash = crate::entity::EntityHash::of("thing");
    {
        let (store, _) = failing(directory.path());
        store.ingest(new).await.unwrap();
        fail_all(&store, true).await;
        let checked = tokio::task::block_in_place(|| store.check()).unwrap();
        assert_eq!((checked.problem_count, checked.failures, checked.holds), (0, 1, 1));
    }
    let lost = DeliveryId { event: EventId::generate(), index: 3 };
    let (other, external) = (crate::entity::EntityHash::of("other").short(), key::external(subscription, hash));
    {
        let kv = raw(directory.path());
        let row = kv.get(&key::failure(id)).unwrap().unwrap();
        let failure = crate::failure::parse(&key::failure(id), &row).unwrap();
        let holds = [crate::record::hold(subscription, other, id), crate::record::hold(SubscriptionId::generate(), other, lost)];
        let mut ops = vec![failure.op(lost).unwrap(), Op::Put(external.clone(), vec![1, 2, 3])];
        ops.extend(holds);
        kv.commit(ops).unwrap();
    }
    let (store, _) = failing(directory.path());
    let checked = tokio::task::block_in_place(|| store.check()).unwrap();
    let reasons: Vec<_> = checked.problems.iter().map(|problem| problem.reason.as_str()).collect();
    assert_eq!((checked.problem_count, checked.failures, checked.holds, checked.external_ids), (4, 1, 1, 0), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("but it did not")));
    assert_eq!(reasons.iter().filter(|reason| reason.contains("not about")).count(), 2);
    assert!(reasons.iter().any(|reason| reason.contains("checksum")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_finds_what_was_imported_behind_its_mark() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = failing(from.path());
    store.ingest(NewEvent { routes: Vec::new(), ..new_event("old") }).await.unwrap();
    let mut bytes = Vec::new();
    tokio::task::block_in_place(|| store.export(&mut bytes)).unwrap();
    let (moved, _) = failing(to.path());
    let later = Timestamp::now().saturating_add(std::time::Duration::from_secs(9));
    let all = crate::Retention { before: later, failed_before: later };
    assert_eq!(moved.purge(all, 100).await.unwrap().events, 0);
    tokio::task::block_in_place(|| moved.import(&mut &*bytes)).unwrap();
    assert_eq!(moved.purge(all, 100).await.unwrap().events, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_in_the_same_commit_waits_for_it_and_shares_its_fate() {
    for fails in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let (store, mode) = failing(directory.path());
        let (now, until) = (Timestamp::from_millis(5), Timestamp::from_millis(9));
        let keyed = || NewEvent { idempotency: Some(crate::Idempotency { key: [3; 32], now, until }), ..new_event("x") };
        let news = [keyed(), keyed(), keyed()];
        mode.store(u8::from(fails), Ordering::SeqCst);
        let mut batch = batch::Batch::new(&store.shared);
        let mut answers = Vec::new();
        for new in &news {
            let (reply, mut answer) = tokio::sync::oneshot::channel();
            let ingest = ingest::Ingest::of(new.clone()).unwrap();
            batch.add(Request::Ingest { ingest, reply });
            assert!(answer.try_recv().is_err(), "nobody is answered before the disk");
            answers.push(answer);
        }
        assert_eq!(batch.keys(), 2, "the event and the key");
        tokio::task::block_in_place(|| batch.commit());
        for (n, mut answer) in answers.into_iter().enumerate() {
            match answer.try_recv().unwrap() {
                Ok(answer) => assert_eq!((answer.event, answer.repeated, fails), (news[0].event.id, n > 0, false)),
                Err(error) => assert!(fails && matches!(error, Error::Failed(_))),
            }
        }
    }
}
