//! The keys of the one table. Few and small, since each costs an embedded engine more than the bytes in it.
//!
//! | key | value |
//! |---|---|
//! | `E` !event (chunk) | the event: its header with the routes, then the payload |
//! | `Q` event | how many deliveries the event has; there while at least one of them is not final |
//! | `S` !event index seq (chunk) | a step of a delivery: its header with the state, then the attempt |
//! | `M` kind id 0 0 (chunk) | a document |
//! | `V` name | what the store remembers about itself |
//!
//! `!event` is the event's id with all bits turned, so that a forward scan meets the newest event first. Numbers are
//! big-endian. The first chunk has no number; the others have two bytes.

use crate::Kind;
use postern_core::{DeliveryId, EventId, Timestamp};
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
