//! Emissions that may come twice: the first answer is kept under the emitter's key until that expires.
//!
//! One small row for each idempotent event, `I` day hash, where `day` is the one on which the key expires. Why so:
//! - On sled each key costs more than its bytes, so there is one and no companion that is ordered by time. The day in
//!   front makes all that has expired one range at the beginning: a purge reads nothing that is still in force.
//! - A look-up does not know the day. No key lives longer than [`LONGEST`], so there are eight days at most, and only
//!   those up to the last one that was ever written are tried: with keys for 24 hours, two gets.
//! - The row belongs to the key, not to the event. Removed with its event, it would stay for the event's 30 days
//!   instead of its own 24 hours, or go too early where events are kept for less than that.
//!
//! The price: a row stays up to one day longer than it is in force. Its expiry is in it, and is what decides.

use crate::key::{self, ends};
use crate::kv::{Direction, Kv, KvError, Op};
use crate::record::{seal, unseal};
use crate::{Error, codec};
use postern_core::{EventId, Timestamp};
use std::ops::ControlFlow;
use std::time::Duration;

/// The longest time that an idempotency key may be in force: 7 days.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What makes a repeated emission known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// A hash, made by the caller, over the tenant, the source and the key that the emitter gave.
    pub key: [u8; 32],
    /// The present moment: what expired before or at it is forgotten.
    pub now: Timestamp,
    /// When this emission is forgotten, at most [`LONGEST_IDEMPOTENCY`](crate::LONGEST_IDEMPOTENCY) after `now`. Not
    /// after `now` means: nothing is remembered.
    pub until: Timestamp,
}

/// What became of an emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// The event: of a repeated emission, the first one's. It may have been purged since.
    pub event: EventId,
    /// How many deliveries it made.
    pub deliveries: usize,
    /// Whether it was known already, and nothing was stored.
    pub repeated: bool,
}

/// What is stored of the first emission with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) event: EventId,
    pub(crate) until: Timestamp,
    pub(crate) deliveries: u32,
}

impl Remembered {
    /// The answer to a repetition at this moment; none if it is forgotten by then.
    pub(crate) fn answer(&self, now: Timestamp) -> Option<Ingested> {
        let deliveries = usize::try_from(self.deliveries).unwrap_or(usize::MAX);
        (self.until > now).then_some(Ingested { event: self.event, deliveries, repeated: true })
    }

    /// The row that keeps it.
    pub(crate) fn op(&self, hash: &[u8; 32]) -> Op {
        let key = key::idempotency(day(self.until), hash);
        let value = seal(&key, &codec::remembered_bytes(self));
        Op::Put(key, value)
    }
}

/// The day of a moment, from 1970.
pub(crate) fn day(time: Timestamp) -> u32 {
    u32::try_from(time.as_millis().max(0) / DAY_MILLIS).unwrap_or(u32::MAX)
}

/// Refuses what the layout cannot find again.
pub(crate) fn check(asked: &Idempotency) -> Result<(), Error> {
    if asked.until > asked.now.saturating_add(LONGEST) {
        let (days, longest) = (asked.until.since(asked.now).as_secs() / 86_400, LONGEST.as_secs() / 86_400);
        return Err(Error::TooLarge(format!("an idempotency key for {days} days; {longest} are possible")));
    }
    Ok(())
}

/// The last day on which a stored key expires; none if there is no key.
pub(crate) fn last_day(kv: &dyn Kv) -> Result<Option<u32>, KvError> {
    let mut last = None;
    kv.scan(ends(&key::all_idempotency()), Direction::Backward, &mut |key, _| {
        last = key::parse_idempotency(key).map(|(day, _)| day);
        ControlFlow::Break(())
    })?;
    Ok(last)
}

/// The rows of a key: what was remembered, and the keys of rows that are of no use any more.
pub(crate) fn look_up(kv: &dyn Kv, asked: &Idempotency, last_day: u32) -> Result<(Option<Remembered>, Vec<Vec<u8>>), Error> {
    let mut stale = Vec::new();
    for day in day(asked.now)..=day(asked.now.saturating_add(LONGEST)).min(last_day) {
        let key = key::idempotency(day, &asked.key);
        let Some(value) = kv.get(&key)? else { continue };
        match unseal(&key, &value).and_then(codec::remembered) {
            Ok(remembered) if remembered.until > asked.now => return Ok((Some(remembered), stale)),
            Ok(_) => {}
            // An event that comes twice is better than one that is refused.
            Err(damage) => tracing::error!(%damage, "a damaged idempotency key is forgotten"),
        }
        stale.push(key);
    }
    Ok((None, stale))
}

/// The keys of up to `limit` rows that nobody needs from this moment on.
pub(crate) fn expired(kv: &dyn Kv, now: Timestamp, limit: usize) -> Result<Vec<Vec<u8>>, KvError> {
    let mut keys = Vec::new();
    kv.scan(ends(&key::idempotency_before(day(now))), Direction::Forward, &mut |key, _| {
        keys.push(key.to_vec());
        if keys.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(keys)
}
