//! One delivery, from its claim to what is to be recorded.

use super::record::Outcome;
use super::{Coordinator, Place, span};
use crate::attempt::Attempted;
use crate::decision::{Decision, decide};
use crate::schedule::{Ended, Health};
use crate::verdict;
use postern_core::delivery::{Attempt, Cause, Outcome as Result, State, Step};
use postern_core::retry::Policy;
use postern_store::{Claim, Finish};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument;

impl Coordinator {
    /// Attempts a claimed delivery; its place is free before the outcome is on the disk.
    pub(super) async fn deliver(self: Arc<Self>, claim: Claim, place: Place, outcomes: mpsc::Sender<Outcome>) {
        let span = span::begin(&claim);
        let attempted = self.catalog.attempt(&claim).instrument(span.clone()).await;
        let now = self.catalog.clock.now();
        let (step, hold) = match attempted {
            Attempted::Made { attempt, retry, hold } => {
                let policy = if claim.route.test { Policy::once() } else { self.options.retry.overridden(retry.as_ref()) };
                let Decision { state, run, reason, pause } = decide(&policy, &claim, &attempt, now, rand::random());
                place.leave(ended(&attempt, pause), now);
                self.catalog.count_attempt(&claim, &attempt, reason);
                report(&claim, &attempt, &state);
                (Step { state, attempts: attempt.number, at: now, attempt: Some(attempt.into()), run }, hold)
            }
            Attempted::Withdrawn(error, class) => {
                drop(place);
                tracing::info!(delivery = %claim.id, subscription = %claim.route.subscription, reason = %error, "not delivered");
                let state = State::Failed { error, reason: Some(class.into()) };
                (Step { state, attempts: claim.attempts, at: now, attempt: None, run: claim.run }, false)
            }
        };
        span::end(&span, &step.state, step.attempt.is_some());
        drop(span);
        let finish = Finish { claim: claim.claim, id: claim.id, route: claim.route, step, hold };
        let outcome = Outcome { finish, event_type: claim.event.event_type.clone(), tenant: claim.event.tenant.clone() };
        // Who records outcomes lives as long as there are attempts.
        let _ = outcomes.send(outcome).await;
    }
}

fn ended(attempt: &Attempt, pause: Option<verdict::Pause>) -> Ended {
    let called = attempt.provider.is_some();
    let trapped = matches!(attempt.outcome, Result::Failure { cause: Cause::Trap, .. });
    let health = match (&attempt.outcome, verdict::health(&attempt.exchanges)) {
        // It spent its time waiting for an answer that may still come.
        (Result::Failure { cause: Cause::Deadline, .. }, Health::Unknown) if !attempt.exchanges.is_empty() => Health::Fails,
        (_, health) => health,
    };
    Ended {
        health,
        took: Duration::from_micros(attempt.duration_micros),
        hold_until: pause.map(|pause| pause.until),
        trapped: called.then_some(trapped),
    }
}

fn report(claim: &Claim, attempt: &Attempt, state: &State) {
    let (delivery, subscription, provider) = (claim.id, claim.route.subscription, &claim.route.provider);
    let (number, micros) = (attempt.number, attempt.duration_micros);
    match (&attempt.outcome, state) {
        (Result::Success { .. }, _) => {
            tracing::info!(%delivery, %subscription, %provider, attempt = number, micros, "delivered");
        }
        (Result::Failure { cause, message, .. }, State::Retrying { next_attempt_at, .. }) => {
            tracing::warn!(%delivery, %subscription, %provider, attempt = number, micros, ?cause, error = %message, %next_attempt_at, "attempt failed");
        }
        (Result::Failure { cause, message, .. }, _) => {
            tracing::warn!(%delivery, %subscription, %provider, attempt = number, micros, ?cause, error = %message, "delivery failed for good");
        }
    }
}
