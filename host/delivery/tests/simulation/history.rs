//! What happens, step by step, as the coordinator does it; each step is checked.

use crate::lanes::{NARROW, SUBSCRIPTIONS, TENANTS, World, destination};
use crate::queue::{Queue, policy, retries};
use postern_core::Timestamp;
use postern_core::delivery::{Cause, Class, Outcome, Retry, Run, State};
use postern_delivery::machine;
use postern_delivery::schedule::{self, BreakerOptions, Ended, Health, Limits, Quota, Scheduler, Ticket};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

const LIMITS: Limits = Limits {
    concurrency: 10,
    per_subscription: 3,
    per_destination: 5,
    breaker: BreakerOptions { failures: 3, pause: Duration::from_secs(30), longest: Duration::from_secs(600) },
    traps: 4,
};

/// How an attempt ends.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Success,
    Backoff,
    /// The provider asks for this delay, in milliseconds.
    After(u64),
    Never,
    /// The target refuses for its rate, for so many milliseconds.
    Refused(u64),
    Ambiguous,
    Trap,
}

/// What of a subscription changes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Paused(bool),
    Enabled(bool),
    Quota(Option<(u32, u64)>),
    Destination(usize),
    Policy(usize),
    Hold(bool),
    /// Its provider gets another build, which ends a quarantine.
    Build,
}

/// A step.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Emit(usize, Option<u8>, u8),
    Begin(usize),
    End(usize, Ending, f64),
    Record,
    Wait(i64),
    Look,
    Change(usize, Change),
    Crash,
    ClaimFails,
    Reopen(usize),
    Cancel(usize),
}

#[derive(Clone, Debug)]
struct Settings {
    enabled: bool,
    policy: usize,
    hold: bool,
    /// The most retries that any policy of it allowed.
    most_retries: u32,
}

struct Attempt {
    ticket: Ticket,
    delivery: usize,
    destination: Option<Arc<str>>,
    narrow: bool,
}

struct Finished {
    delivery: usize,
    state: State,
    run: Run,
    hold: bool,
}

/// See the module.
pub(crate) struct History {
    now: Timestamp,
    world: World,
    queue: Queue,
    scheduler: Scheduler,
    settings: Vec<Settings>,
    in_flight: Vec<Attempt>,
    recording: Vec<Finished>,
    /// The deliveries that have been final.
    was_final: BTreeSet<usize>,
    /// How many attempts of a delivery's run were recorded that were not refused.
    counted: HashMap<(usize, u32), u32>,
    /// How many others were let through while the calm tenant had work and was not.
    bypassed: usize,
    builds: u32,
}

impl History {
    pub(crate) fn new() -> Self {
        let settings = Settings { enabled: true, policy: 0, hold: false, most_retries: retries(&policy(0)) };
        Self {
            now: Timestamp::from_millis(1_000_000_000_000),
            world: World::new(),
            queue: Queue::new(SUBSCRIPTIONS),
            scheduler: Scheduler::new(LIMITS),
            settings: vec![settings; SUBSCRIPTIONS],
            in_flight: Vec::new(),
            recording: Vec::new(),
            was_final: BTreeSet::new(),
            counted: HashMap::new(),
            bypassed: 0,
            builds: 1,
        }
    }

    pub(crate) fn step(&mut self, action: Action) {
        match action {
            Action::Emit(lane, entity, count) => {
                for _ in 0..count {
                    self.queue.ingest(lane, entity, self.now);
                }
            }
            Action::Begin(most) => drop(self.begin(most, true)),
            Action::ClaimFails => drop(self.begin(usize::MAX, false)),
            Action::End(which, ending, chance) if !self.in_flight.is_empty() => {
                let attempt = self.in_flight.swap_remove(which % self.in_flight.len());
                self.end(attempt, &ending, chance);
            }
            Action::End(..) => {}
            Action::Record => self.record(),
            Action::Wait(millis) => self.now = Timestamp::from_millis(self.now.as_millis() + millis),
            Action::Look => self.scheduler.look_around(self.now),
            Action::Change(lane, change) => self.change(lane, change),
            Action::Crash => {
                self.scheduler = Scheduler::new(LIMITS);
                self.in_flight.clear();
                self.recording.clear();
                self.queue.crash();
                self.bypassed = 0;
            }
            Action::Reopen(which) if !self.queue.deliveries.is_empty() => {
                let id = which % self.queue.deliveries.len();
                self.queue.reopen(id, self.now);
            }
            Action::Cancel(which) if !self.queue.deliveries.is_empty() => {
                let id = which % self.queue.deliveries.len();
                self.queue.cancel(id);
                if self.queue.deliveries[id].state.is_final() {
                    self.was_final.insert(id);
                }
            }
            Action::Reopen(_) | Action::Cancel(_) => {}
        }
    }

    /// Lets everything work, and goes on until nothing is left to do. The clock moves only to moments of which the schedule
    /// or the queue spoke: whoever is forgotten by both is found.
    pub(crate) fn heal(&mut self) {
        for lane in 0..SUBSCRIPTIONS {
            self.change(lane, Change::Paused(false));
            self.change(lane, Change::Enabled(true));
        }
        for _ in 0..20_000 {
            self.record();
            while self.begin(usize::MAX, true) > 0 {}
            if !self.in_flight.is_empty() {
                let all = std::mem::take(&mut self.in_flight);
                all.into_iter().for_each(|attempt| self.end(attempt, &Ending::Success, 0.5));
                continue;
            }
            let wakes = [self.queue.next_due(), self.scheduler.wakes_at()].into_iter().flatten().min();
            if let Some(wakes) = wakes {
                self.now = self.now.max(wakes);
                continue;
            }
            // What is held waits for a person.
            let holders = self.queue.holders();
            if holders.is_empty() {
                return;
            }
            holders.into_iter().for_each(|id| self.queue.cancel(id));
        }
        panic!("it does not come to an end: {:?}", self.scheduler.view());
    }

    /// What is not final, with what the schedule says of it.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let waits = |subscription: usize| self.scheduler.waits_for(self.world.ids[subscription], self.now);
        let unfinished = self.queue.deliveries.iter().filter(|delivery| !delivery.state.is_final());
        unfinished.map(|delivery| format!("{delivery:?}: {:?}", waits(delivery.subscription))).collect()
    }

    /// As the coordinator begins attempts. Answers with how many tickets there were.
    fn begin(&mut self, most: usize, claims: bool) -> usize {
        for subscription in self.queue.ready(self.now) {
            self.scheduler.ready(self.world.ids[subscription], &self.world);
        }
        let calm_work: usize = (0..SUBSCRIPTIONS).filter(|lane| self.world.is_calm(*lane)).map(|lane| self.calm_work(lane)).sum();
        let tickets = self.scheduler.pick(self.now, &self.world, most);
        let count = tickets.len();
        self.check_turns(&tickets, calm_work);
        let mut places: BTreeMap<usize, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets {
            places.entry(self.world.number(ticket.subscription)).or_default().push(ticket);
        }
        for (subscription, mut tickets) in places {
            if !claims {
                for ticket in tickets {
                    self.scheduler.ended(ticket, nothing_known(), self.now);
                }
                continue;
            }
            for delivery in self.queue.claim(self.now, subscription, tickets.len()) {
                self.check_claim(delivery);
                let lane = self.world.of(subscription);
                let (destination, narrow) = (lane.destination.clone(), lane.provider_limit == NARROW);
                let ticket = tickets.pop().unwrap();
                self.in_flight.push(Attempt { ticket, delivery, destination, narrow });
            }
            for ticket in tickets {
                self.scheduler.nothing_due(ticket, self.now);
            }
        }
        self.check_bounds();
        count
    }

    fn calm_work(&self, lane: usize) -> usize {
        let on_their_way = self.in_flight.iter().filter(|attempt| attempt.ticket.subscription == self.world.ids[lane]).count();
        self.queue.claimable(lane, self.now).min(LIMITS.per_subscription.saturating_sub(on_their_way))
    }

    /// While a tenant has work that nothing keeps, every other one is let through once at most before it is its turn.
    fn check_turns(&mut self, tickets: &[Ticket], mut calm_work: usize) {
        for ticket in tickets {
            if self.world.is_calm(self.world.number(ticket.subscription)) {
                self.bypassed = 0;
                calm_work = calm_work.saturating_sub(1);
            } else if calm_work > 0 {
                self.bypassed += 1;
            } else {
                self.bypassed = 0;
            }
            assert!(self.bypassed < TENANTS.len(), "{} others were let through before the calm tenant", self.bypassed);
        }
    }

    /// Nothing is attempted after it is final, and never out of order.
    fn check_claim(&self, id: usize) {
        let delivery = &self.queue.deliveries[id];
        assert!(!delivery.state.is_final(), "{delivery:?}");
        let on_its_way = |other: usize| {
            self.in_flight.iter().any(|attempt| attempt.delivery == other)
                || self.recording.iter().any(|finished| finished.delivery == other)
        };
        assert!(!on_its_way(id), "claimed twice: {delivery:?}");
        let Some(entity) = delivery.entity else { return };
        let held_by = self.queue.is_held(delivery.subscription, entity);
        assert!(held_by.is_none_or(|holder| holder == id), "the entity is held by {held_by:?}: {delivery:?}");
        let same = |other: &usize| {
            let known = &self.queue.deliveries[*other];
            *other != id && known.subscription == delivery.subscription && known.entity == delivery.entity
        };
        for other in (0..self.queue.deliveries.len()).filter(same) {
            assert!(!on_its_way(other), "two about one entity at once: {delivery:?}");
            let went_before = other > id || self.was_final.contains(&other);
            assert!(went_before, "it goes before one that was emitted earlier: {delivery:?}");
        }
    }

    fn check_bounds(&self) {
        assert!(self.in_flight.len() <= LIMITS.concurrency);
        let count = |wanted: &dyn Fn(&Attempt) -> bool| self.in_flight.iter().filter(|attempt| wanted(attempt)).count();
        for id in &self.world.ids {
            assert!(count(&|attempt| attempt.ticket.subscription == *id) <= LIMITS.per_subscription);
        }
        assert!(count(&|attempt| attempt.narrow) <= NARROW);
        for number in 0..4 {
            let name = destination(number);
            assert!(count(&|attempt| attempt.destination.as_ref() == Some(&name)) <= LIMITS.per_destination);
        }
    }

    /// As the coordinator ends an attempt: its place is free before the outcome is recorded.
    fn end(&mut self, attempt: Attempt, ending: &Ending, chance: f64) {
        let Attempt { ticket, delivery: id, .. } = attempt;
        let delivery = self.queue.deliveries[id].clone();
        let settings = self.settings[delivery.subscription].clone();
        if !settings.enabled {
            self.scheduler.ended(ticket, nothing_known(), self.now);
            let state = State::Failed { error: "disabled".into(), reason: Some(Class::Withdrawn.into()) };
            self.recording.push(Finished { delivery: id, state, run: delivery.run, hold: false });
            return;
        }
        let failure = |cause, retry, ambiguous| Outcome::Failure { cause, message: "no".into(), retry, ambiguous };
        let until = |millis: u64| self.now.saturating_add(Duration::from_millis(millis.min(86_400_000)));
        let (outcome, health, refused_until) = match *ending {
            Ending::Success => (Outcome::Success { external_id: None }, Health::Works, None),
            Ending::Backoff => (failure(Cause::Provider, Retry::Backoff, false), Health::Fails, None),
            Ending::After(milliseconds) => (failure(Cause::Provider, Retry::After { milliseconds }, false), Health::Fails, None),
            Ending::Never => (failure(Cause::Provider, Retry::Never, false), Health::Works, None),
            Ending::Refused(millis) => (failure(Cause::Provider, Retry::Backoff, false), Health::Works, Some(until(millis))),
            Ending::Ambiguous => (failure(Cause::Provider, Retry::Backoff, true), Health::Fails, None),
            Ending::Trap => (failure(Cause::Trap, Retry::Backoff, false), Health::Unknown, None),
        };
        let ended = Ended {
            health,
            took: Duration::from_millis((chance * 2_000.0) as u64),
            hold_until: refused_until.filter(|_| !self.world.is_calm(delivery.subscription)),
            trapped: Some(matches!(ending, Ending::Trap)),
        };
        for change in self.scheduler.ended(ticket, ended, self.now) {
            if let schedule::Change::Quarantine(provider, build) = change {
                for lane in 0..SUBSCRIPTIONS {
                    let known = self.world.of(lane);
                    if known.provider == provider && known.build.as_ref() == Some(&build) {
                        self.world.change(lane, |lane| lane.paused = Some("it is paused".into()));
                    }
                }
            }
        }
        let before = delivery.run;
        let ended = machine::Ended { outcome: &outcome, reason: None, refused_until, accepted_at: delivery.accepted_at };
        let (state, run) = machine::after_attempt(&policy(settings.policy), before, ended, self.now, chance);
        assert_eq!((run.number, run.started_at), (before.number, before.started_at));
        assert!(run.ambiguous >= before.ambiguous, "an unknown effect is not forgotten");
        if let State::Retrying { next_attempt_at, .. } = &state {
            let day = Duration::from_secs(24 * 60 * 60 + 60);
            assert!(*next_attempt_at >= self.now && next_attempt_at.since(self.now) <= day, "{state:?}");
            assert!(refused_until.is_none_or(|until| *next_attempt_at >= until || run.retries > before.retries), "{state:?}");
        }
        self.recording.push(Finished { delivery: id, state, run, hold: settings.hold });
    }

    fn record(&mut self) {
        for Finished { delivery: id, state, run, hold } in std::mem::take(&mut self.recording) {
            let before = self.queue.deliveries[id].run;
            if run.retries > before.retries || state.is_final() {
                let counted = self.counted.entry((id, run.number)).or_default();
                *counted += 1;
                let most = 1 + self.settings[self.queue.deliveries[id].subscription].most_retries;
                assert!(*counted <= most, "{counted} attempts that counted, {most} are allowed: {:?}", self.queue.deliveries[id]);
            }
            if state.is_final() {
                self.was_final.insert(id);
            }
            self.queue.finish(id, state, run, hold);
        }
    }

    fn change(&mut self, lane: usize, change: Change) {
        let settings = &mut self.settings[lane];
        match change {
            Change::Paused(paused) => self.world.change(lane, |lane| lane.paused = paused.then(|| "it is paused".into())),
            Change::Enabled(enabled) => settings.enabled = enabled,
            Change::Quota(quota) => {
                let quota = quota.map(|(deliveries, millis)| Quota { deliveries, per: Duration::from_millis(millis) });
                self.world.change(lane, |lane| lane.quota = quota);
            }
            Change::Destination(number) => self.world.change(lane, |lane| lane.destination = Some(destination(number))),
            Change::Policy(number) => {
                settings.policy = number;
                settings.most_retries = settings.most_retries.max(retries(&policy(number)));
            }
            Change::Hold(hold) => settings.hold = hold,
            Change::Build => {
                self.builds += 1;
                let (provider, build): (_, Arc<str>) = (self.world.of(lane).provider.clone(), self.builds.to_string().into());
                for other in 0..SUBSCRIPTIONS {
                    if self.world.of(other).provider == provider {
                        self.world.change(other, |lane| (lane.build, lane.paused) = (Some(build.clone()), None));
                    }
                }
            }
        }
    }
}

fn nothing_known() -> Ended {
    Ended { health: Health::Unknown, took: Duration::ZERO, hold_until: None, trapped: None }
}
