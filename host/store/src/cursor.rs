//! Where a page ended, as text that only this store understands.

use crate::Error;
use crate::key::AuditId;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use postern_core::{DeliveryId, EventId};

const VERSION: u8 = 1;

/// What a listing goes through; a cursor of one does not fit the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    Events = 1,
    Deliveries = 2,
    Audit = 3,
}

/// The text for the last delivery, or event with index 0, of a page.
pub(crate) fn encode(listing: Listing, last: DeliveryId) -> String {
    write(listing, &[&last.event.to_bytes()[..], &last.index.to_be_bytes()].concat())
}

/// The text for the last audit record of a page.
pub(crate) fn encode_audit(last: AuditId) -> String {
    write(Listing::Audit, &last.to_bytes())
}

fn write(listing: Listing, position: &[u8]) -> String {
    let mut bytes = vec![VERSION, listing as u8];
    bytes.extend_from_slice(position);
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The position in a cursor.
///
/// # Errors
/// [`Error::BadCursor`] when a listing of this kind did not make it.
pub(crate) fn decode(listing: Listing, text: &str) -> Result<DeliveryId, Error> {
    let rest = read(listing, text)?;
    let (event, index) = rest.split_first_chunk::<16>().ok_or(Error::BadCursor)?;
    let index = index.try_into().map_err(|_| Error::BadCursor)?;
    Ok(DeliveryId { event: EventId::from_bytes(*event), index: u16::from_be_bytes(index) })
}

/// The position in a cursor of the audit records.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_audit(text: &str) -> Result<AuditId, Error> {
    let position = read(Listing::Audit, text)?;
    position.as_slice().try_into().map(AuditId::from_bytes).map_err(|_| Error::BadCursor)
}

fn read(listing: Listing, text: &str) -> Result<Vec<u8>, Error> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::BadCursor)?;
    let (content, sum) = bytes.split_last_chunk::<4>().ok_or(Error::BadCursor)?;
    if crc32fast::hash(content).to_be_bytes() != *sum {
        return Err(Error::BadCursor);
    }
    content.strip_prefix(&[VERSION, listing as u8]).map(<[u8]>::to_vec).ok_or(Error::BadCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_a_forged_one_does_not() {
        let id = DeliveryId { event: EventId::generate(), index: 300 };
        let text = encode(Listing::Deliveries, id);
        assert_eq!(decode(Listing::Deliveries, &text).unwrap(), id);
        assert!(matches!(decode(Listing::Events, &text), Err(Error::BadCursor)));
        for bad in ["", "x", "!", &text[1..], &text.replace(&text[5..7], "zz")] {
            assert!(matches!(decode(Listing::Deliveries, bad), Err(Error::BadCursor)), "{bad}");
        }
    }
}
