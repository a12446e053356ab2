//! The schedule under a simulated clock.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
struct World {
    lanes: RefCell<HashMap<SubscriptionId, Arc<Lane>>>,
    generation: std::cell::Cell<u64>,
}

impl Lanes for World {
    fn lane(&self, subscription: SubscriptionId) -> Arc<Lane> {
        self.lanes.borrow().get(&subscription).cloned().unwrap()
    }
    fn generation(&self) -> u64 {
        self.generation.get()
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000_000 + millis)
}

fn lane(tenant: &str, destination: &str) -> Lane {
    Lane {
        tenant: tenant.parse().unwrap(),
        provider: "postern.webhook".parse().unwrap(),
        build: Some("a".into()),
        provider_limit: usize::MAX,
        destination: Some(destination.into()),
        connection: None,
        quota: None,
        connection_quota: None,
        paused: None,
    }
}

impl World {
    fn add(&self, lane: Lane) -> SubscriptionId {
        let id = SubscriptionId::generate();
        self.change(id, lane);
        id
    }
    fn change(&self, id: SubscriptionId, lane: Lane) {
        self.lanes.borrow_mut().insert(id, Arc::new(lane));
        self.generation.set(self.generation.get() + 1);
    }
}

fn ended(health: Health) -> Ended {
    Ended { health, took: Duration::from_millis(1), hold_until: None, trapped: Some(false) }
}

fn opened(scheduler: &mut Scheduler, world: &World, id: SubscriptionId, now: Timestamp, rounds: usize) {
    for _ in 0..rounds {
        let tickets = scheduler.pick(now, world, usize::MAX);
        assert!(tickets.iter().all(|ticket| ticket.subscription == id));
        tickets.into_iter().for_each(|ticket| drop(scheduler.ended(ticket, ended(Health::Works), now)));
    }
}

#[test]
fn hanging_destinations_leave_places_for_a_quick_one() {
    let (world, mut scheduler) = (World::default(), Scheduler::new(Limits { concurrency: 64, ..Limits::default() }));
    let quick = world.add(lane("a", "https://quick:443"));
    scheduler.ready(quick, &world);
    opened(&mut scheduler, &world, quick, at(0), 3);
    let hanging: Vec<_> = (0..1000).map(|n| world.add(lane("b", &format!("https://hangs-{n}:443")))).collect();
    hanging.iter().for_each(|id| scheduler.ready(*id, &world));
    let mut held = Vec::new();
    for second in 0..10 {
        // The quick ones end; the others hang on, and more of them come.
        let tickets = scheduler.pick(at(second * 1_000 + 1), &world, usize::MAX);
        let (done, hung): (Vec<_>, Vec<_>) = tickets.into_iter().partition(|ticket| ticket.subscription == quick);
        assert!(done.len() >= 8, "{}", done.len());
        held.extend(hung);
        done.into_iter().for_each(|ticket| drop(scheduler.ended(ticket, ended(Health::Works), at(second * 1_000 + 2))));
        scheduler.look_around(at(second * 1_000 + 999));
    }
    assert_eq!(held.len(), 56, "three quarters of the places, and an eighth for first deliveries");
}

#[test]
fn a_destination_that_nobody_knows_is_tried_out_beside_those_that_hang() {
    let (world, mut scheduler) = (World::default(), Scheduler::new(Limits { concurrency: 16, ..Limits::default() }));
    let hanging: Vec<_> = (0..5).map(|n| world.add(lane("a", &format!("https://hangs-{n}:443")))).collect();
    hanging.iter().for_each(|id| scheduler.ready(*id, &world));
    let mut held = scheduler.pick(at(0), &world, usize::MAX);
    assert_eq!(held.len(), 12, "their first deliveries are among those of the slow");
    let late: Vec<_> = (0..3).map(|n| world.add(lane("a", &format!("https://late-{n}:443")))).collect();
    late.iter().for_each(|id| scheduler.ready(*id, &world));
    let mut first = scheduler.pick(at(1), &world, usize::MAX);
    assert_eq!(first.iter().map(|ticket| ticket.subscription).collect::<Vec<_>>(), late[..2], "two are tried out at once");
    scheduler.ended(first.remove(0), ended(Health::Works), at(2));
    held.extend(first);
    let next = scheduler.pick(at(2), &world, usize::MAX);
    assert!(next.iter().filter(|ticket| ticket.subscription == late[0]).count() >= 1, "it is quick");
    assert!(next.iter().any(|ticket| ticket.subscription == late[2]), "the next one is tried out");
    assert_eq!(held.len() + next.len(), scheduler.in_flight);
}

#[test]
fn a_breaker_lets_one_probe_through_and_the_rest_wait() {
    let (world, mut scheduler) = (World::default(), Scheduler::new(Limits::default()));
    let ids: Vec<_> = (0..5).map(|_| world.add(lane("a", "https://down:443"))).collect();
    ids.iter().for_each(|id| scheduler.ready(*id, &world));
    let mut turned = Vec::new();
    while turned.is_empty() {
        for ticket in scheduler.pick(at(0), &world, 1) {
            turned.extend(scheduler.ended(ticket, ended(Health::Fails), at(0)));
        }
    }
    assert_eq!(turned, [Change::Breaker("https://down:443".into(), Turned::Open(at(30_000)))]);
    assert!(scheduler.pick(at(29_999), &world, 100).is_empty());
    assert_eq!(scheduler.wakes_at(), Some(at(30_000)));
    let mut probe = scheduler.pick(at(30_000), &world, 100);
    assert_eq!(probe.len(), 1);
    assert!(scheduler.waits_for(ids[0], at(30_000)).is_some() || probe[0].subscription == ids[0]);
    // A probe that fails doubles the pause; who repaired the destination need not wait for its end.
    let again = scheduler.ended(probe.remove(0), ended(Health::Fails), at(30_001));
    assert_eq!(again, [Change::Breaker("https://down:443".into(), Turned::Open(at(90_001)))]);
    assert!(scheduler.pick(at(31_000), &world, 100).is_empty());
    scheduler.probe(Some(ids[0]), &world, at(31_000));
    let mut probe = scheduler.pick(at(31_000), &world, 100);
    assert_eq!(probe.len(), 1);
    let closed = scheduler.ended(probe.remove(0), ended(Health::Works), at(31_001));
    assert_eq!(closed, [Change::Breaker("https://down:443".into(), Turned::Closed)]);
    assert!(!scheduler.pick(at(31_001), &world, 100).is_empty());
}

#[test]
fn a_wish_to_be_left_alone_holds_the_whole_connection() {
    let (world, mut scheduler) = (World::default(), Scheduler::new(Limits::default()));
    let shared = Lane { connection: Some(ConnectionId::generate()), ..lane("a", "https://vendor:443") };
    let (first, second) = (world.add(shared.clone()), world.add(shared));
    let other = world.add(lane("a", "https://other:443"));
    scheduler.ready(first, &world);
    let ticket = scheduler.pick(at(0), &world, 1).remove(0);
    let asked = Ended { hold_until: Some(at(7_000)), ..ended(Health::Works) };
    scheduler.ended(ticket, asked, at(10));
    scheduler.ready(second, &world);
    scheduler.ready(other, &world);
    assert!(scheduler.pick(at(6_999), &world, 4).iter().all(|ticket| ticket.subscription == other));
    assert!(scheduler.pick(at(7_000), &world, 8).iter().any(|ticket| ticket.subscription == second));
}

#[test]
fn traps_in_a_row_of_one_build_quarantine_its_provider_and_a_pause_ends_with_a_change() {
    let (world, mut scheduler) = (World::default(), Scheduler::new(Limits { traps: 3, ..Limits::default() }));
    let id = world.add(lane("a", "https://a:443"));
    scheduler.ready(id, &world);
    let mut run = |trapped: &[bool]| -> Vec<Change> {
        let mut changes = Vec::new();
        for trapped in trapped {
            let ticket = scheduler.pick(at(0), &world, 1).remove(0);
            changes.extend(scheduler.ended(ticket, Ended { trapped: Some(*trapped), ..ended(Health::Unknown) }, at(0)));
        }
        changes
    };
    assert_eq!(run(&[true, true, false, true, true]), []);
    assert_eq!(run(&[true]), [Change::Quarantine("postern.webhook".parse().unwrap(), "a".into())]);
    world.change(id, Lane { paused: Some("a is paused".into()), ..lane("a", "https://a:443") });
    assert!(scheduler.pick(at(1), &world, 1).is_empty());
    assert!(scheduler.waits_for(id, at(1)).unwrap().contains("paused"));
    world.change(id, lane("a", "https://a:443"));
    assert_eq!(scheduler.pick(at(2), &world, 1).len(), 1);
}

#[test]
fn what_has_nothing_due_is_forgotten() {
    let (world, mut scheduler) = (World::default(), Scheduler::new(Limits::default()));
    for n in 0..1000 {
        let id = world.add(lane("a", &format!("https://host-{n}:443")));
        scheduler.ready(id, &world);
    }
    for _ in 0..4 {
        let tickets = scheduler.pick(at(0), &world, 512);
        tickets.into_iter().for_each(|ticket| scheduler.nothing_due(ticket, at(0)));
    }
    assert!(scheduler.subscriptions.is_empty(), "{:?}", scheduler.view());
    scheduler.look_around(at(1_000_000));
    assert!(scheduler.destinations.is_empty() && scheduler.providers.is_empty() && scheduler.lines.is_empty());
}

#[derive(Clone, Debug)]
enum Action {
    Arrive(usize, u8),
    Pick(usize),
    End(usize, Health, bool),
    Wait(i64),
    Look,
    Pause(usize, bool),
}

fn action() -> impl Strategy<Value = Action> {
    let health = prop_oneof![3 => Just(Health::Works), 2 => Just(Health::Fails), 1 => Just(Health::Unknown)];
    prop_oneof![
        4 => (0..12usize, 1..6u8).prop_map(|(lane, count)| Action::Arrive(lane, count)),
        4 => (1..20usize).prop_map(Action::Pick),
        8 => (0..50usize, health, any::<bool>()).prop_map(|(which, health, hold)| Action::End(which, health, hold)),
        2 => (1..20_000i64).prop_map(Action::Wait),
        1 => Just(Action::Look),
        1 => (0..12usize, any::<bool>()).prop_map(|(lane, paused)| Action::Pause(lane, paused)),
    ]
}

/// Twelve subscriptions of three tenants, with every kind of bound among them.
fn crowd(world: &World) -> Vec<SubscriptionId> {
    let shared = ConnectionId::generate();
    let second = Duration::from_secs(1);
    (0..12)
        .map(|n| {
            let plain = lane(["a", "b", "c"][n % 3], &format!("https://host-{}:443", n % 4));
            world.add(match n % 4 {
                0 => plain,
                1 => Lane { provider: "acme.narrow".parse().unwrap(), provider_limit: 2, ..plain },
                2 => Lane { quota: Some(Quota { deliveries: 2, per: second }), ..plain },
                _ => Lane { connection: Some(shared), connection_quota: Some(Quota { deliveries: 3, per: second }), ..plain },
            })
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happens: no bound is exceeded, nobody waits for something that is free, and in the end everything was
    /// attempted.
    #[test]
    fn no_bound_is_exceeded_and_nobody_is_forgotten(actions in prop::collection::vec(action(), 1..150)) {
        let world = World::default();
        let ids = crowd(&world);
        let limits = Limits {
            concurrency: 10,
            per_subscription: 3,
            per_destination: 5,
            breaker: BreakerOptions { failures: 3, ..BreakerOptions::default() },
            traps: 1_000_000,
        };
        let mut scheduler = Scheduler::new(limits);
        let mut due: BTreeMap<SubscriptionId, u32> = BTreeMap::new();
        let mut in_flight: Vec<Ticket> = Vec::new();
        let mut now = 0;
        let take = |scheduler: &mut Scheduler, due: &mut BTreeMap<SubscriptionId, u32>, in_flight: &mut Vec<Ticket>, now: i64, most: usize| {
            let mut picked = 0;
            for ticket in scheduler.pick(at(now), &world, most) {
                picked += 1;
                match due.get_mut(&ticket.subscription) {
                    Some(count) if *count > 0 => {
                        *count -= 1;
                        in_flight.push(ticket);
                    }
                    _ => scheduler.nothing_due(ticket, at(now)),
                }
            }
            picked
        };
        for action in actions {
            match action {
                Action::Arrive(lane, count) => {
                    *due.entry(ids[lane]).or_default() += u32::from(count);
                    scheduler.ready(ids[lane], &world);
                }
                Action::Pick(most) => { take(&mut scheduler, &mut due, &mut in_flight, now, most); }
                Action::End(which, health, hold) if !in_flight.is_empty() => {
                    let ticket = in_flight.swap_remove(which % in_flight.len());
                    let hold_until = hold.then(|| at(now + 500));
                    scheduler.ended(ticket, Ended { hold_until, ..ended(health) }, at(now));
                }
                Action::Wait(millis) => now += millis,
                Action::Look => scheduler.look_around(at(now)),
                Action::Pause(n, paused) => {
                    let paused = paused.then(|| "it is paused".into());
                    let changed = Lane { paused, ..(*world.lane(ids[n])).clone() };
                    world.change(ids[n], changed);
                }
                Action::End(..) => {}
            }
            prop_assert!(in_flight.len() <= limits.concurrency && scheduler.in_flight == in_flight.len());
            let of = |wanted: &dyn Fn(&Ticket) -> bool| in_flight.iter().filter(|ticket| wanted(ticket)).count();
            for id in &ids {
                prop_assert!(of(&|ticket| ticket.subscription == *id) <= limits.per_subscription);
            }
            prop_assert!(of(&|ticket| ticket.lane.provider.as_str() == "acme.narrow") <= 2);
            for n in 0..4 {
                let name = format!("https://host-{n}:443");
                let to_it = of(&|ticket| ticket.lane.destination.as_deref() == Some(name.as_str()));
                prop_assert!(to_it <= limits.per_destination);
            }
            // Nobody waits for something that is free.
            while take(&mut scheduler, &mut due, &mut in_flight, now, usize::MAX) > 0 {}
            if scheduler.free() > 0 {
                for id in due.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id) {
                    // What another did not use of a shared rate may be noticed only when the sleeper wakes: soon.
                    let soon = at(now + 1_000);
                    let sleeps = matches!(&scheduler.subscriptions[&id], Subscription { standing: Standing::Asleep(until), lane, .. }
                        if lane.connection.is_some() && *until <= soon);
                    prop_assert!(sleeps || scheduler.obstacle(id, at(now)).is_some(), "{:?} {:?}", scheduler.subscriptions.get(&id), scheduler.destinations);
                }
            }
        }
        // Once everything works, everything is attempted.
        for id in &ids {
            let lane = Lane { paused: None, ..(*world.lane(*id)).clone() };
            world.change(*id, lane);
        }
        for _ in 0..10_000 {
            in_flight.drain(..).for_each(|ticket| drop(scheduler.ended(ticket, ended(Health::Works), at(now))));
            if due.values().all(|count| *count == 0) {
                break;
            }
            now = scheduler.wakes_at().map_or(now + 1, |wakes| (wakes.as_millis() - at(0).as_millis()).max(now));
            scheduler.look_around(at(now));
            take(&mut scheduler, &mut due, &mut in_flight, now, usize::MAX);
        }
        prop_assert!(due.values().all(|count| *count == 0), "{due:?} {:?}", scheduler.view());
    }

    /// Tenants that always have work get equally many turns, however many subscriptions each has.
    #[test]
    fn tenants_share_equally(sizes in prop::collection::vec(1..30usize, 2..5), turns in 50..300usize) {
        let world = World::default();
        let mut scheduler = Scheduler::new(Limits { per_subscription: usize::MAX, per_destination: usize::MAX, ..Limits::default() });
        let mut tenant_of = HashMap::new();
        for (tenant, size) in sizes.iter().enumerate() {
            for n in 0..*size {
                let id = world.add(lane(&format!("t{tenant}"), &format!("https://t{tenant}-{n}:443")));
                tenant_of.insert(id, tenant);
                scheduler.ready(id, &world);
            }
        }
        let mut counts = vec![0usize; sizes.len()];
        for _ in 0..turns {
            let ticket = scheduler.pick(at(0), &world, 1).remove(0);
            counts[tenant_of[&ticket.subscription]] += 1;
            scheduler.ended(ticket, ended(Health::Works), at(0));
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{counts:?}");
    }
}
