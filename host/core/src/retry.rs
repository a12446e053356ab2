//! When a failed delivery is tried again.

mod schedule;

pub use schedule::{Growing, LARGEST_FACTOR, LONGEST_DELAY, LONGEST_HORIZON, MOST_DELAYS, MOST_RETRIES, Schedule};

use crate::delivery::Retry;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// The longest delay that a provider or a target may ask for: 24 hours.
pub const LONGEST_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The delays between attempts.
///
/// Default: 1, 5 and 15 minutes, so three retries after the first attempt, with a jitter of a tenth (design.md, rule 2).
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The delay before each retry.
    pub schedule: Schedule,
    /// How far a delay may be from its value, as a part of it: 0 to 1. A schedule that names its own goes before.
    pub jitter: f64,
}

impl Default for Policy {
    fn default() -> Self {
        let delays = [1, 5, 15].map(|minutes| Duration::from_secs(minutes * 60)).to_vec();
        Self { schedule: Schedule::Delays(delays), jitter: 0.1 }
    }
}

impl Policy {
    /// One attempt and no more.
    pub fn once() -> Self {
        Self { schedule: Schedule::NEVER, jitter: 0.0 }
    }

    /// This policy with the schedule of a subscription, if that has its own.
    #[must_use]
    pub fn overridden(&self, schedule: Option<&Schedule>) -> Self {
        Self { schedule: schedule.unwrap_or(&self.schedule).clone(), jitter: self.jitter }
    }

    /// How long to wait after attempt `attempts` (from 1) failed, or none when that was the last. `elapsed` is how long
    /// ago the run of attempts began: when the first one was due.
    ///
    /// `chance` is a random number from 0 to 1 that places the delay within the jitter. What a target asks for with
    /// [`Retry::After`] is never shortened: jitter only adds to it. No wait goes beyond the schedule's horizon.
    pub fn delay(&self, attempts: u32, retry: Retry, elapsed: Duration, chance: f64) -> Option<Duration> {
        let delay = self.schedule.delay(attempts)?;
        let jitter = self.schedule.jitter().unwrap_or(self.jitter);
        let delay = match retry {
            Retry::Never => return None,
            Retry::Backoff => delay.mul_f64((1.0 + jitter * (2.0 * chance - 1.0)).max(0.0)),
            Retry::After { milliseconds } => {
                let asked = Duration::from_millis(milliseconds).min(LONGEST_AFTER);
                let spread = asked.min(Duration::from_secs(60)).mul_f64((jitter * chance).max(0.0));
                asked + spread
            }
        };
        let in_time = self.schedule.horizon().is_none_or(|horizon| elapsed.saturating_add(delay) <= horizon);
        in_time.then_some(delay)
    }
}

/// A duration that is written as `1m`, `90s` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Self).map_err(|_| {
            serde::de::Error::custom(format!("`{text}` is not a duration; expected for example \"90s\", \"5m\" or \"1h 30m\""))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn three_retries_after_1_5_and_15_minutes_then_none() {
        let policy = Policy::default();
        let minutes: Vec<_> =
            (1..=4).map(|attempts| policy.delay(attempts, Retry::Backoff, NOW, 0.5).map(|delay| delay.as_secs() / 60)).collect();
        assert_eq!(minutes, [Some(1), Some(5), Some(15), None]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        let policy = Policy::default();
        assert_eq!(policy.delay(1, Retry::Backoff, NOW, 0.0), Some(Duration::from_secs(54)));
        assert_eq!(policy.delay(1, Retry::Backoff, NOW, 1.0), Some(Duration::from_secs(66)));
    }

    #[test]
    fn what_the_target_asks_for_replaces_the_delay_is_never_shortened_and_is_capped() {
        let policy = Policy::default();
        let after = |milliseconds, chance| policy.delay(1, Retry::After { milliseconds }, NOW, chance).unwrap();
        assert_eq!(after(30_000, 0.0), Duration::from_secs(30));
        assert!(after(30_000, 1.0) >= Duration::from_secs(30));
        assert_eq!(after(u64::MAX, 0.0), LONGEST_AFTER);
        assert_eq!(policy.delay(4, Retry::After { milliseconds: 1 }, NOW, 0.0), None);
        assert_eq!(policy.delay(1, Retry::Never, NOW, 0.0), None);
    }

    #[test]
    fn a_subscriptions_schedule_goes_before_the_operators_and_its_jitter_too() {
        let schedule: Schedule =
            serde_json::from_str(r#"{"initial": "10s", "factor": 2, "max": "1m", "horizon": "1m", "jitter": 0}"#).unwrap();
        let policy = Policy::default().overridden(Some(&schedule));
        let delay = |attempts, elapsed| policy.delay(attempts, Retry::Backoff, Duration::from_secs(elapsed), 1.0);
        assert_eq!(delay(1, 0), Some(Duration::from_secs(10)));
        assert_eq!(delay(2, 10), Some(Duration::from_secs(20)));
        assert_eq!(delay(3, 20), Some(Duration::from_secs(40)));
        assert_eq!(delay(3, 21), None, "it would begin after the horizon");
        assert_eq!(policy.delay(1, Retry::After { milliseconds: 61_000 }, NOW, 0.0), None);
        assert_eq!(Policy::default().overridden(None), Policy::default());
        assert_eq!(Policy::once().delay(1, Retry::Backoff, NOW, 0.5), None);
    }
}
