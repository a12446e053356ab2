//! What receivers that fail by chance saw, in order, and what must be true of it whatever happened to the daemon.

use postern_tests::{Received, Receiver, Reply};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// The path of the subscription whose deliveries keep the order of their entities.
pub(super) const ORDERED: &str = "/ordered";

/// A request, with what its sender was told.
#[derive(Clone, Debug)]
struct Arrival {
    delivery: String,
    target: String,
    /// What the event is about, and its number in the order of emission.
    about: (String, u64),
    delivered: bool,
}

/// What all receivers of a test saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    arrivals: Vec<Arrival>,
    /// Deliveries of which the API said that they are final, with their status.
    settled: BTreeMap<String, String>,
    /// Those of them that arrived all the same.
    late: Vec<Arrival>,
}

impl Tally {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().expect("no panic")
    }

    /// A receiver that keeps these books and answers well in most cases.
    pub(super) async fn receiver(&self, seed: u64) -> Receiver {
        let receiver = Receiver::start().await;
        let mut chance = StdRng::seed_from_u64(seed);
        let tally = self.clone();
        receiver.decide(move |received| {
            let reply = match chance.random_range(0..100) {
                0..=5 => Reply::Status(503),
                6..=8 => Reply::Close,
                9..=10 => Reply::Status(410),
                // Nobody releases it.
                11 => Reply::Hold,
                _ => Reply::Status(200),
            };
            tally.note(received, matches!(reply, Reply::Status(200)));
            reply
        });
        receiver
    }

    /// A receiver that keeps these books and always answers well.
    pub(super) async fn patient(&self) -> Receiver {
        let receiver = Receiver::start().await;
        let tally = self.clone();
        receiver.decide(move |received| {
            tally.note(received, true);
            Reply::Status(200)
        });
        receiver
    }

    fn note(&self, received: &Received, delivered: bool) {
        let data = &received.json()["data"];
        let text = |name: &str| data[name].as_str().expect("a payload of this test").to_owned();
        let arrival = Arrival {
            delivery: received.header("x-delivery-id").to_owned(),
            target: received.target.clone(),
            about: (text("incidentId"), text("title").parse().expect("a number")),
            delivered,
        };
        let mut seen = self.seen();
        if seen.settled.contains_key(&arrival.delivery) {
            seen.late.push(arrival.clone());
        }
        seen.arrivals.push(arrival);
    }

    /// How many requests arrived.
    pub(super) fn arrived(&self) -> usize {
        self.seen().arrivals.len()
    }

    /// Notes that these deliveries are final: from now on none of them may arrive, and none may change its status.
    pub(super) fn settled(&self, deliveries: impl IntoIterator<Item = (String, String)>) {
        let mut seen = self.seen();
        for (delivery, status) in deliveries {
            let before = seen.settled.insert(delivery.clone(), status.clone());
            assert!(before.is_none_or(|before| before == status), "{delivery} was final and is now {status}");
        }
    }

    /// How many requests came for deliveries that had been answered well before.
    pub(super) fn duplicates(&self) -> usize {
        let seen = self.seen();
        let mut done = BTreeSet::new();
        seen.arrivals
            .iter()
            .filter(|arrival| {
                let again = done.contains(&arrival.delivery);
                if arrival.delivered {
                    done.insert(&arrival.delivery);
                }
                again
            })
            .count()
    }

    /// Checks that each of these deliveries arrived.
    pub(super) fn arrived_all(&self, deliveries: impl IntoIterator<Item = String>) {
        let seen = self.seen();
        let arrived: BTreeSet<_> = seen.arrivals.iter().map(|arrival| arrival.delivery.as_str()).collect();
        let lost: Vec<_> = deliveries.into_iter().filter(|delivery| !arrived.contains(delivery.as_str())).collect();
        assert!(
            lost.is_empty(),
            "{} acknowledged deliveries never arrived, among them {:?}",
            lost.len(),
            &lost[..lost.len().min(5)]
        );
    }

    /// Checks what holds for every history: nothing came after its end, what is called delivered was answered well and what
    /// is called failed was not in the end, each emission is one event, and entities kept their order.
    pub(super) fn is_sound(&self) {
        let seen = self.seen();
        assert!(seen.late.is_empty(), "these arrived after they were final: {:?}", seen.late);
        let mut last: BTreeMap<&str, bool> = BTreeMap::new();
        let mut ever: BTreeSet<&str> = BTreeSet::new();
        let mut events: BTreeMap<&(String, u64), &str> = BTreeMap::new();
        let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
        for Arrival { delivery, target, about, delivered } in &seen.arrivals {
            last.insert(delivery, *delivered);
            if *delivered {
                ever.insert(delivery);
            }
            let (event, _) = delivery.rsplit_once('-').expect("an event and a place in its fan-out");
            assert_eq!(*events.entry(about).or_insert(event), event, "two events of one emission, {about:?}");
            if target == ORDERED {
                let before = numbers.insert(&about.0, about.1).unwrap_or_default();
                assert!(before <= about.1, "{about:?} came after {before}");
            }
        }
        for (delivery, status) in &seen.settled {
            match status.as_str() {
                "success" => assert!(ever.contains(delivery.as_str()), "{delivery} is called delivered"),
                _ => assert_eq!(last.get(delivery.as_str()), Some(&false), "{delivery} is called {status}"),
            }
        }
    }
}
