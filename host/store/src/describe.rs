//! What a key is about, in the words of those who run the daemon.

use crate::Kind;
use crate::key;

/// Names the record that a key belongs to.
pub(crate) fn record(key: &[u8]) -> String {
    named(key).unwrap_or_else(|| "an unknown row".to_owned())
}

fn named(key: &[u8]) -> Option<String> {
    let first = key::first_row(key)?;
    Some(match first.first()? {
        b'E' => format!("event {}", key::parse_event(first)?.0),
        b'S' => {
            let (delivery, sequence, _) = key::parse_step(first)?;
            format!("step {} of delivery {delivery}", u32::from(sequence) + 1)
        }
        b'Q' => format!("queue entry of event {}", key::parse_unfinished(first)?),
        b'M' => format!("{} {}", kind(key::document_kind(first)?), key::document_id(first)?),
        b'I' => format!("idempotency key {}", key::hex(&key::parse_idempotency(first)?.1)),
        b'A' => format!("audit record of {}", key::parse_audit(first)?.0.at),
        _ => format!("the store's note `{}`", String::from_utf8_lossy(first.get(1..)?)),
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::EventType => "event type",
        Kind::Subscription => "subscription",
        Kind::Connection => "connection",
        Kind::Provider => "provider",
        Kind::Token => "token",
        Kind::Setting => "setting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::{DeliveryId, EventId};

    #[test]
    fn every_key_is_told_in_words() {
        let event = EventId::from_bytes([7; 16]);
        let delivery = DeliveryId { event, index: 3 };
        assert_eq!(record(&key::event(event)), format!("event {event}"));
        assert_eq!(record(&key::chunk(&key::step(delivery, 1), 4)), format!("step 2 of delivery {event}-3"));
        assert_eq!(record(&key::unfinished(event)), format!("queue entry of event {event}"));
        assert_eq!(record(&key::document(Kind::EventType, "a\0b")), "event type a\0b");
        assert_eq!(record(&key::idempotency(5, &[0xab; 32])), format!("idempotency key {}", "ab".repeat(32)));
        assert_eq!(record(&key::note("schema")), "the store's note `schema`");
        assert_eq!(record(b"nonsense"), "an unknown row");
        let at = key::AuditId { at: postern_core::Timestamp::from_millis(0), order: 1 };
        assert!(record(&key::audit(at)).starts_with("audit record of 1970-01-01"));
    }
}
