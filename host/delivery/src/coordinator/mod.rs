//! Claims what is due and runs attempts: in the order that the schedule says, so many at once and no more.
//!
//! | module | what it does |
//! |---|---|
//! | `deliver` | one delivery, from its claim to what is to be recorded |
//! | `record` | makes outcomes durable, many in one commit, and tells of them |
//! | `span` | the trace of an attempt |
//! | `purge` | removes what is old |
//! | [`options`] | how it works |

mod deliver;
mod options;
mod purge;
mod record;
mod span;

pub use options::Options;
pub use span::SPAN_TARGET;

use crate::catalog::quarantine;
use crate::schedule::{Change, DestinationView, Ended, Health, Scheduler, Ticket, Turned, View};
use crate::watch::Watch;
use crate::{Catalog, replay};
use parking_lot::Mutex;
use postern_core::{SubscriptionId, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many deliveries are claimed at once at most.
const CLAIM_MOST: usize = 256;
/// How many are claimed at once where few were due before. For each a place is taken in the schedule, and given back if nothing is
/// due: that would cost more than the rest of a claim if there were many.
const CLAIM_LEAST: usize = 4;
/// How often the schedule looks for attempts that hang.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Sees to deliveries until it is told to stop.
pub struct Coordinator {
    catalog: Arc<Catalog>,
    options: Options,
    schedule: Arc<Mutex<Scheduler>>,
    freed: Arc<Notify>,
}

/// The coordinator's schedule, for whoever wants to look. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    catalog: Arc<Catalog>,
    schedule: Arc<Mutex<Scheduler>>,
    freed: Arc<Notify>,
}

impl Handle {
    /// How much is on its way, and who waits.
    pub fn view(&self) -> View {
        self.schedule.lock().view()
    }

    /// The destinations that anything is known of, by name.
    pub fn destinations(&self) -> Vec<DestinationView> {
        self.schedule.lock().destinations()
    }

    /// Lets the destination of a subscription, or of all, be probed at once if it is left alone: somebody wants to know.
    pub fn probe(&self, subscription: Option<SubscriptionId>) {
        self.schedule.lock().probe(subscription, &*self.catalog, self.catalog.clock.now());
        self.freed.notify_one();
    }

    /// What keeps the deliveries of a subscription waiting, for people; none if nothing does.
    pub fn waits_for(&self, subscription: SubscriptionId) -> Option<String> {
        self.schedule.lock().waits_for(subscription, self.catalog.clock.now())
    }
}

/// A place in the schedule. It is given back in any case, also by an attempt that is cut off.
struct Place {
    coordinator: Arc<Coordinator>,
    ticket: Option<Ticket>,
}

impl Place {
    /// Gives it back with what the attempt told.
    fn leave(mut self, ended: Ended, now: Timestamp) {
        if let Some(ticket) = self.ticket.take() {
            let changes = self.coordinator.schedule.lock().ended(ticket, ended, now);
            self.coordinator.freed.notify_one();
            changes.into_iter().for_each(|change| self.coordinator.tell(change));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let ended = Ended { health: Health::Unknown, took: Duration::ZERO, hold_until: None, trapped: None };
            self.coordinator.schedule.lock().ended(ticket, ended, self.coordinator.catalog.clock.now());
            self.coordinator.freed.notify_one();
        }
    }
}

impl Coordinator {
    /// A coordinator for what the catalog's store holds.
    pub fn new(catalog: Arc<Catalog>, options: Options) -> Self {
        catalog.set_provider_limits(options.provider_limits);
        let schedule = Arc::new(Mutex::new(Scheduler::new(options.limits)));
        Self { catalog, options, schedule, freed: Arc::new(Notify::new()) }
    }

    /// A way to look at it while it runs.
    pub fn handle(&self) -> Handle {
        Handle { catalog: self.catalog.clone(), schedule: self.schedule.clone(), freed: self.freed.clone() }
    }

    /// Runs until `stop`, then ends or hands back what is in flight. Answers with how many deliveries were cut off; they
    /// are attempted again after the next start.
    pub async fn run(self, stop: CancellationToken) -> usize {
        let this = Arc::new(self);
        let (outcomes, recorded) = mpsc::channel(this.options.limits.concurrency.max(1));
        let watch = Watch::load(this.catalog.clone(), this.options.disable_after).await;
        let recording = tokio::spawn(record::run(this.catalog.clone(), watch, recorded));
        let purging = tokio::spawn(purge::run(this.catalog.clone(), this.options.clone(), stop.clone()));
        let replaying = tokio::spawn(replay::run(this.catalog.clone(), stop.clone()));
        let mut attempts = JoinSet::new();
        let mut looked = Instant::now();
        let mut most = CLAIM_LEAST;
        while !stop.is_cancelled() {
            while let Some(ended) = attempts.try_join_next() {
                if let Err(error) = ended {
                    tracing::error!(%error, "an attempt ended without an outcome; it is made again after the next start");
                }
            }
            if looked.elapsed() >= LOOK_EVERY {
                this.schedule.lock().look_around(this.catalog.clock.now());
                looked = Instant::now();
            }
            let changed = this.catalog.store.due_changed();
            if let Some(begun) = this.clone().begin(most, &mut attempts, &outcomes, &stop).await {
                most = (begun * 2).clamp(CLAIM_LEAST, CLAIM_MOST);
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = changed => {}
                () = this.freed.notified() => {}
                () = this.catalog.changed.notified() => {}
                () = tokio::time::sleep(this.pause().min(LOOK_EVERY)) => {}
            }
        }
        drop(outcomes);
        let cut_off = this.drain(attempts).await;
        let _ = tokio::join!(recording, purging, replaying);
        cut_off
    }

    /// Begins up to `most` attempts of what is due and has a place. Answers with how many; with nothing if there was no place to be
    /// had, and none will be until something changes.
    async fn begin(
        self: Arc<Self>,
        most: usize,
        attempts: &mut JoinSet<()>,
        outcomes: &mpsc::Sender<record::Outcome>,
        stop: &CancellationToken,
    ) -> Option<usize> {
        let (store, now) = (&self.catalog.store, self.catalog.clock.now());
        let tickets = {
            let mut schedule = self.schedule.lock();
            for subscription in store.ready(now) {
                schedule.ready(subscription, &*self.catalog);
            }
            schedule.pick(now, &*self.catalog, most)
        };
        if tickets.is_empty() {
            return None;
        }
        let mut places: HashMap<SubscriptionId, Vec<Place>> = HashMap::new();
        for ticket in tickets {
            let waiting = places.entry(ticket.subscription).or_default();
            waiting.push(Place { coordinator: self.clone(), ticket: Some(ticket) });
        }
        let wanted = places.iter().map(|(subscription, places)| (*subscription, places.len())).collect();
        let begun = match store.claim(now, wanted).await {
            Ok(claims) => {
                let begun = claims.len();
                for claim in claims {
                    let place = places.get_mut(&claim.route.subscription).and_then(Vec::pop);
                    let Some(place) = place else { unreachable!("no more is claimed than was asked for") };
                    attempts.spawn(self.clone().deliver(claim, place, outcomes.clone()));
                }
                begun
            }
            Err(error) => {
                tracing::error!(%error, "due deliveries cannot be claimed; trying again in a second");
                drop(places);
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                }
                return Some(0);
            }
        };
        let mut schedule = self.schedule.lock();
        for mut unused in places.into_values().flatten() {
            if let Some(ticket) = unused.ticket.take() {
                schedule.nothing_due(ticket, now);
            }
        }
        Some(begun)
    }

    /// How long nothing will become due by itself.
    fn pause(&self) -> Duration {
        const LONGEST: Duration = Duration::from_secs(60);
        let now = self.catalog.clock.now();
        let wakes_at = self.schedule.lock().wakes_at();
        let next = [self.catalog.store.next_due(), wakes_at].into_iter().flatten().min();
        next.map_or(LONGEST, |next| next.since(now).clamp(Duration::from_millis(1), LONGEST))
    }

    /// Tells of a change of the schedule, and acts on it.
    fn tell(self: &Arc<Self>, change: Change) {
        match change {
            Change::Breaker(destination, Turned::Open(until)) => {
                tracing::warn!(%destination, %until, "the destination fails; its deliveries wait and one probes it");
            }
            Change::Breaker(destination, Turned::Closed) => tracing::info!(%destination, "the destination works again"),
            Change::Quarantine(provider, build) => {
                let (catalog, traps) = (self.catalog.clone(), self.options.limits.traps);
                tokio::spawn(async move { quarantine::begin(&catalog, &provider, &build, traps).await });
            }
        }
    }

    async fn drain(&self, mut attempts: JoinSet<()>) -> usize {
        let in_flight = attempts.len();
        if in_flight > 0 {
            tracing::info!(in_flight, seconds = self.options.drain.as_secs(), "waiting for attempts in flight");
        }
        let all = async { while attempts.join_next().await.is_some() {} };
        if tokio::time::timeout(self.options.drain, all).await.is_ok() {
            return 0;
        }
        // An attempt that is cut off leaves its claim; without a step the delivery is found unfinished at the next start.
        let cut_off = attempts.len();
        attempts.shutdown().await;
        cut_off
    }
}
