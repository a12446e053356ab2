//! When a failed delivery is tried again.

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
    /// The delay before each retry; as many retries as there are delays.
    pub delays: Vec<Duration>,
    /// How far a delay may be from its value, as a part of it: 0 to 1.
    pub jitter: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { delays: [1, 5, 15].map(|minutes| Duration::from_secs(minutes * 60)).to_vec(), jitter: 0.1 }
    }
}

impl Policy {
    /// How long to wait after attempt `attempts` (from 1) failed, or none when that was the last.
    ///
    /// `chance` is a random number from 0 to 1 that places the delay within the jitter. What a target asks for with
    /// [`Retry::After`] is never shortened: jitter only adds to it.
    pub fn delay(&self, attempts: u32, retry: Retry, chance: f64) -> Option<Duration> {
        let delay = self.delays.get(usize::try_from(attempts.checked_sub(1)?).ok()?)?;
        match retry {
            Retry::Never => None,
            Retry::Backoff => Some(delay.mul_f64((1.0 + self.jitter * (2.0 * chance - 1.0)).max(0.0))),
            Retry::After { milliseconds } => {
                let asked = Duration::from_millis(milliseconds).min(LONGEST_AFTER);
                let spread = asked.min(Duration::from_secs(60)).mul_f64((self.jitter * chance).max(0.0));
                Some(asked + spread)
            }
        }
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

    #[test]
    fn three_retries_after_1_5_and_15_minutes_then_none() {
        let policy = Policy::default();
        let minutes: Vec<_> =
            (1..=4).map(|attempts| policy.delay(attempts, Retry::Backoff, 0.5).map(|delay| delay.as_secs() / 60)).collect();
        assert_eq!(minutes, [Some(1), Some(5), Some(15), None]);
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        let policy = Policy::default();
        assert_eq!(policy.delay(1, Retry::Backoff, 0.0), Some(Duration::from_secs(54)));
        assert_eq!(policy.delay(1, Retry::Backoff, 1.0), Some(Duration::from_secs(66)));
    }

    #[test]
    fn what_the_target_asks_for_replaces_the_delay_is_never_shortened_and_is_capped() {
        let policy = Policy::default();
        let after = |milliseconds, chance| policy.delay(1, Retry::After { milliseconds }, chance).unwrap();
        assert_eq!(after(30_000, 0.0), Duration::from_secs(30));
        assert!(after(30_000, 1.0) >= Duration::from_secs(30));
        assert_eq!(after(u64::MAX, 0.0), LONGEST_AFTER);
        assert_eq!(policy.delay(4, Retry::After { milliseconds: 1 }, 0.0), None);
        assert_eq!(policy.delay(1, Retry::Never, 0.0), None);
    }
}
