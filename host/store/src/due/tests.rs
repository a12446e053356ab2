//! The queue against a plain model: a list of deliveries that is searched from end to end.

use super::entry::Waiting;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const LANES: u8 = 3;
const ENTITIES: u8 = 2;

fn event(millis: u64) -> EventId {
    EventId::from_bytes((u128::from(millis) << 80).to_be_bytes())
}

fn delivery(millis: u64, index: u16) -> DeliveryId {
    DeliveryId { event: event(millis), index }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn lane(number: u8) -> SubscriptionId {
    SubscriptionId::from_bytes([number; 16])
}

fn waits(due: i64, steps: u16) -> When {
    When::At { due: at(due), steps, recovered: false }
}

fn plain(id: DeliveryId) -> Lot {
    Lot { id, subscription: lane(0), entity: None }
}

fn claim(queue: &mut Queue, now: i64, number: u8, max: usize) -> Vec<(ClaimId, Held)> {
    let mut claims = Vec::new();
    queue.claim(at(now), lane(number), max, &mut claims);
    claims
}

#[test]
fn a_waiting_delivery_and_a_subscription_are_small() {
    // A heap's buffer is at most twice as large as its content.
    assert!(size_of::<Packed>() == 18 && size_of::<Waiting>() == 32);
    assert!(size_of::<Lane>() <= 120, "{}", size_of::<Lane>());
}

#[test]
fn the_oldest_due_comes_first_across_new_ones_and_retries() {
    let mut queue = Queue::default();
    for (millis, index) in [(30, 0), (10, 1), (10, 0)] {
        queue.add(plain(delivery(millis, index)), When::Fresh);
    }
    queue.add(plain(delivery(1, 0)), waits(20, 1));
    queue.add(plain(delivery(1, 1)), waits(200, 1));
    let order: Vec<_> = claim(&mut queue, 100, 0, 9).into_iter().map(|(_, held)| held.id).collect();
    assert_eq!(order, [delivery(10, 0), delivery(10, 1), delivery(1, 0), delivery(30, 0)]);
    assert_eq!(queue.next_due(), Some(at(200)));
}

#[test]
fn what_was_never_attempted_is_due_whatever_the_clock_says() {
    let mut queue = Queue::default();
    queue.add(plain(delivery(1_000_000, 0)), When::Fresh);
    assert!(queue.next_due().unwrap() <= at(5));
    assert_eq!(queue.ready(at(-5)), [lane(0)]);
    assert_eq!(claim(&mut queue, 5, 0, 1).len(), 1);
}

#[test]
fn a_lane_is_named_once_until_a_claim_finds_too_little() {
    let mut queue = Queue::default();
    for index in 0..3 {
        queue.add(plain(delivery(1, index)), When::Fresh);
    }
    assert_eq!((queue.ready(at(9)), queue.ready(at(9))), (vec![lane(0)], vec![]));
    assert_eq!(claim(&mut queue, 9, 0, 3).len(), 3);
    queue.add(plain(delivery(2, 0)), When::Fresh);
    assert_eq!((queue.next_due(), queue.ready(at(9))), (None, vec![]), "three were asked for and three were found");
    assert_eq!(claim(&mut queue, 9, 0, 3).len(), 1);
    queue.add(plain(delivery(3, 0)), waits(20, 1));
    assert_eq!((queue.next_due(), queue.ready(at(19)), queue.ready(at(20))), (Some(at(20)), vec![], vec![lane(0)]));
}

#[test]
fn the_last_delivery_of_an_event_is_known() {
    let mut queue = Queue::default();
    queue.add_event(event(1), 3);
    queue.add_event(event(2), 1);
    assert_eq!(queue.backlog().unfinished, 4);
    assert!(queue.note_final(event(2)));
    assert_eq!([(); 3].map(|()| queue.note_final(event(1))), [false, false, true]);
    queue.add_one(event(1), false);
    queue.add_one(event(1), true);
    assert_eq!([(); 2].map(|()| queue.note_final(event(1))), [false, true]);
}

#[test]
fn the_oldest_due_is_known_however_it_changes() {
    let mut queue = Queue::default();
    let add = |queue: &mut Queue, number, millis| {
        queue.add(Lot { id: delivery(millis, 0), subscription: lane(number), entity: None }, When::Fresh);
    };
    assert_eq!(queue.backlog().oldest_due, None);
    [(0, 10), (0, 40), (1, 20), (2, 30)].into_iter().for_each(|(number, millis)| add(&mut queue, number, millis));
    for (number, oldest) in [(0, 20), (1, 30), (2, 40)] {
        claim(&mut queue, 99, number, 1);
        assert_eq!(queue.backlog().oldest_due, Some(at(oldest)));
    }
    add(&mut queue, 0, 5);
    assert_eq!(queue.backlog().oldest_due, Some(at(5)));
    assert_eq!(claim(&mut queue, 99, 0, 9).len(), 2);
    assert_eq!((queue.backlog().oldest_due, queue.heads.len(), queue.lanes.len()), (None, 0, 0));
}

#[test]
fn withdrawn_deliveries_leave_no_trace() {
    let mut queue = Queue::default();
    for millis in 0..1000 {
        queue.add(plain(delivery(millis, 0)), if millis % 2 == 0 { When::Fresh } else { waits(5, 1) });
    }
    for millis in (0..1000).filter(|millis| millis % 10 != 0) {
        assert!(queue.withdraw(plain(delivery(millis, 0)), u16::from(millis % 2 == 1)));
        assert!(!queue.withdraw(plain(delivery(millis, 0)), 0), "it is out already");
        queue.finished(plain(delivery(millis, 0)), false);
    }
    assert_eq!(claim(&mut queue, 9, 0, 9999).len(), 100);
    assert!(queue.lanes.is_empty());
}

/// Where a delivery of the model is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Waits,
    Claimed(ClaimId),
    /// Its outcome is on its way to the disk.
    Flux,
    /// The same, and it waited behind another one before.
    Withdrawn,
    Final,
}

#[derive(Clone, Debug)]
struct One {
    lot: Lot,
    when: When,
    place: Place,
}

impl One {
    fn due(&self) -> i64 {
        match self.when {
            When::Fresh => self.lot.id.event.created_at().as_millis(),
            When::At { due, .. } => due.as_millis(),
        }
    }

    fn is_due(&self, now: i64) -> bool {
        self.when == When::Fresh || self.due() <= now
    }

    fn is_out(&self) -> bool {
        matches!(self.place, Place::Claimed(_) | Place::Flux)
    }
}

type EntityOf = (SubscriptionId, ShortHash);

/// What becomes of a delivery that is in flux.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Again(i64),
    Final { holds: bool },
}

#[derive(Default)]
struct Model {
    all: BTreeMap<DeliveryId, One>,
    holders: BTreeMap<EntityOf, DeliveryId>,
    flux: Vec<(DeliveryId, Outcome)>,
    /// What a scheduler keeps.
    named: BTreeSet<SubscriptionId>,
    queue: Queue,
    next: u64,
}

impl Model {
    fn entity_of(one: &One) -> Option<EntityOf> {
        one.lot.entity.map(|entity| (one.lot.subscription, entity))
    }

    /// Which other delivery keeps this one, which waits, from being claimed.
    fn before(&self, one: &One) -> Option<DeliveryId> {
        let entity = Self::entity_of(one)?;
        let gone = |other: &One| matches!(other.place, Place::Final | Place::Withdrawn);
        let mut same = self.all.values().filter(|other| Self::entity_of(other) == Some(entity) && !gone(other));
        if let Some(out) = same.clone().find(|other| other.is_out()) {
            return Some(self.holders.get(&entity).copied().unwrap_or(out.lot.id));
        }
        let first = self.holders.get(&entity).copied().or_else(|| same.next().map(|other| other.lot.id));
        first.filter(|first| *first != one.lot.id)
    }

    fn claimable(&self, subscription: SubscriptionId, now: i64) -> Vec<i64> {
        let waits = self.all.values().filter(|one| one.lot.subscription == subscription && one.place == Place::Waits);
        let mut due: Vec<_> = waits.filter(|one| one.is_due(now) && self.before(one).is_none()).map(|one| one.due()).collect();
        due.sort_unstable();
        due
    }

    fn nth(&self, which: usize, wanted: impl Fn(&One) -> bool) -> Option<One> {
        let found: Vec<_> = self.all.values().filter(|one| wanted(one)).collect();
        if found.is_empty() { None } else { Some(found[which % found.len()].clone()) }
    }

    fn ready(&mut self, now: i64) {
        for subscription in self.queue.ready(at(now)) {
            assert!(self.named.insert(subscription), "it was named before");
        }
    }

    fn claim(&mut self, subscription: SubscriptionId, now: i64, max: usize) {
        let mut expected = self.claimable(subscription, now);
        expected.truncate(max);
        let mut claims = Vec::new();
        self.queue.claim(at(now), subscription, max, &mut claims);
        let got: Vec<_> = claims.iter().map(|(_, held)| self.all[&held.id].due()).collect();
        assert_eq!(got, expected);
        for (claim, held) in claims {
            let one = self.all.get_mut(&held.id).unwrap();
            assert_eq!((one.place, one.when, one.lot.subscription), (Place::Waits, held.when, held.subscription));
            one.place = Place::Claimed(claim);
        }
        if got.len() < max {
            self.named.remove(&subscription);
        }
    }

    /// A scheduler that keeps what it was named until a claim comes back short finds everything that is due.
    fn drain(&mut self, now: i64) {
        self.ready(now);
        while let Some(subscription) = self.named.first().copied() {
            self.claim(subscription, now, 2);
            self.ready(now);
        }
        for number in 0..LANES {
            assert!(self.claimable(lane(number), now).is_empty());
        }
    }

    fn add(&mut self, number: u8, entity: Option<u8>, back: u64) {
        self.next += 1;
        // Now and then an id is older than those that came before it.
        let id = delivery((self.next * 4).saturating_sub(back * 6), self.next as u16);
        let lot = Lot { id, subscription: lane(number), entity: entity.map(|entity| ShortHash([entity; 8])) };
        self.queue.add_event(id.event, 1);
        self.queue.add(lot, When::Fresh);
        self.all.insert(id, One { lot, when: When::Fresh, place: Place::Waits });
    }

    fn begin_finish(&mut self, which: usize, outcome: Outcome) {
        let Some(one) = self.nth(which, |one| matches!(one.place, Place::Claimed(_))) else { return };
        let Place::Claimed(claim) = one.place else { return };
        assert!(self.queue.holds(claim, one.lot.id));
        assert_eq!(self.queue.take_held(claim).map(|held| held.id), Some(one.lot.id));
        assert!(!self.queue.holds(claim, one.lot.id));
        self.flux.push((one.lot.id, outcome));
        self.all.get_mut(&one.lot.id).unwrap().place = Place::Flux;
    }

    fn end_finish(&mut self, which: usize) {
        if self.flux.is_empty() {
            return;
        }
        let (id, outcome) = self.flux.swap_remove(which % self.flux.len());
        let one = self.all.get_mut(&id).unwrap();
        let steps = one.when.steps() + 1;
        let lot = one.lot;
        let entity = Self::entity_of(one);
        match outcome {
            Outcome::Again(due) => {
                (one.place, one.when) = (Place::Waits, waits(due, steps));
                self.queue.add(lot, one.when);
            }
            Outcome::Final { holds } => {
                (one.place, one.when) = (Place::Final, waits(0, steps));
                self.queue.finished(lot, holds && entity.is_some());
                if let Some(entity) = entity {
                    if holds {
                        self.holders.insert(entity, id);
                    } else if self.holders.get(&entity) == Some(&id) {
                        self.holders.remove(&entity);
                    }
                }
            }
        }
    }

    fn release(&mut self, which: usize) {
        let Some(one) = self.nth(which, |one| matches!(one.place, Place::Claimed(_))) else { return };
        let Place::Claimed(claim) = one.place else { return };
        assert!(self.queue.release(claim) && !self.queue.release(claim));
        self.all.get_mut(&one.lot.id).unwrap().place = Place::Waits;
    }

    fn cancel(&mut self, which: usize) {
        let Some(one) = self.nth(which, |one| one.place != Place::Final) else { return };
        assert_eq!(self.queue.withdraw(one.lot, one.when.steps()), one.place == Place::Waits);
        if one.place == Place::Waits {
            let waited = self.before(&one).is_some();
            self.all.get_mut(&one.lot.id).unwrap().place = if waited { Place::Withdrawn } else { Place::Flux };
            self.flux.push((one.lot.id, Outcome::Final { holds: false }));
        }
    }

    fn reopen(&mut self, which: usize, due: i64) {
        let Some(one) = self.nth(which, |one| one.place == Place::Final) else { return };
        let one = self.all.get_mut(&one.lot.id).unwrap();
        (one.place, one.when) = (Place::Waits, waits(due, one.when.steps() + 1));
        self.queue.add_one(one.lot.id.event, false);
        self.queue.add(one.lot, one.when);
    }

    fn lift(&mut self, which: usize) {
        let Some(((subscription, entity), id)) = self.holders.iter().nth(which).map(|(entity, id)| (*entity, *id)) else {
            return;
        };
        self.holders.remove(&(subscription, entity));
        self.queue.lift(subscription, entity, id);
    }

    /// As after a kill: what was claimed, or whose outcome was not yet on the disk, is due as it was before.
    fn restart(&mut self) {
        self.queue = Queue::default();
        self.named.clear();
        self.flux.clear();
        for ((subscription, entity), id) in &self.holders {
            self.queue.hold(*subscription, *entity, *id);
        }
        for one in self.all.values_mut().filter(|one| one.place != Place::Final) {
            one.place = Place::Waits;
            self.queue.recover_event(one.lot.id.event, 1);
            self.queue.add(one.lot, one.when);
        }
    }

    fn verify(&mut self) {
        let waiting = || self.all.values().filter(|one| one.place == Place::Waits);
        let behind = waiting().filter(|one| self.before(one).is_some()).count();
        let claimed = self.all.values().filter(|one| matches!(one.place, Place::Claimed(_))).count();
        let unfinished = self.all.values().filter(|one| one.place != Place::Final).count();
        for one in self.all.values() {
            let expected = if one.place == Place::Waits { self.before(one) } else { None };
            assert_eq!(self.queue.waits_for(one.lot), expected, "{one:?}");
        }
        let first = waiting().filter(|one| self.before(one).is_none()).map(One::due).min();
        let unnamed = waiting().filter(|one| self.before(one).is_none() && !self.named.contains(&one.lot.subscription));
        let first_call = unnamed.map(|one| if one.when == When::Fresh { 0 } else { one.due() }).min();
        let backlog = self.queue.backlog();
        assert_eq!((backlog.unfinished, backlog.claimed, backlog.behind), (unfinished, claimed, behind));
        if let Some(first) = first {
            assert!(backlog.oldest_due.is_some_and(|oldest| oldest <= at(first)));
        }
        if let Some(first) = first_call {
            assert!(self.queue.next_due().is_some_and(|next| next <= at(first)));
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Ingest(u8, Option<u8>, u64),
    Ready(i64),
    Claim(u8, i64, usize),
    Drain(i64),
    Release(usize),
    BeginFinish(usize, Outcome),
    EndFinish(usize),
    Cancel(usize),
    Reopen(usize, i64),
    Lift(usize),
    Restart,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![(0..300i64).prop_map(Outcome::Again), any::<bool>().prop_map(|holds| Outcome::Final { holds })]
}

fn action() -> impl Strategy<Value = Action> {
    let which = || 0..16usize;
    prop_oneof![
        4 => (0..LANES, prop::option::weighted(0.7, 0..ENTITIES), 0..3u64).prop_map(|(n, e, back)| Action::Ingest(n, e, back)),
        2 => (0..300i64).prop_map(Action::Ready),
        3 => (0..LANES, 0..300i64, 0..4usize).prop_map(|(n, now, max)| Action::Claim(n, now, max)),
        1 => (0..300i64).prop_map(Action::Drain),
        2 => which().prop_map(Action::Release),
        4 => (which(), outcome()).prop_map(|(which, outcome)| Action::BeginFinish(which, outcome)),
        4 => which().prop_map(Action::EndFinish),
        2 => which().prop_map(Action::Cancel),
        2 => (which(), 0..300i64).prop_map(|(which, due)| Action::Reopen(which, due)),
        1 => which().prop_map(Action::Lift),
        1 => Just(Action::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing is lost or claimed twice, nothing comes early or out of order, no two of one entity are out at once, and a
    /// restart changes nothing.
    #[test]
    fn it_behaves_as_a_plain_list(actions in prop::collection::vec(action(), 1..120)) {
        let mut model = Model::default();
        for action in actions {
            match action {
                Action::Ingest(number, entity, back) => model.add(number, entity, back),
                Action::Ready(now) => model.ready(now),
                Action::Claim(number, now, max) => model.claim(lane(number), now, max),
                Action::Drain(now) => model.drain(now),
                Action::Release(which) => model.release(which),
                Action::BeginFinish(which, outcome) => model.begin_finish(which, outcome),
                Action::EndFinish(which) => model.end_finish(which),
                Action::Cancel(which) => model.cancel(which),
                Action::Reopen(which, due) => model.reopen(which, due),
                Action::Lift(which) => model.lift(which),
                Action::Restart => model.restart(),
            }
            model.verify();
        }
        // Everything comes to its end, and nothing is left behind.
        while model.all.values().any(|one| one.place != Place::Final) {
            model.lift(0);
            model.drain(1000);
            (0..4).for_each(|_| model.begin_finish(0, Outcome::Final { holds: false }));
            (0..4).for_each(|_| model.end_finish(0));
            model.verify();
        }
        (0..9).for_each(|_| model.lift(0));
        model.drain(1000);
        let Queue { lanes, calls, heads, held, out, behind, .. } = &model.queue;
        prop_assert!(lanes.is_empty() && calls.is_empty() && heads.is_empty() && held.is_empty() && out.is_empty());
        prop_assert_eq!(*behind, 0);
    }
}
