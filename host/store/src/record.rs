//! How a record lies in rows: a header that can be read alone, then the bulk, in chunks that carry checksums.
//!
//! A row's value is a CRC-32 (over key and data) and the data. The first row's data begin with the format's version,
//! the record's length and the header's length. The key is part of the checksum, so a value that got under another
//! key is noticed as well.

use crate::entity::ShortHash;
use crate::key;
use crate::kv::{Kv, KvError, Op};
use postern_core::{DeliveryId, EventId, SubscriptionId};
use std::ops::ControlFlow;

/// The most data bytes in one value. Sixteen such values share a leaf page of sled, which must stay below 128 KiB: what
/// is larger goes to files that sled does not sync.
pub(crate) const CHUNK: usize = 6000;

const FORMAT: u8 = 1;
const CHECKSUM: usize = 4;
const PRELUDE: usize = 9;

/// A value that is not what was written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damage(String);

impl From<Damage> for crate::Error {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage.0)
    }
}

/// Why a record could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error(transparent)]
    Kv(#[from] KvError),
}

impl From<ReadError> for crate::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Damage(damage) => damage.into(),
            ReadError::Kv(error) => error.into(),
        }
    }
}

impl Damage {
    /// A record whose content cannot be understood.
    pub(crate) fn content(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what} cannot be read: {error}"))
    }

    fn row(key: &[u8], what: &str) -> Self {
        Self(format!("the value under key {} {what}", key::hex(key)))
    }
}

/// A value with its checksum.
pub(crate) fn seal(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(CHECKSUM + data.len());
    value.extend_from_slice(&checksum(key, data));
    value.extend_from_slice(data);
    value
}

/// The data of a value whose checksum is right.
pub(crate) fn unseal<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], Damage> {
    match value.split_first_chunk::<CHECKSUM>() {
        Some((sum, data)) if *sum == checksum(key, data) => Ok(data),
        _ => Err(Damage::row(key, "does not match its checksum")),
    }
}

/// The row that says that an event has unfinished deliveries, and how many deliveries it has.
pub(crate) fn unfinished(event: EventId, deliveries: u32) -> Op {
    let key = key::unfinished(event);
    let value = seal(&key, &deliveries.to_be_bytes());
    Op::Put(key, value)
}

/// The row that says which delivery holds an entity.
pub(crate) fn hold(subscription: SubscriptionId, entity: ShortHash, holder: DeliveryId) -> Op {
    let key = key::hold(subscription, entity);
    let value = seal(&key, &[&holder.event.to_bytes()[..], &holder.index.to_be_bytes()].concat());
    Op::Put(key, value)
}

/// The delivery in the row of a hold.
pub(crate) fn parse_hold(key: &[u8], value: &[u8]) -> Result<DeliveryId, Damage> {
    let parts = unseal(key, value)?.split_first_chunk::<16>().and_then(|(event, rest)| Some((event, rest.try_into().ok()?)));
    let (event, index) = parts.ok_or_else(|| Damage::row(key, "has a length that does not fit"))?;
    Ok(DeliveryId { event: EventId::from_bytes(*event), index: u16::from_be_bytes(index) })
}

fn checksum(key: &[u8], data: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(data);
    hasher.finalize().to_be_bytes()
}

/// A record that is ready to be cut into rows.
#[derive(Clone, Debug)]
pub(crate) struct Record(Vec<u8>);

/// More than the rows of one record can hold.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{0} bytes in one record")]
pub(crate) struct RecordTooLarge(usize);

impl From<RecordTooLarge> for crate::Error {
    fn from(error: RecordTooLarge) -> Self {
        Self::TooLarge(error.to_string())
    }
}

impl Record {
    /// Joins a header and its bulk.
    pub(crate) fn new(header: &[u8], bulk: &[u8]) -> Result<Self, RecordTooLarge> {
        let length = header.len().saturating_add(bulk.len());
        if length.saturating_add(PRELUDE).div_ceil(CHUNK) > usize::from(u16::MAX) {
            return Err(RecordTooLarge(length));
        }
        let number = |length: usize| u32::try_from(length).map_err(|_| RecordTooLarge(length));
        let mut bytes = Vec::with_capacity(PRELUDE + length);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&number(length)?.to_be_bytes());
        bytes.extend_from_slice(&number(header.len())?.to_be_bytes());
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(bulk);
        Ok(Self(bytes))
    }

    /// How many rows it takes.
    pub(crate) fn rows(&self) -> usize {
        self.0.len().div_ceil(CHUNK)
    }

    /// The rows, with `first` as the key of the first.
    pub(crate) fn ops<'a>(&'a self, first: &'a [u8]) -> impl Iterator<Item = Op> + 'a {
        self.0.chunks(CHUNK).zip(0..=u16::MAX).map(|(data, number)| {
            let key = key::chunk(first, number);
            let value = seal(&key, data);
            Op::Put(key, value)
        })
    }
}

/// The first row of a record.
pub(crate) struct Head {
    header: usize,
    length: usize,
    data: Vec<u8>,
}

impl Head {
    /// Reads the first row.
    pub(crate) fn parse(key: &[u8], value: &[u8]) -> Result<Self, Damage> {
        let data = unseal(key, value)?;
        let damage = |what| Damage::row(key, what);
        let (format, rest) = data.split_first().ok_or_else(|| damage("is empty"))?;
        if *format != FORMAT {
            return Err(damage("has a format that this version does not know"));
        }
        let numbers = rest.split_first_chunk::<4>().and_then(|(a, rest)| Some((a, rest.split_first_chunk::<4>()?.0)));
        let (length, header) = numbers.ok_or_else(|| damage("is too short"))?;
        let number = |bytes: &[u8; 4]| usize::try_from(u32::from_be_bytes(*bytes)).unwrap_or(usize::MAX);
        let (length, header) = (number(length), number(header));
        if header > length || data.len() != (PRELUDE + length).min(CHUNK) {
            return Err(damage("has a length that does not fit"));
        }
        Ok(Self { header, length, data: data.to_vec() })
    }

    /// How many rows the record has.
    pub(crate) fn rows(&self) -> usize {
        (PRELUDE + self.length).div_ceil(CHUNK)
    }

    /// The header, if the first row holds all of it.
    pub(crate) fn header(&self) -> Option<&[u8]> {
        self.data.get(PRELUDE..PRELUDE + self.header)
    }
}

/// All of a record.
pub(crate) struct Whole {
    header: usize,
    data: Vec<u8>,
}

impl Whole {
    /// What can be read alone.
    pub(crate) fn header(&self) -> &[u8] {
        &self.data[PRELUDE..PRELUDE + self.header]
    }

    /// The rest.
    pub(crate) fn bulk(&self) -> &[u8] {
        &self.data[PRELUDE + self.header..]
    }
}

/// Reads the record that begins at `first`; none if there is none.
pub(crate) fn read(kv: &dyn Kv, first: &[u8]) -> Result<Option<Whole>, ReadError> {
    let Some(value) = kv.get(first)? else { return Ok(None) };
    complete(kv, first, Head::parse(first, &value)?).map(Some)
}

/// Reads the rows that follow the first.
pub(crate) fn complete(kv: &dyn Kv, first: &[u8], head: Head) -> Result<Whole, ReadError> {
    let rows = head.rows();
    let mut whole = Whole { header: head.header, data: head.data };
    if rows == 1 {
        return Ok(whole);
    }
    whole.data.reserve(head.length + PRELUDE - whole.data.len());
    let mut next = 1;
    let mut damage = None;
    let mut end = first.to_vec();
    end.extend_from_slice(&[0xff; 3]);
    kv.scan(&key::chunk(first, 1)..&end, crate::kv::Direction::Forward, &mut |key, value| {
        match unseal(key, value) {
            Ok(data) if *key == *key::chunk(first, next) => whole.data.extend_from_slice(data),
            Ok(_) => damage = Some(Damage::row(key, "is out of order")),
            Err(error) => damage = Some(error),
        }
        next += 1;
        if damage.is_some() || usize::from(next) == rows { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match damage {
        Some(damage) => Err(damage.into()),
        None if whole.data.len() != head.length + PRELUDE => Err(Damage::row(first, "is not followed by all its parts").into()),
        None => Ok(whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_cut_and_its_header_is_in_the_first_row() {
        let record = Record::new(b"head", &vec![7; 3 * CHUNK]).unwrap();
        let ops: Vec<_> = record.ops(b"k").collect();
        assert_eq!((ops.len(), record.rows()), (4, 4));
        let Op::Put(key, value) = &ops[0] else { panic!() };
        let head = Head::parse(key, value).unwrap();
        assert_eq!((head.header(), head.rows()), (Some(&b"head"[..]), 4));
        assert!(ops.iter().all(|op| matches!(op, Op::Put(_, value) if value.len() <= CHUNK + CHECKSUM)));
    }

    #[test]
    fn one_wrong_bit_or_another_key_is_noticed() {
        let mut value = seal(b"k", b"data");
        assert_eq!(unseal(b"k", &value).unwrap(), b"data");
        assert!(unseal(b"l", &value).is_err());
        value[5] ^= 1;
        assert!(unseal(b"k", &value).unwrap_err().to_string().contains("6b does not match"));
        assert!(unseal(b"k", b"").is_err());
    }
}
