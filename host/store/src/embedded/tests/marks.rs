//! Whatever happens, what is unfinished is found at the next opening, and nothing else is.

use super::*;
use crate::{Cancelled, Claim, Finish, Retention};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;

/// Something that happens to a store.
#[derive(Clone, Debug)]
enum Happening {
    /// So many events at once, each with so many deliveries.
    Ingest(usize, usize),
    /// So many claimed deliveries end: they succeed, or are to be tried again.
    End(usize, bool),
    /// So many deliveries are given up.
    Cancel(usize),
    /// So many final ones begin again.
    Reopen(usize),
    /// Everything that is final goes.
    Purge,
    /// The process ends and another one begins.
    Restart,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (1..12_usize, 0..3_usize).prop_map(|(events, deliveries)| Happening::Ingest(events, deliveries)),
        6 => (1..20_usize, prop::bool::weighted(0.8)).prop_map(|(count, success)| Happening::End(count, success)),
        1 => (1..4_usize).prop_map(Happening::Cancel),
        1 => (1..4_usize).prop_map(Happening::Reopen),
        1 => Just(Happening::Purge),
        1 => Just(Happening::Restart),
    ]
}

/// A store, and what must be in it.
struct Scene {
    directory: tempfile::TempDir,
    store: Option<Embedded>,
    /// Whether each delivery is final.
    deliveries: HashMap<DeliveryId, bool>,
    claims: Vec<Claim>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Some(failing(directory.path()).0);
        Self { directory, store, deliveries: HashMap::new(), claims: Vec::new() }
    }

    fn store(&self) -> &Embedded {
        self.store.as_ref().unwrap()
    }

    fn some(&self, count: usize, is_final: bool) -> Vec<DeliveryId> {
        let mut ids: Vec<_> = self.deliveries.iter().filter(|(_, known)| **known == is_final).map(|(id, _)| *id).collect();
        ids.sort();
        ids.truncate(count);
        ids
    }

    async fn happens(&mut self, what: &Happening) {
        match *what {
            Happening::Ingest(events, deliveries) => {
                let news: Vec<_> = (0..events).map(|_| with_deliveries(deliveries)).collect();
                for new in &news {
                    let ids = (0..).take(deliveries).map(|index| DeliveryId { event: new.event.id, index });
                    self.deliveries.extend(ids.map(|id| (id, false)));
                }
                futures::future::try_join_all(news.into_iter().map(|new| self.store().ingest(new))).await.unwrap();
            }
            Happening::End(count, success) => {
                let late = Timestamp::now().saturating_add(Duration::from_secs(60));
                let ready = self.store().ready(late).into_iter().map(|subscription| (subscription, 10)).collect();
                let new = self.store().claim(late, ready).await.unwrap();
                self.claims.extend(new);
                let now = Timestamp::now();
                let ended: Vec<_> = self.claims.drain(..count.min(self.claims.len())).collect();
                let mut finishes = Vec::new();
                for claim in ended {
                    let state = match success {
                        true => State::Success { external_id: None },
                        false => State::Retrying { next_attempt_at: now, error: "again".into(), reason: None },
                    };
                    self.deliveries.insert(claim.id, success);
                    let step = Step { state, attempts: 1, at: now, attempt: None, run: Default::default() };
                    finishes.push(Finish { claim: claim.claim, id: claim.id, route: claim.route, step, hold: false });
                }
                self.store().finish(&finishes).await.unwrap();
            }
            Happening::Cancel(count) => {
                for id in self.some(count, false) {
                    let cancelled = self.store().cancel(id, Timestamp::now(), "no".into()).await.unwrap();
                    if cancelled == Cancelled::Done {
                        self.deliveries.insert(id, true);
                    }
                }
            }
            Happening::Reopen(count) => {
                for id in self.store().reopen(self.some(count, true), Timestamp::now(), None).await.unwrap() {
                    self.deliveries.insert(id, false);
                }
            }
            Happening::Purge => {
                let later = Timestamp::now().saturating_add(Duration::from_secs(9));
                while self.store().purge(Retention { before: later, failed_before: later }, 1000).await.unwrap().more {}
                let unfinished: std::collections::HashSet<_> = self.some(usize::MAX, false).iter().map(|id| id.event).collect();
                self.deliveries.retain(|id, _| unfinished.contains(&id.event));
            }
            Happening::Restart => {
                self.claims.clear();
                self.store = None;
                self.store = Some(failing(self.directory.path()).0);
            }
        }
        self.verify();
    }

    /// The queue, the records and the marks say the same.
    fn verify(&self) {
        let unfinished = self.some(usize::MAX, false);
        assert_eq!(self.store().backlog().unfinished, unfinished.len());
        let checked = tokio::task::block_in_place(|| self.store().check()).unwrap();
        assert_eq!(checked.problems, []);
        let mut events: Vec<_> = unfinished.iter().map(|id| id.event).collect();
        events.dedup();
        assert_eq!((checked.unfinished, checked.deliveries), (events.len() as u64, self.deliveries.len() as u64));
    }

    async fn end(mut self) {
        while !self.some(1, false).is_empty() {
            self.happens(&Happening::Restart).await;
            self.happens(&Happening::End(usize::MAX, true)).await;
        }
        let mut marks = 0;
        let count = &mut |_: &[u8], _: &[u8]| {
            marks += 1;
            std::ops::ControlFlow::Continue(())
        };
        self.store().shared.read(|kv| Ok(kv.scan(key::ends(&key::all_unfinished()), Direction::Forward, count)?)).unwrap();
        assert_eq!(marks, 0, "none is left when all is final");
    }
}

fn with_deliveries(count: usize) -> NewEvent {
    let routes = (0..count).map(|_| Route::new(SubscriptionId::generate(), "p.q".parse().unwrap())).collect();
    NewEvent { routes, ..new_event("x") }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_unfinished_is_found(happenings in prop::collection::vec(happening(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(runtime.spawn(async move {
            let mut scene = Scene::new();
            for what in &happenings {
                scene.happens(what).await;
            }
            scene.end().await;
        })).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let new = with_deliveries(2);
    let step = key::step(DeliveryId { event: new.event.id, index: 0 }, 0);
    {
        let (store, _) = failing(directory.path());
        store.ingest(new).await.unwrap();
        fail_all(&store, false).await;
    }
    raw(directory.path()).commit(vec![Op::Put(step.clone(), vec![1, 2, 3])]).unwrap();
    for _ in 0..2 {
        let (store, _) = failing(directory.path());
        assert_eq!((store.figures().damaged, store.backlog().unfinished), (1, 0));
        let checked = tokio::task::block_in_place(|| store.check()).unwrap();
        let keys: Vec<_> = checked.problems.into_iter().filter_map(|problem| problem.key).collect();
        assert!(
            keys.contains(&key::hex(&step)) && !keys.iter().any(|key| key.starts_with("51")),
            "the mark is as it must be: {keys:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_which_everything_is_marked_opens() {
    let directory = tempfile::tempdir().unwrap();
    let news = [new_event("x"), new_event("y")];
    {
        let (store, _) = failing(directory.path());
        for new in &news {
            store.ingest(new.clone()).await.unwrap();
        }
    }
    {
        // As version 2 left it: a mark for what is unfinished, and no note.
        let mut ops: Vec<_> = news.iter().map(|new| crate::record::unfinished(new.event.id, 1)).collect();
        let schema = key::note("schema");
        ops.extend([Op::Delete(key::note("unmarked-since")), Op::Put(schema.clone(), seal(&schema, &2u32.to_be_bytes()))]);
        raw(directory.path()).commit(ops).unwrap();
    }
    let (store, _) = failing(directory.path());
    assert_eq!(store.backlog().unfinished, 2);
    fail_all(&store, false).await;
    let late = new_event("z");
    store.ingest(late.clone()).await.unwrap();
    assert_eq!((store.backlog().unfinished, store.shared.queue.lock().unmarked.contains(late.event.id)), (1, true));
    assert_eq!(tokio::task::block_in_place(|| store.check()).unwrap().problems, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_to_be_marked_can_be_given_up_and_begun_again() {
    let mut scene = Scene::new();
    for what in
        [Happening::Ingest(11, 2), Happening::Cancel(1), Happening::End(1, true), Happening::Ingest(11, 2), Happening::Reopen(1)]
    {
        scene.happens(&what).await;
    }
    scene.end().await;
}
