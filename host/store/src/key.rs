//! The keys of the one table. Few and small, since each costs an embedded engine more than the bytes in it.
//!
//! | key | value |
//! |---|---|
//! | `E` !event (chunk) | the event: its header with the routes, then the payload |
//! | `Q` event | the mark of an unfinished event: how many deliveries it has; until all of them are final ([`crate::due`]) |
//! | `S` !event index seq (chunk) | a step of a delivery: its header with the state, then the attempt |
//! | `F` !event !index | that a delivery failed, and what failures are counted by ([`crate::failure`]) |
//! | `H` subscription short | which failed delivery holds the entity |
//! | `X` subscription hash | what the external system calls the entity ([`crate::external`]) |
//! | `M` kind id 0 0 (chunk) | a document |
//! | `I` day hash | the first answer to an idempotent emission ([`crate::idempotency`]) |
//! | `A` !time !entry (chunk) | an audit record: its header, then its detail |
//! | `V` name | what the store remembers about itself |
//!
//! `!event` is the event's id with all bits turned, so that a forward scan meets the newest event first; `!time` and
//! `!entry` likewise, and `!index` so that a backward scan of failures meets them in the order of their ids. `short` and
//! `hash` are those of an entity ([`crate::entity`]). `day` is the day on which the idempotency key expires. Numbers are
//! big-endian. The first chunk has no number; the others have two bytes.

use crate::Kind;
use crate::entity::{EntityHash, ShortHash};
use postern_core::{DeliveryId, EventId, SubscriptionId, Timestamp};
use std::ops::Range;

/// The largest millisecond that a ULID can hold.
const LAST_MILLISECOND: u64 = (1 << 48) - 1;

/// A range of keys.
pub(crate) type KeyRange = Range<Vec<u8>>;

/// Borrows the ends of a range.
pub(crate) fn ends(range: &KeyRange) -> Range<&[u8]> {
    range.start.as_slice()..range.end.as_slice()
}

fn inverted(id: EventId) -> [u8; 16] {
    id.to_bytes().map(|byte| !byte)
}

fn tagged(tag: u8, id: EventId) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.push(tag);
    key.extend_from_slice(&inverted(id));
    key
}

/// A key behind all keys of the event with this tag, and before those of the next.
fn behind(tag: u8, id: EventId) -> Vec<u8> {
    let mut key = tagged(tag, id);
    key.extend_from_slice(&[0xff; 8]);
    key
}

/// The first row of an event.
pub(crate) fn event(id: EventId) -> Vec<u8> {
    tagged(b'E', id)
}

/// The rows of the events between two ids, both included: the newer one first.
pub(crate) fn events(newest: EventId, oldest: EventId) -> KeyRange {
    tagged(b'E', newest)..behind(b'E', oldest)
}

/// The id of an event row, and whether it is the first of its event.
pub(crate) fn parse_event(key: &[u8]) -> Option<(EventId, bool)> {
    let (id, rest) = key.strip_prefix(b"E")?.split_first_chunk::<16>()?;
    Some((EventId::from_bytes(id.map(|byte| !byte)), rest.is_empty()))
}

/// Says that an event has unfinished deliveries.
pub(crate) fn unfinished(id: EventId) -> Vec<u8> {
    let mut key = vec![b'Q'];
    key.extend_from_slice(&id.to_bytes());
    key
}

/// All events with unfinished deliveries, oldest first.
pub(crate) fn all_unfinished() -> KeyRange {
    vec![b'Q']..vec![b'Q' + 1]
}

/// The id in a key of an unfinished event.
pub(crate) fn parse_unfinished(key: &[u8]) -> Option<EventId> {
    key.strip_prefix(b"Q")?.try_into().ok().map(EventId::from_bytes)
}

/// The first row of a step.
pub(crate) fn step(delivery: DeliveryId, sequence: u16) -> Vec<u8> {
    let mut key = tagged(b'S', delivery.event);
    key.extend_from_slice(&delivery.index.to_be_bytes());
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

/// The steps of the events between two ids, both included: those of the newer one first.
pub(crate) fn steps(newest: EventId, oldest: EventId) -> KeyRange {
    tagged(b'S', newest)..behind(b'S', oldest)
}

/// The steps of one delivery.
pub(crate) fn steps_of(delivery: DeliveryId) -> KeyRange {
    let start = step(delivery, 0);
    let mut end = step(delivery, u16::MAX);
    end.extend_from_slice(&[0xff; 4]);
    start..end
}

/// A key behind every row of a step, for a scan that leaves out the rest of it.
pub(crate) fn behind_step(delivery: DeliveryId, sequence: u16) -> Vec<u8> {
    let mut key = step(delivery, sequence);
    key.extend_from_slice(&[0xff; 4]);
    key
}

/// The delivery and the number in the key of a step, and whether the row is the first of the step.
pub(crate) fn parse_step(key: &[u8]) -> Option<(DeliveryId, u16, bool)> {
    let (event, rest) = key.strip_prefix(b"S")?.split_first_chunk::<16>()?;
    let (index, rest) = rest.split_first_chunk::<2>()?;
    let (sequence, rest) = rest.split_first_chunk::<2>()?;
    let event = EventId::from_bytes(event.map(|byte| !byte));
    Some((DeliveryId { event, index: u16::from_be_bytes(*index) }, u16::from_be_bytes(*sequence), rest.is_empty()))
}

/// Says that a delivery failed.
pub(crate) fn failure(delivery: DeliveryId) -> Vec<u8> {
    let mut key = tagged(b'F', delivery.event);
    key.extend_from_slice(&(!delivery.index).to_be_bytes());
    key
}

/// The failures of the events between two ids, both included: those of the newer one first.
pub(crate) fn failures(newest: EventId, oldest: EventId) -> KeyRange {
    tagged(b'F', newest)..behind(b'F', oldest)
}

/// The delivery in the key of a failure.
pub(crate) fn parse_failure(key: &[u8]) -> Option<DeliveryId> {
    let (event, index) = key.strip_prefix(b"F")?.split_first_chunk::<16>()?;
    let event = EventId::from_bytes(event.map(|byte| !byte));
    Some(DeliveryId { event, index: !u16::from_be_bytes(index.try_into().ok()?) })
}

fn of_subscription(tag: u8, subscription: SubscriptionId, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(33);
    key.push(tag);
    key.extend_from_slice(&subscription.to_bytes());
    key.extend_from_slice(rest);
    key
}

/// Says which delivery holds an entity.
pub(crate) fn hold(subscription: SubscriptionId, entity: ShortHash) -> Vec<u8> {
    of_subscription(b'H', subscription, &entity.0)
}

/// The holds of a subscription.
pub(crate) fn holds_of(subscription: SubscriptionId) -> KeyRange {
    of_subscription(b'H', subscription, &[])..of_subscription(b'H', subscription, &[0xff; 9])
}

/// All holds.
pub(crate) fn all_holds() -> KeyRange {
    vec![b'H']..vec![b'H' + 1]
}

/// The subscription and the entity in the key of a hold.
pub(crate) fn parse_hold(key: &[u8]) -> Option<(SubscriptionId, ShortHash)> {
    let (subscription, entity) = key.strip_prefix(b"H")?.split_first_chunk::<16>()?;
    Some((SubscriptionId::from_bytes(*subscription), ShortHash(entity.try_into().ok()?)))
}

/// Says what the external system calls an entity.
pub(crate) fn external(subscription: SubscriptionId, entity: EntityHash) -> Vec<u8> {
    of_subscription(b'X', subscription, &entity.0)
}

/// The external ids behind this key; all, behind none.
pub(crate) fn externals_behind(key: Option<&[u8]>) -> KeyRange {
    let start = key.map_or(vec![b'X'], |key| [key, &[0]].concat());
    start..vec![b'X' + 1]
}

/// The subscription and the entity in the key of an external id.
pub(crate) fn parse_external(key: &[u8]) -> Option<(SubscriptionId, EntityHash)> {
    let (subscription, entity) = key.strip_prefix(b"X")?.split_first_chunk::<16>()?;
    Some((SubscriptionId::from_bytes(*subscription), EntityHash(entity.try_into().ok()?)))
}

fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::EventType => 1,
        Kind::Subscription => 2,
        Kind::Connection => 3,
        Kind::Provider => 4,
        Kind::Token => 5,
        Kind::Setting => 6,
    }
}

/// The first row of a document. The id ends with two zero bytes, and a zero byte in it is followed by 255, so that no
/// document's rows lie among another's.
pub(crate) fn document(kind: Kind, id: &str) -> Vec<u8> {
    let mut key = vec![b'M', kind_byte(kind)];
    for byte in id.bytes() {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 0]);
    key
}

/// The rows of all documents of a kind.
pub(crate) fn documents(kind: Kind) -> KeyRange {
    vec![b'M', kind_byte(kind)]..vec![b'M', kind_byte(kind) + 1]
}

/// The kind that a document's key names.
fn kind_of(byte: u8) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind_byte(*kind) == byte)
}

/// The first answer to an idempotent emission whose key expires on this day.
pub(crate) fn idempotency(day: u32, hash: &[u8; 32]) -> Vec<u8> {
    let mut key = Vec::with_capacity(37);
    key.push(b'I');
    key.extend_from_slice(&day.to_be_bytes());
    key.extend_from_slice(hash);
    key
}

/// The idempotency keys that expire before this day.
pub(crate) fn idempotency_before(day: u32) -> KeyRange {
    let mut end = vec![b'I'];
    end.extend_from_slice(&day.to_be_bytes());
    vec![b'I']..end
}

/// All idempotency keys.
pub(crate) fn all_idempotency() -> KeyRange {
    vec![b'I']..vec![b'I' + 1]
}

/// The day and the hash in an idempotency key.
pub(crate) fn parse_idempotency(key: &[u8]) -> Option<(u32, [u8; 32])> {
    let (day, hash) = key.strip_prefix(b"I")?.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*day), hash.try_into().ok()?))
}

/// Where an audit record stands: by its time, then in the order in which records came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AuditId {
    pub(crate) at: Timestamp,
    pub(crate) order: u128,
}

impl AuditId {
    /// The bytes sort as the ids do.
    pub(crate) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        // The sign bit turned, times before 1970 sort before the others.
        bytes[..8].copy_from_slice(&(self.at.as_millis() ^ i64::MIN).to_be_bytes());
        bytes[8..].copy_from_slice(&self.order.to_be_bytes());
        bytes
    }

    /// Reads [`to_bytes`](Self::to_bytes).
    pub(crate) fn from_bytes(bytes: &[u8; 24]) -> Self {
        let (mut at, mut order) = ([0; 8], [0; 16]);
        at.copy_from_slice(&bytes[..8]);
        order.copy_from_slice(&bytes[8..]);
        Self { at: Timestamp::from_millis(i64::from_be_bytes(at) ^ i64::MIN), order: u128::from_be_bytes(order) }
    }
}

/// The first row of an audit record.
pub(crate) fn audit(id: AuditId) -> Vec<u8> {
    let mut key = Vec::with_capacity(27);
    key.push(b'A');
    key.extend(id.to_bytes().map(|byte| !byte));
    key
}

/// All audit records, newest first.
pub(crate) fn all_audit() -> KeyRange {
    vec![b'A']..vec![b'A' + 1]
}

/// The audit records of `since` or later, and of before `until`, newest first. Empty or inverted if there can be none.
pub(crate) fn audit_between(since: Option<Timestamp>, until: Option<Timestamp>) -> KeyRange {
    let Range { start, end } = all_audit();
    let start = until.map_or(start, |until| audit_before(until).start);
    start..since.map_or(end, |since| audit_before(since).start)
}

/// The audit records that follow this one, which are older.
pub(crate) fn audit_behind(id: AuditId) -> KeyRange {
    let mut start = audit(id);
    start.extend_from_slice(&[0xff; 4]);
    start..vec![b'A' + 1]
}

/// The audit records of before this time.
pub(crate) fn audit_before(time: Timestamp) -> KeyRange {
    audit_behind(AuditId { at: time, order: 0 })
}

/// The id in the key of an audit record, and whether the row is the first of it.
pub(crate) fn parse_audit(key: &[u8]) -> Option<(AuditId, bool)> {
    let (id, rest) = key.strip_prefix(b"A")?.split_first_chunk::<24>()?;
    Some((AuditId::from_bytes(&id.map(|byte| !byte)), rest.is_empty()))
}

/// How much of a key is the key of its record's first row; none if it is no key of this layout.
pub(crate) fn first_row(key: &[u8]) -> Option<&[u8]> {
    let (tag, rest) = key.split_first()?;
    let length = match tag {
        b'E' => 17,
        b'S' => 21,
        b'A' => 25,
        b'M' => {
            kind_of(*rest.first()?)?;
            // Zero bytes of the id are followed by 255, so the first two in a row end it.
            key.get(2..)?.windows(2).position(|pair| pair == [0, 0])? + 4
        }
        b'Q' => return (key.len() == 17).then_some(key),
        b'F' => return (key.len() == 19).then_some(key),
        b'H' => return (key.len() == 25).then_some(key),
        b'X' => return (key.len() == 33).then_some(key),
        b'I' => return (key.len() == 37).then_some(key),
        b'V' => return Some(key),
        _ => return None,
    };
    let first = key.get(..length)?;
    matches!(key.len() - length, 0 | 2).then_some(first)
}

/// The number of a row of the record that begins at `first`.
pub(crate) fn chunk_number(first: &[u8], key: &[u8]) -> Option<u16> {
    match key.strip_prefix(first)? {
        [] => Some(0),
        [high, low] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// A key as people read it.
pub(crate) fn hex(key: &[u8]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Every key.
pub(crate) fn all() -> KeyRange {
    Vec::new()..vec![0xff; 64]
}

/// A key behind every row of the record that begins at `first`, and before any other record.
pub(crate) fn behind_record(first: &[u8]) -> Vec<u8> {
    let mut key = first.to_vec();
    key.extend_from_slice(&[0xff; 4]);
    key
}

/// The kind in the key of a document.
pub(crate) fn document_kind(key: &[u8]) -> Option<Kind> {
    key.strip_prefix(b"M")?.first().copied().and_then(kind_of)
}

/// The id in the key of a document's first row.
pub(crate) fn document_id(first: &[u8]) -> Option<String> {
    let mut id = Vec::new();
    let mut rest = first.get(2..first.len().checked_sub(2)?)?.iter();
    while let Some(byte) = rest.next() {
        id.push(*byte);
        if *byte == 0 {
            rest.next();
        }
    }
    String::from_utf8(id).ok()
}

/// What the store remembers about itself.
pub(crate) fn note(name: &str) -> Vec<u8> {
    let mut key = vec![b'V'];
    key.extend_from_slice(name.as_bytes());
    key
}

/// The key of another row of the record that begins at `first`.
pub(crate) fn chunk(first: &[u8], number: u16) -> Vec<u8> {
    let mut key = first.to_vec();
    if number > 0 {
        key.extend_from_slice(&number.to_be_bytes());
    }
    key
}

/// The least id that an event accepted at this time can have.
pub(crate) fn first_at(time: Timestamp) -> EventId {
    let millis = u64::try_from(time.as_millis()).unwrap_or(0).min(LAST_MILLISECOND);
    EventId::from_bytes((u128::from(millis) << 80).to_be_bytes())
}

/// The greatest and the least id of events that were accepted at `since` or later and before `until`; none if there
/// can be no such event.
pub(crate) fn accepted(since: Option<Timestamp>, until: Option<Timestamp>) -> Option<(EventId, EventId)> {
    let newest = match until {
        Some(until) => previous(first_at(until))?,
        None => EventId::from_bytes([0xff; 16]),
    };
    let oldest = since.map_or(EventId::from_bytes([0; 16]), first_at);
    (newest >= oldest).then_some((newest, oldest))
}

/// The id before this one.
pub(crate) fn previous(id: EventId) -> Option<EventId> {
    u128::from_be_bytes(id.to_bytes()).checked_sub(1).map(|bits| EventId::from_bytes(bits.to_be_bytes()))
}

/// The id after this one.
pub(crate) fn following(id: EventId) -> Option<EventId> {
    u128::from_be_bytes(id.to_bytes()).checked_add(1).map(|bits| EventId::from_bytes(bits.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document_rows(kind: Kind, id: &str) -> KeyRange {
        let start = document(kind, id);
        let mut end = start.clone();
        end.extend_from_slice(&[0xff; 4]);
        start..end
    }

    #[test]
    fn newer_events_come_first_and_rows_of_one_stay_together() {
        let (older, newer) = (EventId::generate(), EventId::generate());
        let keys = [event(newer), chunk(&event(newer), 1), chunk(&event(newer), u16::MAX), event(older)];
        assert!(keys.is_sorted());
        assert!(events(newer, newer).contains(&keys[2]) && !events(newer, newer).contains(&keys[3]));
        assert_eq!(parse_event(&keys[0]), Some((newer, true)));
        assert_eq!(parse_event(&keys[1]), Some((newer, false)));
    }

    #[test]
    fn the_steps_of_a_delivery_are_one_range() {
        let id = DeliveryId { event: EventId::generate(), index: u16::MAX };
        let last = chunk(&step(id, u16::MAX), u16::MAX);
        assert!(steps_of(id).contains(&last) && steps(id.event, id.event).contains(&last));
        assert_eq!(parse_step(&last), Some((id, u16::MAX, false)));
        assert!(!steps_of(id).contains(&step(DeliveryId { index: 0, ..id }, 0)));
    }

    #[test]
    fn documents_with_odd_ids_do_not_mix() {
        let ids = ["a", "a\0", "a\0\u{1}", "ab", "a\u{1}"];
        for id in ids {
            for other in ids {
                assert_eq!(document_rows(Kind::Token, id).contains(&chunk(&document(Kind::Token, other), 9)), id == other);
            }
        }
    }

    #[test]
    fn every_row_leads_to_its_first() {
        let id = EventId::generate();
        let audit_id = AuditId { at: Timestamp::from_millis(5), order: 7 };
        let firsts = [event(id), step(DeliveryId { event: id, index: 0 }, 0), audit(audit_id), document(Kind::Token, "a\0b")];
        for first in firsts {
            for number in [0, 1, 256, u16::MAX] {
                let row = chunk(&first, number);
                assert_eq!(first_row(&row), Some(&first[..]), "{row:?}");
                assert_eq!(chunk_number(&first, &row), Some(number));
            }
            assert_eq!(first_row(&[&first[..], &[1]].concat()), None);
        }
        for bad in [&b""[..], b"Y", b"E", b"Q1", b"F", b"H", b"X", b"I", b"M\x09a\0\0", b"M\x01a"] {
            assert_eq!(first_row(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn audit_records_lie_newest_first() {
        let id = |at, order| AuditId { at: Timestamp::from_millis(at), order };
        let ids = [id(9, 1), id(5, 2), id(5, 1), id(-3, 8), id(i64::MIN, 0)];
        assert!(ids.map(audit).is_sorted());
        assert!(ids.iter().all(|id| parse_audit(&audit(*id)) == Some((*id, true))));
        assert!(ids.iter().all(|id| AuditId::from_bytes(&id.to_bytes()) == *id));
        let before = audit_before(Timestamp::from_millis(5));
        assert_eq!(ids.map(|id| before.contains(&audit(id))), [false, false, false, true, true]);
        let middle = audit_between(Some(Timestamp::from_millis(5)), Some(Timestamp::from_millis(9)));
        assert_eq!(ids.map(|id| middle.contains(&audit(id))), [false, true, true, false, false]);
        assert!(!audit_behind(ids[1]).contains(&chunk(&audit(ids[1]), 3)) && audit_behind(ids[1]).contains(&audit(ids[2])));
    }

    #[test]
    fn failures_lie_newest_first_and_backward_in_the_order_of_their_ids() {
        let (older, newer) = (EventId::generate(), EventId::generate());
        let ids = [(newer, 7), (newer, 0), (older, 1), (older, 0)].map(|(event, index)| DeliveryId { event, index });
        assert!(ids.map(failure).is_sorted() && ids.is_sorted_by(|a, b| a > b));
        assert!(ids.iter().all(|id| parse_failure(&failure(*id)) == Some(*id)));
        assert!(failures(newer, newer).contains(&failure(ids[0])) && !failures(newer, newer).contains(&failure(ids[2])));
    }

    #[test]
    fn what_belongs_to_a_subscription_is_one_range() {
        let (one, other) = (SubscriptionId::generate(), SubscriptionId::generate());
        for entity in ["a", "b", "c"] {
            let hash = EntityHash::of(entity);
            let key = hold(one, hash.short());
            assert!(holds_of(one).contains(&key) && all_holds().contains(&key) && !holds_of(other).contains(&key));
            assert_eq!(parse_hold(&key), Some((one, hash.short())));
            let key = external(one, hash);
            assert!(externals_behind(None).contains(&key) && !externals_behind(Some(&key)).contains(&key));
            assert_eq!(parse_external(&key), Some((one, hash)));
        }
    }

    #[test]
    fn times_bound_ids() {
        let id = EventId::generate();
        let at = id.created_at();
        let next = Timestamp::from_millis(at.as_millis() + 1);
        let within = |since, until| accepted(since, until).is_some_and(|(newest, oldest)| (oldest..=newest).contains(&id));
        assert!(within(Some(at), None) && within(None, Some(next)) && within(None, None));
        assert!(!within(Some(next), None) && !within(None, Some(at)));
        assert!(accepted(Some(next), Some(at)).is_none());
        assert!(accepted(None, Some(Timestamp::from_millis(-5))).is_none());
    }
}
