//! What external systems call the entities that deliveries are about: the external id of the first success about an
//! entity, for each subscription, so that later deliveries can refer to the same thing.

use crate::entity::EntityHash;
use crate::key::{self, KeyRange, ends};
use crate::kv::{Direction, Kv, KvError, Op};
use crate::record::{Damage, seal, unseal};
use crate::{Error, LONGEST_EXTERNAL_ID};
use postern_core::{SubscriptionId, Timestamp};
use std::ops::ControlFlow;

/// The time of the last use is moved when it is older than this, so that a busy entity costs a row a day.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What a row holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct External {
    pub(crate) id: String,
    /// When it was given.
    pub(crate) first: Timestamp,
    /// When a delivery about the entity succeeded last, to the day.
    pub(crate) last: Timestamp,
}

impl External {
    /// The row that keeps it.
    pub(crate) fn op(&self, key: Vec<u8>) -> Op {
        let times = [self.first, self.last].map(|time| time.as_millis().to_be_bytes());
        let value = seal(&key, &[&times[0][..], &times[1], self.id.as_bytes()].concat());
        Op::Put(key, value)
    }
}

/// Reads a row.
pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<External, Damage> {
    let damage = |reason: &str| Damage::content("an external id", reason);
    let (first, rest) = unseal(key, value)?.split_first_chunk::<8>().ok_or_else(|| damage("it is too short"))?;
    let (last, id) = rest.split_first_chunk::<8>().ok_or_else(|| damage("it is too short"))?;
    let id = std::str::from_utf8(id).map_err(|error| Damage::content("an external id", error))?.to_owned();
    let time = |bytes: &[u8; 8]| Timestamp::from_millis(i64::from_be_bytes(*bytes));
    Ok(External { id, first: time(first), last: time(last) })
}

/// The row of an entity. A damaged one is as none, and logged: the id is then that of the next success.
pub(crate) fn look_up(kv: &dyn Kv, subscription: SubscriptionId, entity: EntityHash) -> Result<Option<External>, KvError> {
    let key = key::external(subscription, entity);
    let Some(value) = kv.get(&key)? else { return Ok(None) };
    Ok(parse(&key, &value).inspect_err(|damage| tracing::error!(%damage, "a damaged external id is forgotten")).ok())
}

/// What a success about an entity changes.
pub(crate) fn success(
    kv: &dyn Kv,
    subscription: SubscriptionId,
    entity: EntityHash,
    id: Option<&str>,
    at: Timestamp,
) -> Result<Option<Op>, Error> {
    let known = look_up(kv, subscription, entity)?;
    let row = match (known, id) {
        (Some(known), _) if at.as_millis().saturating_sub(known.last.as_millis()) < DAY_MILLIS => return Ok(None),
        (Some(known), _) => External { last: at, ..known },
        // The contract allows no longer ones; half of an id would be the id of something else.
        (None, Some(id)) if id.len() <= LONGEST_EXTERNAL_ID => External { id: id.to_owned(), first: at, last: at },
        (None, _) => return Ok(None),
    };
    Ok(Some(row.op(key::external(subscription, entity))))
}

/// How far the purges of this process came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sweep {
    /// The row that was looked at last; none between sweeps.
    after: Option<Vec<u8>>,
    /// The time of the sweep that is going on, or of the last one.
    before: Option<Timestamp>,
}

/// One step of a purge.
pub(crate) struct Swept {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) sweep: Sweep,
    pub(crate) done: bool,
}

/// Looks at up to `rows` rows for those that were not used since `before`. Once all were looked at, nothing is to be
/// done for a day: uses are known to the day only.
pub(crate) fn sweep(kv: &dyn Kv, mut sweep: Sweep, before: Timestamp, rows: usize) -> Result<Swept, KvError> {
    let mut keys = Vec::new();
    if sweep.after.is_none() {
        if sweep.before.is_some_and(|last| before.as_millis().saturating_sub(last.as_millis()) < DAY_MILLIS) {
            return Ok(Swept { keys, sweep, done: true });
        }
        sweep.before = Some(before);
    }
    let range: KeyRange = key::externals_behind(sweep.after.as_deref());
    let (mut seen, mut last) = (0, None);
    kv.scan(ends(&range), Direction::Forward, &mut |key, value| {
        seen += 1;
        last = Some(key.to_vec());
        // A damaged row is of no use.
        if parse(key, value).map_or(true, |row| row.last < before) {
            keys.push(key.to_vec());
        }
        if seen == rows { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let done = seen < rows;
    sweep.after = if done { None } else { last };
    Ok(Swept { keys, sweep, done })
}
