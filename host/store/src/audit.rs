//! Who changed what: records that only retention removes.

use crate::key::{self, AuditId, KeyRange, ends};
use crate::kv::{Direction, Kv, KvError, Op};
use crate::record::{self, Head, Record};
use crate::{AuditFilter, Error, Kind, Page, PageRequest, codec, cursor};
use postern_core::{EventId, Json, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::ops::ControlFlow;

/// The longest record of the audit, in bytes.
pub const LONGEST: usize = 64 << 10;

/// How many records are read in one hold of the engine.
const GROUP: usize = 128;

/// Something that was done, and by whom. Never with a secret in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, or the host itself.
    pub actor: String,
    /// The id of the actor's token, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Where the request came from, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What: `subscription.create`, `provider.approve`, …
    pub action: String,
    /// To what kind of object; none: to none that is stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// To what: the object's id.
    pub object: String,
    /// Whose the object is; none: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// What else is to be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Json>,
}

impl AuditEntry {
    fn bytes(&self) -> usize {
        let detail = self.detail.as_ref().map_or(0, |detail| detail.as_str().len());
        let tenant = self.tenant.as_ref().map_or(0, |tenant| tenant.as_str().len());
        let token = self.token.as_ref().map_or(0, String::len);
        self.actor.len() + self.action.len() + self.object.len() + token + tenant + detail
    }

    fn fits(&self, filter: &AuditFilter) -> bool {
        filter.tenant.as_ref().is_none_or(|tenant| self.tenant.as_ref() == Some(tenant))
            && filter.actor.as_ref().is_none_or(|actor| self.actor == *actor || self.token.as_ref() == Some(actor))
            && filter.object.as_ref().is_none_or(|object| self.object == *object)
    }
}

/// An entry as it will lie in rows.
pub(crate) struct NewEntry {
    pub(crate) first: Vec<u8>,
    pub(crate) record: Record,
}

impl NewEntry {
    /// What writes it.
    pub(crate) fn ops(&self) -> impl Iterator<Item = Op> {
        self.record.ops(&self.first)
    }
}

/// Gives an entry its place. Entries of the same millisecond stay in the order in which they came.
pub(crate) fn encode(entry: &AuditEntry) -> Result<NewEntry, Error> {
    let bytes = entry.bytes();
    if bytes > LONGEST {
        return Err(Error::TooLarge(format!("an audit record of {bytes} bytes; {LONGEST} are allowed")));
    }
    let order = u128::from_be_bytes(EventId::generate().to_bytes());
    Ok(NewEntry { first: key::audit(AuditId { at: entry.at, order }), record: codec::audit_record(entry)? })
}

/// A page under construction, newest first. It looks one record further than it needs, so that the last page says that
/// it is one; but only for one group, since the next match may be far away.
pub(crate) struct Scan {
    filter: AuditFilter,
    limit: usize,
    items: Vec<(AuditId, AuditEntry)>,
    /// What is left to read.
    rest: Option<KeyRange>,
    done: bool,
}

impl Scan {
    pub(crate) fn new(filter: AuditFilter, page: &PageRequest) -> Result<Self, Error> {
        let mut range = key::audit_between(filter.since, filter.until);
        if let Some(after) = &page.after {
            range.start = range.start.max(key::audit_behind(cursor::decode_audit(after)?).start);
        }
        let rest = Some(range).filter(|range| range.start < range.end);
        Ok(Self { filter, limit: page.limit.max(1), items: Vec::new(), done: rest.is_none(), rest })
    }

    /// Whether the page is ready.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Reads one group. A damaged record is left out and logged.
    pub(crate) fn read(&mut self, kv: &dyn Kv) -> Result<(), Error> {
        let Some(mut range) = self.rest.take() else { return Ok(()) };
        let was_complete = self.items.len() == self.limit;
        let found = heads(kv, &range, GROUP)?;
        let ended = found.len() < GROUP;
        for (id, head) in found {
            range.start = key::audit_behind(id).start;
            let whole = head.map_err(Error::from).and_then(|head| Ok(record::complete(kv, &key::audit(id), head)?));
            match whole.and_then(|whole| Ok(codec::audit(&whole)?)) {
                Ok(entry) if entry.fits(&self.filter) => self.items.push((id, entry)),
                Ok(_) => {}
                Err(Error::Damaged(reason)) => tracing::error!(%reason, "a damaged audit record was left out of a listing"),
                Err(error) => return Err(error),
            }
            if self.items.len() > self.limit {
                break;
            }
        }
        self.rest = Some(range).filter(|range| !ended && range.start < range.end);
        self.done = self.rest.is_none() || was_complete || self.items.len() > self.limit;
        Ok(())
    }

    /// The page.
    pub(crate) fn into_page(mut self) -> Page<AuditEntry> {
        let more = self.items.len() > self.limit || (self.rest.is_some() && self.items.len() == self.limit);
        self.items.truncate(self.limit);
        let next = if more { self.items.last().map(|(id, _)| cursor::encode_audit(*id)) } else { None };
        Page { items: self.items.into_iter().map(|(_, entry)| entry).collect(), next }
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
