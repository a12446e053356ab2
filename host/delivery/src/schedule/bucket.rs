//! How fast deliveries may be made: so many in a time, and not before a moment that a target asked for.
//!
//! The rate is kept by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): one number says when the next
//! delivery would be due if all came evenly; a full allowance may come at once. Crates that offer it consume on asking;
//! here several buckets are looked at first, and taken from only if all of them allow it.

use postern_core::Timestamp;
use std::time::Duration;

/// At most so many deliveries in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many, at least 1.
    pub deliveries: u32,
    /// In how much time, at least a millisecond.
    pub per: Duration,
}

impl Quota {
    /// The time between two deliveries that come evenly, in microseconds, at least 1.
    fn interval(self) -> i64 {
        (self.window() / i64::from(self.deliveries.max(1))).max(1)
    }

    fn window(self) -> i64 {
        i64::try_from(self.per.as_micros()).unwrap_or(i64::MAX / 4).clamp(1_000, i64::MAX / 4)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    quota: Option<Quota>,
    /// When the next delivery would be due if all came evenly, in microseconds since 1970.
    next: i64,
    not_before: Timestamp,
}

impl Bucket {
    /// Puts a quota in force; none: any rate. Another one than before begins with its whole allowance: what was taken by the
    /// old one would keep a subscription waiting for as long as the old one said.
    pub fn set_quota(&mut self, quota: Option<Quota>) {
        if self.quota != quota {
            self.quota = quota;
            self.next = 0;
        }
    }

    /// The earliest moment at which a delivery may be made.
    pub fn ready_at(&self) -> Timestamp {
        let Some(quota) = self.quota else { return self.not_before };
        let micros = self.next - (quota.window() - quota.interval());
        // Rounded up: a millisecond early would be one too many.
        let millis = micros.div_euclid(1_000) + i64::from(micros.rem_euclid(1_000) > 0);
        self.not_before.max(Timestamp::from_millis(millis))
    }

    /// Notes a delivery at `now`.
    pub fn take(&mut self, now: Timestamp) {
        if let Some(quota) = self.quota {
            self.next = self.next.max(now.as_millis().saturating_mul(1_000)).saturating_add(quota.interval());
        }
    }

    /// Takes the note of a delivery back that was not made after all.
    pub fn give_back(&mut self) {
        if let Some(quota) = self.quota {
            self.next = self.next.saturating_sub(quota.interval());
        }
    }

    /// Allows nothing before this moment.
    pub fn hold_until(&mut self, moment: Timestamp) {
        self.not_before = self.not_before.max(moment);
    }

    /// Until when it is held, if it is at `now`.
    pub fn held(&self, now: Timestamp) -> Option<Timestamp> {
        Some(self.not_before).filter(|until| *until > now)
    }

    /// Whether forgetting it changes nothing at `now`.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.not_before <= now && (self.quota.is_none() || self.next <= now.as_millis().saturating_mul(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn bucket(deliveries: u32, per: u64) -> Bucket {
        let mut bucket = Bucket::default();
        bucket.set_quota(Some(Quota { deliveries, per: Duration::from_millis(per) }));
        bucket
    }

    #[test]
    fn a_whole_allowance_comes_at_once_and_then_one_by_one() {
        let mut bucket = bucket(3, 300);
        let now = at(1_000_000);
        for _ in 0..3 {
            assert!(bucket.ready_at() <= now);
            bucket.take(now);
        }
        assert_eq!(bucket.ready_at(), at(1_000_100));
        bucket.give_back();
        assert!(bucket.ready_at() <= now);
    }

    #[test]
    fn another_quota_begins_with_its_whole_allowance_and_the_same_one_goes_on() {
        let mut bucket = bucket(1, 86_400_000);
        let now = at(1_000_000);
        bucket.take(now);
        bucket.set_quota(bucket.quota);
        assert_eq!(bucket.ready_at(), at(87_400_000));
        bucket.set_quota(Some(Quota { deliveries: 2, per: Duration::from_secs(1) }));
        for expected in [true, true, false] {
            assert_eq!(bucket.ready_at() <= now, expected);
            bucket.take(now);
        }
    }

    #[test]
    fn what_a_target_asked_for_counts_without_a_quota_too() {
        let mut bucket = Bucket::default();
        bucket.hold_until(at(50));
        bucket.hold_until(at(20));
        assert_eq!((bucket.ready_at(), bucket.held(at(49)), bucket.held(at(50))), (at(50), Some(at(50)), None));
        assert!(!bucket.is_idle(at(49)) && bucket.is_idle(at(50)));
    }

    proptest! {
        /// A burst of one allowance and then the even rate: in any time, so many and no more.
        #[test]
        fn never_more_than_the_rate(deliveries in 1..50u32, per in 1..5_000u64, waits in prop::collection::vec(0..200i64, 1..200)) {
            let mut bucket = bucket(deliveries, per);
            let mut now = at(1_000_000);
            let mut taken = Vec::new();
            for wait in waits {
                now = at(now.as_millis() + wait);
                if bucket.ready_at() <= now {
                    bucket.take(now);
                    taken.push(now.as_millis());
                }
            }
            for (from, first) in taken.iter().enumerate() {
                for (upto, last) in taken.iter().enumerate().skip(from) {
                    let allowed = f64::from(deliveries) * (1.0 + (last - first + 1) as f64 / per as f64);
                    prop_assert!((upto - from + 1) as f64 <= allowed + 1e-6, "{} in {} ms", upto - from + 1, last - first);
                }
            }
        }
    }
}
