//! What is counted and measured of emissions and deliveries since the process began.
//!
//! Whoever runs the process installs a recorder (crate `metrics`) before a catalog is opened; without one nothing is kept.
//! The handles are made once, so that counting is a few atomic operations. Labels have few values: outcomes are a fixed
//! list, and providers are those that the catalog knew, up to [`MOST_PROVIDERS`].

use crate::emit::Emitted;
use crate::{Catalog, Error};
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};
use parking_lot::RwLock;
use postern_core::delivery::{Attempt, Class, Reason, State, Status};
use postern_core::{ProviderId, Timestamp};
use postern_store::Claim;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Attempts of so many providers are counted apart; those of others together, as of the provider [`OTHER`].
pub const MOST_PROVIDERS: usize = 200;

/// The label of attempts whose provider the catalog does not know, or that are of one provider too many.
pub const OTHER: &str = "other";

/// The label of an attempt that succeeded; others have [`Class::as_str`].
const SUCCESS: &str = "success";

/// See the module.
pub(crate) struct Figures {
    attempts: RwLock<HashMap<ProviderId, Arc<Outcomes>>>,
    of_others: Arc<Outcomes>,
    queue: Histogram,
    whole: Histogram,
    http: Histogram,
    sandbox: Histogram,
    retries: Counter,
    succeeded: Counter,
    failed: Counter,
    emissions: HashMap<&'static str, Counter>,
}

/// One provider's attempts, by how they ended.
struct Outcomes {
    provider: String,
    succeeded: Counter,
    failed: RwLock<HashMap<Class, Counter>>,
}

impl Outcomes {
    fn of(provider: impl Into<String>) -> Arc<Self> {
        let provider = provider.into();
        let succeeded = attempts_of(&provider, SUCCESS);
        Arc::new(Self { provider, succeeded, failed: RwLock::default() })
    }

    /// Counts an attempt that failed for this reason, or that succeeded.
    fn count(&self, reason: Option<Reason>) {
        let Some(Reason { class, .. }) = reason else { return self.succeeded.increment(1) };
        if let Some(counter) = self.failed.read().get(&class) {
            return counter.increment(1);
        }
        // Made when it is needed, so that providers that work have no fifteen lines of zeros.
        let counter = attempts_of(&self.provider, class.as_str());
        counter.increment(1);
        self.failed.write().insert(class, counter);
    }
}

fn attempts_of(provider: &str, class: &'static str) -> Counter {
    counter!("postern_attempts_total", "provider" => provider.to_owned(), "class" => class)
}

/// How an emission can end. A repeated one is answered as the first was.
const EMISSIONS: [&str; 7] = ["accepted", "repeated", "invalid", "unknown-type", "busy", "full", "failed"];

impl Default for Figures {
    fn default() -> Self {
        describe();
        let final_ones = |status: Status| counter!("postern_deliveries_total", "status" => status.to_string());
        Self {
            attempts: RwLock::default(),
            of_others: Outcomes::of(OTHER),
            queue: histogram!("postern_queue_seconds"),
            whole: histogram!("postern_attempt_seconds"),
            http: histogram!("postern_attempt_http_seconds"),
            sandbox: histogram!("postern_attempt_sandbox_seconds"),
            retries: counter!("postern_retries_total"),
            succeeded: final_ones(Status::Success),
            failed: final_ones(Status::Failed),
            emissions: EMISSIONS.map(|result| (result, counter!("postern_emissions_total", "result" => result))).into(),
        }
    }
}

fn describe() {
    describe_counter!("postern_attempts_total", "Attempts by provider and by how they ended.");
    describe_counter!("postern_retries_total", "Attempts that failed and are to be repeated.");
    describe_counter!("postern_deliveries_total", "Deliveries that became final, by status; each of its runs counts.");
    describe_counter!("postern_emissions_total", "Emissions by what became of them.");
    let seconds = |name: &'static str, help: &'static str| describe_histogram!(name, Unit::Seconds, help);
    seconds("postern_queue_seconds", "How long a delivery was due before its attempt began.");
    seconds("postern_attempt_seconds", "How long a call of a provider took.");
    seconds("postern_attempt_http_seconds", "How long the requests of a call took together; calls without one do not count.");
    seconds("postern_attempt_sandbox_seconds", "How long a call of a provider took without its requests.");
}

impl Figures {
    /// Counts so many emissions that came together.
    pub(crate) fn emitted(&self, count: usize, result: &Result<Vec<Emitted>, Error>) {
        let count_as = |result: &str, count: usize| {
            if let Some(counter) = self.emissions.get(result).filter(|_| count > 0) {
                counter.increment(count as u64);
            }
        };
        match result {
            Ok(emitted) => {
                let repeated = emitted.iter().filter(|one| one.repeated).count();
                count_as("repeated", repeated);
                count_as("accepted", emitted.len() - repeated);
            }
            Err(Error::Invalid { .. }) => count_as("invalid", count),
            Err(Error::NotFound { .. }) => count_as("unknown-type", count),
            Err(Error::Busy { .. }) => count_as("busy", count),
            Err(Error::Store(postern_store::Error::Full(_))) => count_as("full", count),
            Err(_) => count_as("failed", count),
        }
    }

    /// Counts a new status of a delivery that is on the disk.
    pub(crate) fn became(&self, status: Status) {
        match status {
            Status::Pending => {}
            Status::Retrying => self.retries.increment(1),
            Status::Success => self.succeeded.increment(1),
            Status::Failed => self.failed.increment(1),
        }
    }

    fn attempted(&self, claim: &Claim, attempt: &Attempt) {
        self.queue.record(attempt.started_at.since(due_since(claim)));
        if attempt.provider.is_none() {
            return;
        }
        let whole = Duration::from_micros(attempt.duration_micros);
        let exchanges = attempt.exchanges.iter().map(|exchange| exchange.duration_micros);
        let http = Duration::from_micros(exchanges.fold(0, u64::saturating_add));
        self.whole.record(whole);
        self.sandbox.record(whole.saturating_sub(http));
        if !attempt.exchanges.is_empty() {
            self.http.record(http);
        }
    }

    /// The counters of a provider; those of all others if it is one too many, or unknown.
    fn outcomes(&self, provider: &ProviderId, is_known: impl FnOnce() -> bool) -> Arc<Outcomes> {
        if let Some(outcomes) = self.attempts.read().get(provider) {
            return outcomes.clone();
        }
        let mut attempts = self.attempts.write();
        if attempts.len() >= MOST_PROVIDERS || !is_known() {
            return self.of_others.clone();
        }
        attempts.entry(provider.clone()).or_insert_with(|| Outcomes::of(provider.as_str())).clone()
    }
}

impl Catalog {
    /// Counts an attempt of a claimed delivery that ended, and failed for `reason` if there is one.
    pub(crate) fn count_attempt(&self, claim: &Claim, attempt: &Attempt, reason: Option<Reason>) {
        let provider = &claim.route.provider;
        self.figures.outcomes(provider, || self.provider(provider).is_ok()).count(reason);
        self.figures.attempted(claim, attempt);
    }
}

/// Since when the claimed delivery was due.
fn due_since(claim: &Claim) -> Timestamp {
    match &claim.state {
        State::Retrying { next_attempt_at, .. } => *next_attempt_at,
        _ => claim.run.started_at.unwrap_or_else(|| claim.id.event.created_at()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr;

    #[test]
    fn attempts_of_so_many_known_providers_are_counted_apart_and_all_others_together() {
        let figures = Figures::default();
        let provider = |n: usize| -> ProviderId { format!("test.p{n}").parse().unwrap() };
        let is_other = |n: usize, known: bool| ptr::eq(&*figures.outcomes(&provider(n), || known), &*figures.of_others);
        assert!(is_other(0, false), "the catalog does not know it");
        assert!((0..MOST_PROVIDERS).all(|n| !is_other(n, true)));
        assert!(is_other(MOST_PROVIDERS, true));
        assert!(!is_other(0, false), "it was known once");
        assert!(ptr::eq(&*figures.outcomes(&provider(1), || true), &*figures.outcomes(&provider(1), || true)));
        assert_eq!(figures.attempts.read().len(), MOST_PROVIDERS);
    }
}
