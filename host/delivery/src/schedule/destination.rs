//! One place that deliveries go to: how many may be on their way to it, and whether it works.

use super::breaker::{Breaker, BreakerOptions, Passage};
use postern_core::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// How many deliveries may be on their way to a destination of which nothing is known.
const FIRST_WINDOW: usize = 4;

/// Whoever takes longer is slow.
pub const SLOW: Duration = Duration::from_secs(1);

/// What an attempt tells of its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answered, be it with a refusal of this one request.
    Works,
    /// It could not be reached, did not answer in time, or said that it does not work.
    Fails,
    /// Nothing: the attempt ended before a request was sent.
    Unknown,
}

/// How soon a destination answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It has not answered yet.
    Unknown,
    Quick,
    Slow,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) breaker: Breaker,
    /// How many may be on their way: one more after each quick answer, half after each failure.
    window: usize,
    /// How many are on their way, by the moment when they began.
    started: BTreeMap<Timestamp, usize>,
    pub(super) in_flight: usize,
    /// As its last answer was.
    pace: Pace,
    /// Whether it is in the line for the places that slow destinations share.
    pub(super) in_slow_line: bool,
    /// Whether it is in the line for a place to be tried out.
    pub(super) in_trial_line: bool,
    pub(super) last_used: Timestamp,
}

impl Default for Destination {
    fn default() -> Self {
        Self {
            breaker: Breaker::default(),
            window: FIRST_WINDOW,
            started: BTreeMap::new(),
            in_flight: 0,
            pace: Pace::Unknown,
            in_slow_line: false,
            in_trial_line: false,
            last_used: Timestamp::default(),
        }
    }
}

impl Destination {
    /// Whether it has not shown lately that it is quick. Slow ones share a part of all places.
    pub(super) fn is_slow(&self) -> bool {
        self.pace != Pace::Quick
    }

    /// Whether a first delivery would tell what is not known of it.
    pub(super) fn is_untried(&self) -> bool {
        self.pace == Pace::Unknown && self.in_flight == 0
    }

    /// Whether another may be on its way.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.window
    }

    /// How many more may be on their way.
    pub(super) fn room(&self) -> usize {
        self.window.saturating_sub(self.in_flight)
    }

    /// How many may be on their way.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// An attempt begins. Whether it probes.
    pub(super) fn begin(&mut self, now: Timestamp) -> bool {
        *self.started.entry(now).or_default() += 1;
        self.in_flight += 1;
        self.last_used = now;
        let probes = self.breaker.passage(now) == Passage::Probe;
        if probes {
            self.breaker.probe();
        }
        probes
    }

    /// An attempt that began at `started` is gone, ended or not made after all.
    pub(super) fn end(&mut self, started: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(count) = self.started.get_mut(&started) {
            *count -= 1;
            if *count == 0 {
                self.started.remove(&started);
            }
        }
    }

    /// Learns from an attempt. Until when its breaker opened, or that it closed.
    pub(super) fn learn(
        &mut self,
        health: Health,
        took: Duration,
        probe: bool,
        now: Timestamp,
        most: usize,
        options: &BreakerOptions,
    ) -> Option<Turned> {
        match health {
            Health::Works => {
                self.pace = if took < SLOW { Pace::Quick } else { Pace::Slow };
                if self.pace == Pace::Quick {
                    self.window = (self.window + 1).min(most);
                }
                self.breaker.works(probe).then_some(Turned::Closed)
            }
            Health::Fails => {
                self.pace = Pace::Slow;
                self.window = (self.window / 2).max(1);
                self.breaker.fails(probe, now, options).map(Turned::Open)
            }
            Health::Unknown => {
                if probe {
                    self.breaker.inconclusive(now);
                }
                None
            }
        }
    }

    /// Notices attempts that have been on their way for long.
    pub(super) fn look(&mut self, now: Timestamp) {
        if self.started.first_key_value().is_some_and(|(oldest, _)| now.since(*oldest) > SLOW) {
            self.pace = Pace::Slow;
        }
    }

    /// Whether forgetting it changes little: it works, and nothing is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && !self.in_slow_line && !self.in_trial_line && self.breaker == Breaker::default()
    }
}

/// What became of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Nothing is sent before this moment.
    Open(Timestamp),
    /// The destination works again.
    Closed,
}
