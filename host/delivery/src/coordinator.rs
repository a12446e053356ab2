//! Claims what is due and runs attempts, so many at once and no more.

use crate::Catalog;
use crate::attempt::Attempted;
use crate::machine;
use postern_core::delivery::{Outcome, State, Step};
use postern_core::retry::Policy;
use postern_store::{Claim, ClaimId, Expiry, Finish, Retention};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How the coordinator works.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many attempts run at once. Default: 512.
    pub concurrency: usize,
    /// When a failed delivery is tried again.
    pub retry: Policy,
    /// How long events are kept whose deliveries all succeeded. Default: 30 days.
    pub keep: Duration,
    /// How long events are kept of which a delivery failed. Default: 90 days.
    pub keep_failed: Duration,
    /// How long it is known who changed what. Default: a year.
    pub keep_audit: Duration,
    /// How long attempts that run at a stop may take to end. Default: 30 seconds.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            concurrency: 512,
            retry: Policy::default(),
            keep: 30 * DAY,
            keep_failed: 90 * DAY,
            keep_audit: 365 * DAY + DAY / 4,
            drain: Duration::from_secs(30),
        }
    }
}

/// How often old events are looked for.
const PURGE_EVERY: Duration = Duration::from_secs(60);
/// How many records one step of purging removes at most.
const PURGE_STEP: usize = 2_000;
/// How many deliveries are claimed at once at most.
const CLAIM_MOST: usize = 256;

/// Sees to deliveries until it is told to stop.
pub struct Coordinator {
    catalog: Arc<Catalog>,
    options: Options,
    places: Arc<Semaphore>,
}

impl Coordinator {
    /// A coordinator for what the catalog's store holds.
    pub fn new(catalog: Arc<Catalog>, options: Options) -> Self {
        let places = Arc::new(Semaphore::new(options.concurrency));
        Self { catalog, options, places }
    }

    /// Runs until `stop`, then ends or hands back what is in flight. Answers with how many deliveries were handed back.
    pub async fn run(self, stop: CancellationToken) -> usize {
        let purging = tokio::spawn(purge(self.catalog.clone(), self.options.clone(), stop.clone()));
        let mut attempts = JoinSet::new();
        let this = Arc::new(self);
        while let Some(claims) = this.next_claims(&stop, &mut attempts).await {
            for claim in claims {
                let this = this.clone();
                let Ok(place) = this.places.clone().try_acquire_owned() else {
                    unreachable!("only as many are claimed as there are places");
                };
                attempts.spawn(async move {
                    let id = claim.claim;
                    this.deliver(claim).await;
                    drop(place);
                    id
                });
            }
        }
        let handed_back = this.drain(attempts).await;
        let _ = purging.await;
        handed_back
    }

    /// Waits until something is due and there is a place for it. None when it is time to stop.
    async fn next_claims(&self, stop: &CancellationToken, attempts: &mut JoinSet<ClaimId>) -> Option<Vec<Claim>> {
        let store = &self.catalog.store;
        loop {
            if stop.is_cancelled() {
                return None;
            }
            while attempts.try_join_next().is_some() {}
            let free = self.places.available_permits().min(CLAIM_MOST);
            if free == 0 {
                tokio::select! {
                    () = stop.cancelled() => return None,
                    _ = attempts.join_next() => continue,
                }
            }
            let changed = store.due_changed();
            let now = self.catalog.clock.now();
            match store.claim(now, free).await {
                Ok(claims) if !claims.is_empty() => return Some(claims),
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "due deliveries cannot be claimed; trying again in a second"),
            }
            let wait = store
                .next_due()
                .map_or(Duration::from_secs(60), |due| due.since(now).clamp(Duration::from_millis(1), Duration::from_secs(60)));
            tokio::select! {
                () = stop.cancelled() => return None,
                () = changed => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn deliver(&self, claim: Claim) {
        let attempted = self.catalog.attempt(&claim).await;
        let now = self.catalog.clock.now();
        let step = match attempted {
            Attempted::Made { attempt, retry } => {
                let policy = if claim.route.test { Policy::once() } else { self.options.retry.overridden(retry.as_ref()) };
                let began = claim.id.event.created_at();
                let state = machine::after_attempt(&policy, attempt.number, &attempt.outcome, began, now, rand::random());
                report(&claim, &attempt.outcome, &state, attempt.duration_micros);
                Step { state, attempts: attempt.number, at: now, attempt: Some(*attempt) }
            }
            Attempted::Withdrawn(reason) => {
                tracing::info!(delivery = %claim.id, subscription = %claim.route.subscription, %reason, "not delivered");
                Step { state: State::Failed { error: reason }, attempts: claim.attempts, at: now, attempt: None }
            }
        };
        let finish = Finish { claim: claim.claim, id: claim.id, step };
        match self.catalog.store.finish(vec![finish]).await {
            // Nobody may be listening.
            Ok(()) => drop(self.catalog.finished.send(claim.id)),
            // The claim ends with the process; the delivery is then attempted again under the same id.
            Err(error) => tracing::error!(delivery = %claim.id, %error, "the outcome of an attempt could not be recorded"),
        }
    }

    async fn drain(&self, mut attempts: JoinSet<ClaimId>) -> usize {
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

fn report(claim: &Claim, outcome: &Outcome, state: &State, micros: u64) {
    let (delivery, subscription, provider) = (claim.id, claim.route.subscription, &claim.route.provider);
    match (outcome, state) {
        (Outcome::Success { .. }, _) => {
            tracing::info!(%delivery, %subscription, %provider, attempt = claim.attempts + 1, micros, "delivered")
        }
        (Outcome::Failure { cause, message, .. }, State::Retrying { next_attempt_at, .. }) => {
            tracing::warn!(%delivery, %subscription, %provider, attempt = claim.attempts + 1, micros, ?cause, error = %message, %next_attempt_at, "attempt failed");
        }
        (Outcome::Failure { cause, message, .. }, _) => {
            tracing::warn!(%delivery, %subscription, %provider, attempt = claim.attempts + 1, micros, ?cause, error = %message, "delivery failed for good");
        }
    }
}

/// Removes what is older than it need be, in small steps.
async fn purge(catalog: Arc<Catalog>, options: Options, stop: CancellationToken) {
    loop {
        let now = catalog.clock.now();
        let ago = |age: Duration| {
            let now = now.as_millis();
            postern_core::Timestamp::from_millis(now - i64::try_from(age.as_millis()).unwrap_or(i64::MAX).min(now))
        };
        let retention = Retention { before: ago(options.keep), failed_before: ago(options.keep_failed) };
        let more_events = match catalog.store.purge(retention, PURGE_STEP).await {
            Ok(purged) => {
                if purged.events > 0 {
                    tracing::info!(events = purged.events, deliveries = purged.deliveries, "purged");
                }
                purged.more
            }
            Err(error) => {
                tracing::error!(%error, "old events cannot be purged");
                false
            }
        };
        let expiry = Expiry { now, audit_before: ago(options.keep_audit) };
        let more_expired = match catalog.store.purge_expired(expiry, PURGE_STEP).await {
            Ok(purged) => {
                if purged.audit_entries > 0 {
                    tracing::info!(audit_entries = purged.audit_entries, "purged");
                }
                purged.more
            }
            Err(error) => {
                tracing::error!(%error, "what has expired cannot be purged");
                false
            }
        };
        let pause = if more_events || more_expired { Duration::from_millis(100) } else { PURGE_EVERY };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
