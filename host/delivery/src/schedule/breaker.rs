//! Whether a destination is worth an attempt: after a run of failures nothing is sent for a while, then one delivery
//! probes. Pure.

use postern_core::Timestamp;
use std::time::Duration;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOptions {
    /// After so many failures in a row, none of another attempt between them. Default: 10.
    pub failures: u32,
    /// How long it is open the first time; each failed probe doubles it. Default: 30 seconds.
    pub pause: Duration,
    /// How long it is open at most. Default: 10 minutes.
    pub longest: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self { failures: 10, pause: Duration::from_secs(30), longest: Duration::from_secs(600) }
    }
}

/// The state of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Deliveries go through.
    Closed {
        /// How many failed in a row.
        failures: u32,
    },
    /// Nothing goes through before a moment; the first delivery after it probes.
    Open {
        /// The moment.
        until: Timestamp,
        /// How long this pause is.
        pause: Duration,
    },
    /// One delivery is on its way to see whether the destination works again.
    Probing {
        /// How long the pause before it was.
        pause: Duration,
    },
}

/// What a breaker says to a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It may go.
    Free,
    /// It may go, as the only one; [`Breaker::probe`] must be told.
    Probe,
    /// Not before this moment.
    After(Timestamp),
    /// Not before the probe is back.
    Behind,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Breaker {
    /// What it says at `now`.
    pub fn passage(&self, now: Timestamp) -> Passage {
        match *self {
            Self::Closed { .. } => Passage::Free,
            Self::Open { until, .. } if until <= now => Passage::Probe,
            Self::Open { until, .. } => Passage::After(until),
            Self::Probing { .. } => Passage::Behind,
        }
    }

    /// The next delivery probes.
    pub fn probe_at_once(&mut self, now: Timestamp) {
        if let Self::Open { until, .. } = self {
            *until = now.min(*until);
        }
    }

    /// A probe is on its way.
    pub fn probe(&mut self) {
        if let Self::Open { pause, .. } = *self {
            *self = Self::Probing { pause };
        }
    }

    /// A delivery reached the destination, which works. Whether that closed the breaker: only a probe does, so that those
    /// who sleep until the probe need not be looked for.
    pub fn works(&mut self, probe: bool) -> bool {
        let was_closed = matches!(self, Self::Closed { .. });
        if was_closed || probe {
            *self = Self::default();
        }
        !was_closed && probe
    }

    /// A delivery found the destination not working. Until when that opened the breaker, if it did.
    pub fn fails(&mut self, probe: bool, now: Timestamp, options: &BreakerOptions) -> Option<Timestamp> {
        let pause = match *self {
            Self::Closed { failures } if failures + 1 < options.failures => {
                *self = Self::Closed { failures: failures + 1 };
                return None;
            }
            Self::Closed { .. } => options.pause,
            Self::Probing { pause } if probe => pause.saturating_mul(2).min(options.longest),
            // It was on its way before the breaker opened.
            Self::Open { .. } | Self::Probing { .. } => return None,
        };
        let until = now.saturating_add(pause);
        *self = Self::Open { until, pause };
        Some(until)
    }

    /// A probe came back and says nothing of the destination: the next delivery probes.
    pub fn inconclusive(&mut self, now: Timestamp) {
        if let Self::Probing { pause } = *self {
            *self = Self::Open { until: now, pause };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_run_of_failures_opens_it_a_probe_closes_it() {
        let options = BreakerOptions { failures: 3, ..BreakerOptions::default() };
        let mut breaker = Breaker::default();
        assert_eq!([1, 2, 3].map(|second| breaker.fails(false, at(second), &options)), [None, None, Some(at(33))]);
        assert_eq!(breaker.passage(at(32)), Passage::After(at(33)));
        assert_eq!(breaker.fails(false, at(5), &options), None, "one that was on its way does not lengthen the pause");
        assert_eq!(breaker.passage(at(33)), Passage::Probe);
        breaker.probe();
        assert_eq!(breaker.passage(at(33)), Passage::Behind);
        assert_eq!(breaker.fails(true, at(40), &options), Some(at(100)), "twice as long");
        breaker.probe();
        assert!(!breaker.works(false));
        assert!(breaker.works(true));
        assert_eq!(breaker, Breaker::Closed { failures: 0 });
    }

    #[test]
    fn a_success_between_starts_the_count_anew() {
        let options = BreakerOptions { failures: 2, ..BreakerOptions::default() };
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert_eq!(breaker.fails(false, at(0), &options), None);
            assert!(!breaker.works(false));
        }
    }

    #[test]
    fn the_pause_grows_to_its_bound() {
        let options = BreakerOptions { failures: 1, ..BreakerOptions::default() };
        let mut breaker = Breaker::default();
        breaker.fails(false, at(0), &options);
        for _ in 0..20 {
            breaker.probe();
            breaker.fails(true, at(0), &options);
        }
        assert!(matches!(breaker, Breaker::Open { pause, .. } if pause == options.longest));
    }

    #[test]
    fn a_probe_that_says_nothing_is_made_again() {
        let options = BreakerOptions { failures: 1, ..BreakerOptions::default() };
        let mut breaker = Breaker::default();
        breaker.fails(false, at(0), &options);
        breaker.probe();
        breaker.inconclusive(at(31));
        assert_eq!(breaker.passage(at(31)), Passage::Probe);
    }
}
