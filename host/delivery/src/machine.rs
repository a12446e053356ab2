//! What a delivery becomes after an attempt. Pure: no I/O, the time and the chance are passed in.

use postern_core::Timestamp;
use postern_core::delivery::{Outcome, State};
use postern_core::retry::Policy;

/// What a delivery becomes after attempt number `attempt` (from 1) ended with `outcome` at `now`. `began` is when the run of
/// attempts began, from which the policy's horizon counts.
///
/// `chance`, from 0 to 1, places the next attempt within the policy's jitter.
pub fn after_attempt(policy: &Policy, attempt: u32, outcome: &Outcome, began: Timestamp, now: Timestamp, chance: f64) -> State {
    match outcome {
        Outcome::Success { external_id } => State::Success { external_id: external_id.clone() },
        Outcome::Failure { message, retry, .. } => match policy.delay(attempt, *retry, now.since(began), chance) {
            Some(delay) => State::Retrying { next_attempt_at: now.saturating_add(delay), error: message.clone() },
            None => State::Failed { error: message.clone() },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::delivery::{Cause, Retry};
    use std::time::Duration;

    const MINUTE: u64 = 60_000;

    fn failure(cause: Cause, retry: Retry) -> Outcome {
        Outcome::Failure { cause, message: "no".into(), retry }
    }

    #[test]
    fn the_table_of_transitions() {
        let policy = Policy { jitter: 0.0, ..Policy::default() };
        let now = Timestamp::from_millis(1_000_000);
        let success = |id: Option<&str>| Outcome::Success { external_id: id.map(str::to_owned) };
        let retrying = |millis: u64| State::Retrying {
            next_attempt_at: now.saturating_add(Duration::from_millis(millis)),
            error: "no".into(),
        };
        let failed = State::Failed { error: "no".into() };
        let table = [
            (1, success(None), State::Success { external_id: None }),
            (1, success(Some("OPS-1")), State::Success { external_id: Some("OPS-1".into()) }),
            (4, success(None), State::Success { external_id: None }),
            (1, failure(Cause::Provider, Retry::Backoff), retrying(MINUTE)),
            (2, failure(Cause::Provider, Retry::Backoff), retrying(5 * MINUTE)),
            (3, failure(Cause::Provider, Retry::Backoff), retrying(15 * MINUTE)),
            (4, failure(Cause::Provider, Retry::Backoff), failed.clone()),
            (1, failure(Cause::Provider, Retry::After { milliseconds: 30_000 }), retrying(30_000)),
            (3, failure(Cause::Provider, Retry::After { milliseconds: 2 * 86_400_000 }), retrying(86_400_000)),
            (4, failure(Cause::Provider, Retry::After { milliseconds: 1 }), failed.clone()),
            (1, failure(Cause::Provider, Retry::Never), failed.clone()),
            (1, failure(Cause::Trap, Retry::Backoff), retrying(MINUTE)),
            (1, failure(Cause::Deadline, Retry::Backoff), retrying(MINUTE)),
            (4, failure(Cause::Limit, Retry::Backoff), failed),
        ];
        for (attempt, outcome, expected) in table {
            assert_eq!(after_attempt(&policy, attempt, &outcome, now, now, 0.5), expected, "attempt {attempt}, {outcome:?}");
        }
    }

    #[test]
    fn a_policy_without_delays_gives_up_at_once() {
        let now = Timestamp::default();
        assert!(after_attempt(&Policy::once(), 1, &failure(Cause::Provider, Retry::Backoff), now, now, 0.5).is_final());
    }

    #[test]
    fn no_retry_begins_after_the_horizon_of_the_run() {
        let rule = r#"{"initial": "1m", "factor": 1, "max": "1m", "horizon": "3m"}"#;
        let policy = Policy { schedule: serde_json::from_str(rule).unwrap(), jitter: 0.0 };
        let began = Timestamp::from_millis(5_000_000);
        let after = |millis| began.saturating_add(Duration::from_millis(millis));
        let state = |now| after_attempt(&policy, 1, &failure(Cause::Provider, Retry::Backoff), began, now, 0.5);
        assert_eq!(state(after(2 * MINUTE)), State::Retrying { next_attempt_at: after(3 * MINUTE), error: "no".into() });
        assert!(state(after(2 * MINUTE + 1)).is_final());
    }
}
