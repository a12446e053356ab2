//! What a delivery becomes after an attempt. Pure: no I/O, the time and the chance are passed in.

use postern_core::Timestamp;
use postern_core::delivery::{Outcome, Reason, Run, State};
use postern_core::retry::Policy;
use std::time::Duration;

/// How long a run may be put off by the target's rate limit without using up retries: 3 days.
const LONGEST_REFUSED: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// What is known of an attempt that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended<'a> {
    /// How it ended.
    pub outcome: &'a Outcome,
    /// Why, if it failed.
    pub reason: Option<Reason>,
    /// Until when the target wants to be left alone, if it refused the attempt for its rate.
    pub refused_until: Option<Timestamp>,
    /// When the event was accepted: the first run began then.
    pub accepted_at: Timestamp,
}

/// What a delivery becomes after an attempt of `run` ended at `now`, and what becomes of the run.
///
/// `chance`, from 0 to 1, places the next attempt within the policy's jitter.
pub fn after_attempt(policy: &Policy, run: Run, ended: Ended<'_>, now: Timestamp, chance: f64) -> (State, Run) {
    let Ended { outcome, reason, refused_until, accepted_at } = ended;
    let (message, retry, ambiguous) = match outcome {
        Outcome::Success { external_id } => return (State::Success { external_id: external_id.clone() }, run),
        Outcome::Failure { message, retry, ambiguous, .. } => (message, *retry, *ambiguous),
    };
    let run = Run { ambiguous: run.ambiguous || ambiguous, ..run };
    let error = message.clone();
    let began = run.started_at.unwrap_or(accepted_at);
    if let Some(until) = refused_until
        && retry != postern_core::delivery::Retry::Never
        && until.since(began) < LONGEST_REFUSED
    {
        // Not all of those who wait come back at the same moment.
        let spread = until.since(now).min(Duration::from_secs(60)).mul_f64((policy.jitter * chance).max(0.0));
        return (State::Retrying { next_attempt_at: until.saturating_add(spread), error, reason }, run);
    }
    match policy.delay(run.retries + 1, retry, now.since(began), chance) {
        Some(delay) => {
            let next_attempt_at = now.saturating_add(delay);
            (State::Retrying { next_attempt_at, error, reason }, Run { retries: run.retries + 1, ..run })
        }
        None => (State::Failed { error, reason }, run),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::delivery::{Cause, Class, Retry};

    const MINUTE: u64 = 60_000;
    const DAY: u64 = 24 * 60 * MINUTE;

    fn failure(cause: Cause, retry: Retry) -> Outcome {
        Outcome::Failure { cause, message: "no".into(), retry, ambiguous: false }
    }

    fn run(retries: u32) -> Run {
        Run { retries, ..Run::default() }
    }

    fn after(run: Run, outcome: &Outcome, refused_until: Option<Timestamp>, now: Timestamp) -> (State, Run) {
        let policy = Policy { jitter: 0.0, ..Policy::default() };
        let ended = Ended { outcome, reason: Some(Class::Http.into()), refused_until, accepted_at: Timestamp::default() };
        after_attempt(&policy, run, ended, now, 0.5)
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_table_of_transitions() {
        let now = Timestamp::from_millis(1_000_000);
        let reason = Some(Class::Http.into());
        let success = |id: Option<&str>| Outcome::Success { external_id: id.map(str::to_owned) };
        let retrying =
            |after: u64| State::Retrying { next_attempt_at: now.saturating_add(millis(after)), error: "no".into(), reason };
        let failed = State::Failed { error: "no".into(), reason };
        let table = [
            (0, success(None), State::Success { external_id: None }),
            (0, success(Some("OPS-1")), State::Success { external_id: Some("OPS-1".into()) }),
            (3, success(None), State::Success { external_id: None }),
            (0, failure(Cause::Provider, Retry::Backoff), retrying(MINUTE)),
            (1, failure(Cause::Provider, Retry::Backoff), retrying(5 * MINUTE)),
            (2, failure(Cause::Provider, Retry::Backoff), retrying(15 * MINUTE)),
            (3, failure(Cause::Provider, Retry::Backoff), failed.clone()),
            (0, failure(Cause::Provider, Retry::After { milliseconds: 30_000 }), retrying(30_000)),
            (2, failure(Cause::Provider, Retry::After { milliseconds: 2 * DAY }), retrying(DAY)),
            (3, failure(Cause::Provider, Retry::After { milliseconds: 1 }), failed.clone()),
            (0, failure(Cause::Provider, Retry::Never), failed.clone()),
            (0, failure(Cause::Trap, Retry::Backoff), retrying(MINUTE)),
            (0, failure(Cause::Deadline, Retry::Backoff), retrying(MINUTE)),
            (3, failure(Cause::Limit, Retry::Backoff), failed),
        ];
        for (retries, outcome, expected) in table {
            let (state, left) = after(run(retries), &outcome, None, now);
            let used = u32::from(matches!(state, State::Retrying { .. }));
            assert_eq!((state, left.retries), (expected, retries + used), "{retries} retries, {outcome:?}");
        }
    }

    #[test]
    fn a_wait_that_the_targets_rate_limit_causes_uses_up_no_retry_but_ends_some_day() {
        let now = Timestamp::from_millis(1_000_000);
        let until = now.saturating_add(millis(7_000));
        for retries in [0, 3] {
            let (state, left) = after(run(retries), &failure(Cause::Provider, Retry::Backoff), Some(until), now);
            assert!(matches!(state, State::Retrying { next_attempt_at, .. } if next_attempt_at == until));
            assert_eq!(left.retries, retries);
        }
        let late = Timestamp::default().saturating_add(millis(3 * DAY));
        let (state, left) = after(run(0), &failure(Cause::Provider, Retry::Backoff), Some(late), late);
        assert!(matches!(state, State::Retrying { .. }) && left.retries == 1);
        let (state, _) = after(run(3), &failure(Cause::Provider, Retry::Backoff), Some(late), late);
        assert!(state.is_final());
        let (state, _) = after(run(0), &failure(Cause::Provider, Retry::Never), Some(until), now);
        assert!(state.is_final());
    }

    #[test]
    fn an_unknown_effect_is_remembered() {
        let outcome = Outcome::Failure { cause: Cause::Provider, message: "no".into(), retry: Retry::Backoff, ambiguous: true };
        let (_, left) = after(run(0), &outcome, None, Timestamp::default());
        assert!(left.ambiguous);
        let (_, left) = after(left, &failure(Cause::Provider, Retry::Backoff), None, Timestamp::default());
        assert!(left.ambiguous, "until the provider is asked");
    }

    #[test]
    fn a_policy_without_delays_gives_up_at_once() {
        let policy = Policy::once();
        let outcome = failure(Cause::Provider, Retry::Backoff);
        let ended = Ended { outcome: &outcome, reason: None, refused_until: None, accepted_at: Timestamp::default() };
        let (state, _) = after_attempt(&policy, Run::default(), ended, Timestamp::default(), 0.5);
        assert!(state.is_final());
    }
}
