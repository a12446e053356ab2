//! Who changed what: records that only retention removes.

use crate::key::{self, AuditId, ends};
use crate::kv::{Direction, Kv, KvError};
use crate::record::{self, Head, Record};
use crate::{Error, Page, PageRequest, codec, cursor};
use postern_core::{EventId, Json, Timestamp};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// The longest record of the audit, in bytes.
pub const LONGEST: usize = 64 << 10;

/// How many records are read in one hold of the engine.
const GROUP: usize = 128;

/// Something that was done, and by whom. Never with a secret in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, `apply`, or the host itself.
    pub actor: String,
    /// What: `subscription.create`, `provider.approve`, …
    pub action: String,
    /// To what: the object's id.
    pub object: String,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Json>,
}

/// An entry as it will lie in rows.
pub(crate) struct NewEntry {
    pub(crate) first: Vec<u8>,
    pub(crate) record: Record,
}

/// Gives an entry its place. Entries of the same millisecond stay in the order in which they came.
pub(crate) fn encode(entry: &AuditEntry) -> Result<NewEntry, Error> {
    let AuditEntry { actor, action, object, detail, .. } = entry;
    let bytes = actor.len() + action.len() + object.len() + detail.as_ref().map_or(0, |detail| detail.as_str().len());
    if bytes > LONGEST {
        return Err(Error::TooLarge(format!("an audit record of {bytes} bytes; {LONGEST} are allowed")));
    }
    let order = u128::from_be_bytes(EventId::generate().to_bytes());
    Ok(NewEntry { first: key::audit(AuditId { at: entry.at, order }), record: codec::audit_record(entry)? })
}

/// A page, newest first. A damaged record is left out and logged.
pub(crate) fn list(kv: &dyn Kv, page: &PageRequest) -> Result<Page<AuditEntry>, Error> {
    let limit = page.limit.max(1);
    let mut range = match &page.after {
        None => key::all_audit(),
        Some(after) => key::audit_behind(cursor::decode_audit(after)?),
    };
    let mut items = Vec::new();
    let mut last = None;
    loop {
        let wanted = (limit.saturating_add(1) - items.len()).min(GROUP);
        let found = heads(kv, &range, wanted)?;
        let ended = found.len() < wanted;
        for (id, head) in found {
            if items.len() == limit {
                return Ok(Page { items, next: last.map(cursor::encode_audit) });
            }
            range = key::audit_behind(id);
            let whole = head.map_err(Error::from).and_then(|head| Ok(record::complete(kv, &key::audit(id), head)?));
            match whole.and_then(|whole| Ok(codec::audit(&whole)?)) {
                Ok(entry) => {
                    items.push(entry);
                    last = Some(id);
                }
                Err(Error::Damaged(reason)) => tracing::error!(%reason, "a damaged audit record was left out of a listing"),
                Err(error) => return Err(error),
            }
        }
        if ended {
            return Ok(Page { items, next: None });
        }
    }
}

/// What a scan found under an id.
pub(crate) type Found = (AuditId, Result<Head, record::Damage>);

/// The first rows of the first `limit` records in a range.
pub(crate) fn heads(kv: &dyn Kv, range: &key::KeyRange, limit: usize) -> Result<Vec<Found>, KvError> {
    let mut found = Vec::new();
    kv.scan(ends(range), Direction::Forward, &mut |key, value| {
        if let Some((id, true)) = key::parse_audit(key) {
            found.push((id, Head::parse(key, value)));
        }
        if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found)
}

/// The keys of the oldest records of before this time: `limit` of them, and what completes the last record. Answers
/// with how many records they are.
pub(crate) fn expired(kv: &dyn Kv, before: Timestamp, limit: usize) -> Result<(Vec<Vec<u8>>, usize), KvError> {
    let (mut keys, mut entries) = (Vec::new(), 0);
    kv.scan(ends(&key::audit_before(before)), Direction::Backward, &mut |key, _| {
        keys.push(key.to_vec());
        // Backward, a record's first row comes last: nothing is cut in two.
        let whole = matches!(key::parse_audit(key), Some((_, true)));
        entries += usize::from(whole);
        if whole && keys.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok((keys, entries))
}
