//! Bounds how many credentials from one address may fail.
//!
//! A minute begins with an address's first failure; from the failure after the last that is allowed until its end, each is
//! refused. Such a window tells exactly when to try again, and begins to refuse once, which is what a record is made of; a
//! leaking bucket lets a few more through in between and tells neither. All windows are equally long, so the oldest ends
//! first, and a queue beside the map bounds both.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// How many failures of an address are allowed in a [`WINDOW`], unless the configuration says otherwise.
pub const DEFAULT_LIMIT: u32 = 10;

/// How long failures count.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How many sources are known at once. Of more, the one whose window began first is forgotten.
pub const MOST_SOURCES: usize = 10_000;

/// How many sources are worth a record in a [`WINDOW`]: somebody with many addresses must not fill the store.
pub const MOST_RECORDS: u32 = 60;

/// Who is counted as one: an address, and of IPv6 a network of 64 bits, since that much is given to a single customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
            address => address,
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// What a failure comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is within the limit.
    Allowed,
    /// It is not.
    Refused {
        /// How long others will be refused as well.
        wait: Duration,
        /// Whether this is to be recorded: it is the first one of the window.
        record: bool,
    },
}

/// Counts failures. Its memory is bounded by [`MOST_SOURCES`].
pub struct Throttle {
    limit: u32,
    windows: Mutex<Windows>,
}

#[derive(Default)]
struct Windows {
    by_source: HashMap<Source, Window>,
    /// When each began, oldest first.
    order: VecDeque<(Instant, Source)>,
    /// The window of the records, and how many were made in it.
    records: Option<Window>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    count: u32,
}

impl Window {
    /// How long it lasts on; none if it is over.
    fn rest(&self, now: Instant) -> Option<Duration> {
        WINDOW.checked_sub(now.saturating_duration_since(self.began)).filter(|rest| !rest.is_zero())
    }
}

impl Throttle {
    /// Allows `limit` failures of a source in each [`WINDOW`].
    pub fn new(limit: u32) -> Self {
        Self { limit, windows: Mutex::default() }
    }

    /// Counts a failure at `now`.
    pub fn failed(&self, source: Source, now: Instant) -> Verdict {
        let mut windows = self.windows.lock();
        let window = windows.count(source, now);
        match window.rest(now) {
            Some(wait) if window.count > self.limit => {
                let record = window.count == self.limit.saturating_add(1) && windows.may_record(now);
                Verdict::Refused { wait, record }
            }
            _ => Verdict::Allowed,
        }
    }
}

impl Windows {
    fn count(&mut self, source: Source, now: Instant) -> Window {
        let is_over = |began| Window { began, count: 0 }.rest(now).is_none();
        while let Some((began, oldest)) = self.order.front()
            && (is_over(*began) || (self.order.len() >= MOST_SOURCES && !self.by_source.contains_key(&source)))
        {
            self.by_source.remove(oldest);
            self.order.pop_front();
        }
        let window = self.by_source.entry(source).or_insert_with(|| {
            self.order.push_back((now, source));
            Window { began: now, count: 0 }
        });
        window.count = window.count.saturating_add(1);
        *window
    }

    fn may_record(&mut self, now: Instant) -> bool {
        let window = self.records.get_or_insert(Window { began: now, count: 0 });
        if window.rest(now).is_none() {
            *window = Window { began: now, count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count <= MOST_RECORDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        text.parse::<IpAddr>().unwrap().into()
    }

    fn refused(seconds: u64, record: bool) -> Verdict {
        Verdict::Refused { wait: Duration::from_secs(seconds), record }
    }

    #[test]
    fn ten_failures_in_a_minute_are_allowed_and_the_next_is_refused_until_it_ends() {
        let (throttle, begin) = (Throttle::new(DEFAULT_LIMIT), Instant::now());
        let failed = |source, seconds| throttle.failed(source, begin + Duration::from_secs(seconds));
        let (one, other) = (source("192.0.2.1"), source("192.0.2.2"));
        for second in 0..10 {
            assert_eq!(failed(one, second), Verdict::Allowed);
        }
        assert_eq!(failed(one, 10), refused(50, true));
        assert_eq!(failed(one, 59), refused(1, false), "one record for each window");
        assert_eq!(failed(other, 59), Verdict::Allowed, "another address is not affected");
        for _ in 0..10 {
            assert_eq!(failed(one, 60), Verdict::Allowed);
        }
        assert_eq!(failed(one, 61), refused(59, true));
    }

    #[test]
    fn ipv6_counts_by_network_and_mapped_addresses_as_ipv4() {
        let throttle = Throttle::new(1);
        let failed = |text| throttle.failed(source(text), Instant::now());
        assert_eq!(failed("2001:db8::1"), Verdict::Allowed);
        assert!(matches!(failed("2001:db8::ffff:1"), Verdict::Refused { .. }));
        assert_eq!(failed("2001:db8:0:1::1"), Verdict::Allowed);
        assert_eq!(failed("192.0.2.1"), Verdict::Allowed);
        assert!(matches!(failed("::ffff:192.0.2.1"), Verdict::Refused { .. }));
        assert_eq!(source("2001:db8::1").to_string(), "2001:db8::/64");
        assert_eq!(source("::ffff:192.0.2.1").to_string(), "192.0.2.1");
    }

    #[test]
    fn many_sources_cost_neither_memory_nor_records() {
        let (throttle, now) = (Throttle::new(1), Instant::now());
        let nth = |n: usize| Source::from(IpAddr::from((n as u32).to_be_bytes()));
        let mut records = 0;
        for n in 0..3 * MOST_SOURCES {
            assert_eq!(throttle.failed(nth(n), now), Verdict::Allowed);
            records += u32::from(throttle.failed(nth(n), now) == refused(60, true));
        }
        assert_eq!(records, MOST_RECORDS);
        let held = |throttle: &Throttle| {
            let windows = throttle.windows.lock();
            (windows.by_source.len(), windows.order.len())
        };
        assert_eq!(held(&throttle), (MOST_SOURCES, MOST_SOURCES));
        assert_eq!(throttle.failed(nth(3 * MOST_SOURCES - 1), now), refused(60, false), "the last ones are known");
        assert_eq!(throttle.failed(nth(0), now), Verdict::Allowed, "the first one is forgotten");
        throttle.failed(nth(1), now + WINDOW);
        assert_eq!(held(&throttle), (1, 1), "what is over is forgotten");
    }
}
