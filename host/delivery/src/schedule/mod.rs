//! Which delivery is attempted next. Pure: the time is passed in, and what is due comes from outside.
//!
//! Work is taken in turns ([`turns`]): tenant after tenant, and of each tenant subscription after subscription. A
//! subscription whose turn it is is let through if all of these allow it; if not it waits for exactly what stands in its
//! way, and costs nothing meanwhile:
//!
//! | what | bound |
//! |---|---|
//! | everything | [`Limits::concurrency`] attempts at once |
//! | its provider | [`Lane::provider_limit`] |
//! | itself | [`Limits::per_subscription`] |
//! | its destination | a window that grows with each quick answer and shrinks with each failure, at most [`Limits::per_destination`]; a breaker ([`breaker`]) |
//! | slow destinations together | three quarters of all places, so that whoever answers quickly finds one; an eighth more for the first delivery to each of which nothing is known, so that it can show that it is quick |
//! | its own rate, and that of its connection | [`bucket`] |
//!
//! Invariants, which the property tests hold: what is in flight never exceeds a bound; whoever has work and is kept
//! from it by nothing is let through; nobody waits for something that is free.

mod breaker;
mod bucket;
mod destination;
mod lanes;
#[cfg(test)]
mod tests;
mod turns;
mod view;

pub use breaker::{Breaker, BreakerOptions};
pub use bucket::{Bucket, Quota};
pub use destination::{Health, SLOW, Turned};
pub use lanes::{Lane, Lanes};
pub use view::{DestinationView, View};

use breaker::Passage;
use destination::Destination;
use postern_core::{ConnectionId, ProviderId, SubscriptionId, Timestamp};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use turns::Turns;

/// The bounds of what is in flight.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// All attempts at once. Default: 512.
    pub concurrency: usize,
    /// Those of one subscription. Default: 128.
    pub per_subscription: usize,
    /// Those on their way to one destination. Default: 128.
    pub per_destination: usize,
    /// Breakers.
    pub breaker: BreakerOptions,
    /// A provider is quarantined when so many calls in a row trapped. Default: 5.
    pub traps: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 512, per_subscription: 128, per_destination: 128, breaker: BreakerOptions::default(), traps: 5 }
    }
}

/// A delivery of a subscription may be attempted. It takes a place until it is given back.
#[derive(Debug)]
pub struct Ticket {
    /// Whose turn it is.
    pub subscription: SubscriptionId,
    lane: Arc<Lane>,
    started: Timestamp,
    probe: bool,
}

/// How an attempt ended, as far as the schedule is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// What it tells of the destination.
    pub health: Health,
    /// How long it took.
    pub took: Duration,
    /// Until when the target wants to be left alone.
    pub hold_until: Option<Timestamp>,
    /// Whether the provider trapped; none if it was not called.
    pub trapped: Option<bool>,
}

/// Something that is worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A destination's breaker turned.
    Breaker(Arc<str>, Turned),
    /// So many calls of this build in a row trapped that the provider is to be quarantined.
    Quarantine(ProviderId, Arc<str>),
}

/// What a subscription waits for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Obstacle {
    /// An attempt of its own to end.
    Itself,
    /// A place on the way to its destination, the probe that is on its way, or one of the places that slow destinations
    /// share.
    Destination(Arc<str>),
    /// A place at its provider.
    Provider(ProviderId),
    /// The catalog to change.
    Catalog,
}

/// Where a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing of it is due.
    Idle,
    /// In the ring.
    Turn,
    /// Until a moment.
    Asleep(Timestamp),
    /// In the line before an obstacle.
    Behind(Obstacle),
}

#[derive(Debug)]
struct Subscription {
    lane: Arc<Lane>,
    generation: u64,
    standing: Standing,
    in_ring: bool,
    /// What it waited behind when it got its turn. If it cannot use what became free there, the next in line may.
    freed_by: Option<Obstacle>,
    in_flight: usize,
    bucket: Bucket,
}

#[derive(Debug, Default)]
struct Provider {
    in_flight: usize,
    /// How many calls of which build trapped in a row.
    traps: (Option<Arc<str>>, u32),
}

/// See the module.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    turns: Turns,
    subscriptions: HashMap<SubscriptionId, Subscription>,
    destinations: HashMap<Arc<str>, Destination>,
    providers: HashMap<ProviderId, Provider>,
    connections: HashMap<ConnectionId, Bucket>,
    lines: HashMap<Obstacle, VecDeque<SubscriptionId>>,
    /// Destinations before which somebody waits for one of the places that slow ones share.
    slow_line: VecDeque<Arc<str>>,
    /// Those of them that have not been tried out.
    trial_line: VecDeque<Arc<str>>,
    asleep: BinaryHeap<Reverse<(Timestamp, SubscriptionId)>>,
    in_flight: usize,
    slow_in_flight: usize,
    generation: u64,
}

impl Scheduler {
    /// A schedule with nothing in it.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            turns: Turns::default(),
            subscriptions: HashMap::new(),
            destinations: HashMap::new(),
            providers: HashMap::new(),
            connections: HashMap::new(),
            lines: HashMap::new(),
            slow_line: VecDeque::new(),
            trial_line: VecDeque::new(),
            asleep: BinaryHeap::new(),
            in_flight: 0,
            slow_in_flight: 0,
            generation: 0,
        }
    }

    /// A subscription has something due.
    pub fn ready(&mut self, id: SubscriptionId, lanes: &impl Lanes) {
        let generation = lanes.generation();
        let subscription = self.subscriptions.entry(id).or_insert_with(|| Subscription {
            lane: lanes.lane(id),
            generation,
            standing: Standing::Idle,
            in_ring: false,
            freed_by: None,
            in_flight: 0,
            bucket: Bucket::default(),
        });
        if subscription.standing == Standing::Idle {
            self.line_up(id);
        }
    }

    /// A subscription had less that is due than it was let through for: it has nothing more. The ticket's place is free.
    pub fn nothing_due(&mut self, ticket: Ticket, now: Timestamp) {
        let id = ticket.subscription;
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.standing = Standing::Idle;
            subscription.bucket.give_back();
        }
        if let Some(bucket) = ticket.lane.connection.and_then(|connection| self.connections.get_mut(&connection)) {
            bucket.give_back();
        }
        self.leave(&ticket, Health::Unknown, Duration::ZERO, now);
        self.forget(id, now);
    }

    /// Lets through up to `most` deliveries, in turns.
    pub fn pick(&mut self, now: Timestamp, lanes: &impl Lanes, most: usize) -> Vec<Ticket> {
        self.notice_changes(lanes);
        self.wake(now);
        let mut tickets = Vec::new();
        while tickets.len() < most && self.in_flight < self.limits.concurrency {
            let Some(id) = self.turns.next() else { break };
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            subscription.in_ring = false;
            let freed_by = subscription.freed_by.take();
            if subscription.standing != Standing::Turn {
                self.turns.give_back(&subscription.lane.tenant);
                self.pass_on(freed_by);
                self.forget(id, now);
                continue;
            }
            if subscription.generation != self.generation {
                subscription.lane = lanes.lane(id);
                subscription.generation = self.generation;
            }
            match self.obstacle(id, now) {
                None => {
                    tickets.extend(self.let_through(id, now));
                    self.line_up(id);
                }
                Some(standing) => {
                    if let Some(subscription) = self.subscriptions.get(&id) {
                        self.turns.give_back(&subscription.lane.tenant);
                    }
                    let passed = freed_by.filter(|obstacle| standing != Standing::Behind(obstacle.clone()));
                    self.wait(id, standing);
                    self.pass_on(passed);
                }
            }
        }
        tickets
    }

    /// Lets a destination that is left alone be probed at once: that of a subscription, or every one.
    pub fn probe(&mut self, subscription: Option<SubscriptionId>, lanes: &impl Lanes, now: Timestamp) {
        let named = subscription.map(|id| lanes.lane(id).destination.clone());
        for (name, destination) in &mut self.destinations {
            if named.as_ref().is_none_or(|named| named.as_ref() == Some(name)) {
                destination.breaker.probe_at_once(now);
            }
        }
        // Whoever sleeps until the old moment looks again.
        self.generation = 0;
    }

    /// When [`pick`](Self::pick) may let something through that it does not now, without anything else happening.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        self.asleep.peek().map(|Reverse((at, _))| *at)
    }

    /// How many attempts may still begin.
    pub fn free(&self) -> usize {
        self.limits.concurrency.saturating_sub(self.in_flight)
    }

    /// An attempt ended: its place is free, and something is known of its destination.
    pub fn ended(&mut self, ticket: Ticket, ended: Ended, now: Timestamp) -> Vec<Change> {
        let mut changes = Vec::new();
        if let Some(until) = ended.hold_until {
            self.hold(&ticket, until, now);
        }
        if let Some(turned) = self.leave(&ticket, ended.health, ended.took, now)
            && let Some(destination) = &ticket.lane.destination
        {
            changes.push(Change::Breaker(destination.clone(), turned));
        }
        if let (Some(trapped), Some(build)) = (ended.trapped, &ticket.lane.build) {
            let provider = self.providers.entry(ticket.lane.provider.clone()).or_default();
            let (known, traps) = &mut provider.traps;
            *traps = if trapped && known.as_ref() == Some(build) { *traps + 1 } else { u32::from(trapped) };
            *known = trapped.then(|| build.clone());
            if trapped && *traps == self.limits.traps {
                changes.push(Change::Quarantine(ticket.lane.provider.clone(), build.clone()));
            }
        }
        self.forget(ticket.subscription, now);
        changes
    }

    /// To be called about every second: notices attempts that hang, and forgets what nobody needs any more.
    pub fn look_around(&mut self, now: Timestamp) {
        const KEPT: Duration = Duration::from_secs(600);
        self.slow_in_flight = 0;
        self.destinations.retain(|_, destination| {
            destination.look(now);
            if destination.is_slow() {
                self.slow_in_flight += destination.in_flight;
            }
            !(destination.is_idle() && now.since(destination.last_used) > KEPT)
        });
        self.connections.retain(|_, bucket| !bucket.is_idle(now));
        self.providers.retain(|_, provider| provider.in_flight > 0 || provider.traps.1 > 0);
        self.free_slow_places();
    }

    /// Every subscription that waits for a change of the catalog, or whose bounds may have changed, gets a turn.
    fn notice_changes(&mut self, lanes: &impl Lanes) {
        let generation = lanes.generation();
        if self.generation == generation {
            return;
        }
        self.generation = generation;
        self.lines.clear();
        self.asleep.clear();
        let waiting = |subscription: &Subscription| {
            matches!(subscription.standing, Standing::Asleep(_) | Standing::Behind(_)) && !subscription.in_ring
        };
        let all: Vec<_> =
            self.subscriptions.iter().filter(|(_, subscription)| waiting(subscription)).map(|(id, _)| *id).collect();
        all.into_iter().for_each(|id| self.line_up(id));
    }

    fn wake(&mut self, now: Timestamp) {
        while let Some(Reverse((at, id))) = self.asleep.peek().copied()
            && at <= now
        {
            self.asleep.pop();
            if self.subscriptions.get(&id).is_some_and(|subscription| subscription.standing == Standing::Asleep(at)) {
                self.line_up(id);
            }
        }
    }

    fn line_up(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.standing = Standing::Turn;
        if !subscription.in_ring {
            subscription.in_ring = true;
            self.turns.add(&subscription.lane.tenant, id);
        }
    }

    fn wait(&mut self, id: SubscriptionId, standing: Standing) {
        match &standing {
            Standing::Asleep(until) => self.asleep.push(Reverse((*until, id))),
            Standing::Idle | Standing::Turn | Standing::Behind(Obstacle::Itself | Obstacle::Catalog) => {}
            Standing::Behind(obstacle) => self.lines.entry(obstacle.clone()).or_default().push_back(id),
        }
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            subscription.standing = standing;
        }
    }

    fn slow_places(&self) -> usize {
        (self.limits.concurrency * 3 / 4).max(1)
    }

    /// Further places for first deliveries to destinations of which nothing is known.
    fn trial_places(&self) -> usize {
        (self.limits.concurrency - self.slow_places()) / 2
    }

    /// What keeps a subscription from being let through.
    fn obstacle(&mut self, id: SubscriptionId, now: Timestamp) -> Option<Standing> {
        let subscription = self.subscriptions.get_mut(&id)?;
        let lane = subscription.lane.clone();
        if lane.paused.is_some() {
            return Some(Standing::Behind(Obstacle::Catalog));
        }
        if subscription.in_flight >= self.limits.per_subscription {
            return Some(Standing::Behind(Obstacle::Itself));
        }
        subscription.bucket.set_quota(lane.quota);
        let mut ready_at = subscription.bucket.ready_at();
        if let Some(connection) = lane.connection {
            let bucket = self.connections.entry(connection).or_default();
            bucket.set_quota(lane.connection_quota);
            ready_at = ready_at.max(bucket.ready_at());
        }
        if ready_at > now {
            return Some(Standing::Asleep(ready_at));
        }
        if self.providers.get(&lane.provider).is_some_and(|provider| provider.in_flight >= lane.provider_limit) {
            return Some(Standing::Behind(Obstacle::Provider(lane.provider.clone())));
        }
        let name = lane.destination.as_ref()?;
        let slow_is_full = self.slow_in_flight >= self.slow_places();
        let trials_are_full = self.slow_in_flight >= self.slow_places() + self.trial_places();
        let destination = self.destinations.entry(name.clone()).or_default();
        match destination.breaker.passage(now) {
            Passage::Free | Passage::Probe if !destination.has_room() => {
                Some(Standing::Behind(Obstacle::Destination(name.clone())))
            }
            Passage::Free | Passage::Probe if destination.is_untried() && !trials_are_full => None,
            Passage::Free | Passage::Probe if destination.is_slow() && slow_is_full => {
                if !std::mem::replace(&mut destination.in_slow_line, true) {
                    self.slow_line.push_back(name.clone());
                }
                if destination.is_untried() && !std::mem::replace(&mut destination.in_trial_line, true) {
                    self.trial_line.push_back(name.clone());
                }
                Some(Standing::Behind(Obstacle::Destination(name.clone())))
            }
            Passage::Free | Passage::Probe => None,
            Passage::After(until) => Some(Standing::Asleep(until)),
            Passage::Behind => Some(Standing::Behind(Obstacle::Destination(name.clone()))),
        }
    }

    fn let_through(&mut self, id: SubscriptionId, now: Timestamp) -> Option<Ticket> {
        let subscription = self.subscriptions.get_mut(&id)?;
        let lane = subscription.lane.clone();
        subscription.in_flight += 1;
        subscription.bucket.take(now);
        if let Some(bucket) = lane.connection.and_then(|connection| self.connections.get_mut(&connection)) {
            bucket.take(now);
        }
        self.providers.entry(lane.provider.clone()).or_default().in_flight += 1;
        self.in_flight += 1;
        let mut probe = false;
        if let Some(name) = &lane.destination {
            let destination = self.destinations.entry(name.clone()).or_default();
            probe = destination.begin(now);
            self.slow_in_flight += usize::from(destination.is_slow());
        }
        Some(Ticket { subscription: id, lane, started: now, probe })
    }

    /// Frees a ticket's places and lets those in that wait for them.
    fn leave(&mut self, ticket: &Ticket, health: Health, took: Duration, now: Timestamp) -> Option<Turned> {
        let lane = &ticket.lane;
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(subscription) = self.subscriptions.get_mut(&ticket.subscription) {
            subscription.in_flight = subscription.in_flight.saturating_sub(1);
            if subscription.standing == Standing::Behind(Obstacle::Itself) {
                self.line_up(ticket.subscription);
            }
        }
        if let Some(provider) = self.providers.get_mut(&lane.provider) {
            provider.in_flight = provider.in_flight.saturating_sub(1);
            let room = lane.provider_limit.saturating_sub(provider.in_flight);
            self.free_up(&Obstacle::Provider(lane.provider.clone()), room);
        }
        let name = lane.destination.as_ref()?;
        let destination = self.destinations.get_mut(name)?;
        let slow_before = if destination.is_slow() { destination.in_flight } else { 0 };
        destination.end(ticket.started);
        let (most, options) = (self.limits.per_destination, self.limits.breaker);
        let turned = destination.learn(health, took, ticket.probe, now, most, &options);
        let slow_after = if destination.is_slow() { destination.in_flight } else { 0 };
        let room = match destination.breaker {
            Breaker::Closed { .. } => destination.room(),
            // They learn when to come again.
            Breaker::Open { .. } => usize::MAX,
            Breaker::Probing { .. } => 0,
        };
        self.slow_in_flight = (self.slow_in_flight + slow_after).saturating_sub(slow_before);
        self.free_up(&Obstacle::Destination(name.clone()), room);
        self.free_slow_places();
        turned
    }

    /// Lets one in before each of the destinations that wait for a place of the slow ones, in turns.
    fn free_slow_places(&mut self) {
        let mut places = self.slow_places().saturating_sub(self.slow_in_flight);
        while places > 0
            && let Some(name) = self.slow_line.pop_front()
        {
            let obstacle = Obstacle::Destination(name.clone());
            let Some(destination) = self.destinations.get_mut(&name) else { continue };
            destination.in_slow_line = false;
            // Otherwise it is not for the slow places that they wait.
            let probing = matches!(destination.breaker, Breaker::Probing { .. });
            if probing || !destination.has_room() || !self.lines.contains_key(&obstacle) {
                continue;
            }
            places -= 1;
            self.free_up(&obstacle, 1);
            if self.lines.contains_key(&obstacle)
                && let Some(destination) = self.destinations.get_mut(&name)
            {
                destination.in_slow_line = true;
                self.slow_line.push_back(name);
            }
        }
        self.free_trial_places();
    }

    /// Lets one in before each of the destinations that wait to be tried out.
    fn free_trial_places(&mut self) {
        let mut places = (self.slow_places() + self.trial_places()).saturating_sub(self.slow_in_flight);
        while places > 0
            && let Some(name) = self.trial_line.pop_front()
        {
            let Some(destination) = self.destinations.get_mut(&name) else { continue };
            destination.in_trial_line = false;
            if destination.is_untried() {
                places -= 1;
                self.free_up(&Obstacle::Destination(name), 1);
            }
        }
    }

    /// Somebody got a turn because of what became free behind an obstacle, and has no use for it: the next may have.
    fn pass_on(&mut self, freed_by: Option<Obstacle>) {
        if let Some(obstacle) = freed_by {
            self.free_up(&obstacle, 1);
        }
        self.free_slow_places();
    }

    /// Gives a turn to the first `room` of those that wait behind an obstacle.
    fn free_up(&mut self, obstacle: &Obstacle, room: usize) {
        let Some(line) = self.lines.get_mut(obstacle) else { return };
        let mut next = Vec::new();
        while next.len() < room
            && let Some(id) = line.pop_front()
        {
            let waits =
                |subscription: &Subscription| matches!(&subscription.standing, Standing::Behind(behind) if behind == obstacle);
            if self.subscriptions.get(&id).is_some_and(waits) {
                next.push(id);
            }
        }
        if line.is_empty() {
            self.lines.remove(obstacle);
        }
        for id in next {
            self.line_up(id);
            if let Some(subscription) = self.subscriptions.get_mut(&id) {
                subscription.freed_by = Some(obstacle.clone());
            }
        }
    }

    /// The target asked to be left alone: the bucket of the connection, or else of the subscription, waits.
    fn hold(&mut self, ticket: &Ticket, until: Timestamp, now: Timestamp) {
        if until <= now {
            return;
        }
        match ticket.lane.connection {
            Some(connection) => self.connections.entry(connection).or_default().hold_until(until),
            None => {
                if let Some(subscription) = self.subscriptions.get_mut(&ticket.subscription) {
                    subscription.bucket.hold_until(until);
                }
            }
        }
    }

    /// Forgets a subscription of which nothing is due or in flight, unless its bucket still counts.
    fn forget(&mut self, id: SubscriptionId, now: Timestamp) {
        let idle = |subscription: &Subscription| {
            subscription.standing == Standing::Idle
                && !subscription.in_ring
                && subscription.in_flight == 0
                && subscription.bucket.is_idle(now)
        };
        if self.subscriptions.get(&id).is_some_and(idle) {
            self.subscriptions.remove(&id);
        }
    }
}
