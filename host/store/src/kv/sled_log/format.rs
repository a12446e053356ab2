//! The format of sled's log, as its sources have it.
//!
//! The file is cut into segments of 512 KiB. Each begins with 20 bytes: a CRC-32, inverted, of the two numbers after it;
//! its place in the log and the log's stable end, each with all bits but the sign turned. Then come messages: a CRC-32,
//! inverted, over body and header; a kind; three numbers of variable length (the body's length, the segment's number, the
//! page); the body. A message of the kind `CAP` ends the segment early.

/// sled's default, which the store does not change.
pub(super) const SEGMENT: usize = 512 << 10;

pub(super) const SEGMENT_HEADER: usize = 20;

/// A message begins at least so far before its segment's end.
pub(super) const LONGEST_HEADER: usize = 32;

/// Places in the log, in bytes, that begin a segment are multiples of this.
pub(super) const STEP: u64 = SEGMENT as u64;

const CAP: u8 = 2;
const FREE: u8 = 4;
const KINDS: std::ops::RangeInclusive<u8> = 1..=11;

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// Cleared, or never used.
    Empty,
    /// Its place in the log, and the end of what was stable when it was begun.
    Sound {
        place: u64,
        stable: u64,
    },
    Damaged,
}

impl Header {
    pub(super) fn read(bytes: &[u8; SEGMENT_HEADER]) -> Self {
        if bytes.iter().all(|byte| *byte == 0) {
            return Self::Empty;
        }
        Self::sound(bytes).unwrap_or(Self::Damaged)
    }

    fn sound(bytes: &[u8; SEGMENT_HEADER]) -> Option<Self> {
        let (checksum, numbers) = bytes.split_first_chunk::<4>()?;
        let (place, stable) = numbers.split_first_chunk::<8>()?;
        let plain = |bytes: &[u8; 8]| i64::from_le_bytes(*bytes) ^ i64::MAX;
        let place = u64::try_from(plain(place)).ok()?;
        // sled names the last stable byte: -1 before there is one.
        let stable = u64::try_from(plain(stable.first_chunk::<8>()?).checked_add(1)?).ok()?;
        let sound = u32::from_le_bytes(*checksum) == !crc32fast::hash(numbers) && place % STEP == 0;
        sound.then_some(Self::Sound { place, stable })
    }
}

/// What a message does to its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing more comes in this segment.
    Cap,
    /// The page begins anew, or is free.
    Base,
    /// The page is changed.
    Change,
    /// Concerns no page.
    Other,
}

/// A message whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) page: u64,
    /// The number of the segment that it was written for.
    pub(super) segment: u64,
    /// With its header.
    pub(super) length: usize,
}

impl Message {
    /// Reads a message; none if there is no sound one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (checksum, header) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = header.split_first()?;
        if !KINDS.contains(kind) {
            return None;
        }
        let (body, rest) = number(rest)?;
        let (segment, rest) = number(rest)?;
        let (page, rest) = number(rest)?;
        let header = &header[..header.len() - rest.len()];
        let body = rest.get(..usize::try_from(body).ok()?)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(header);
        let kind = match *kind {
            CAP => Kind::Cap,
            FREE..=9 => Kind::Base,
            10 | 11 => Kind::Change,
            _ => Kind::Other,
        };
        let length = checksum.len() + header.len() + body.len();
        (u32::from_le_bytes(*checksum) == !hasher.finalize()).then_some(Self { kind, page, segment, length })
    }
}

/// Reads a number of variable length, and answers with what is behind it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    Some(match first {
        0..=240 => (u64::from(*first), rest),
        241..=248 => {
            let (low, rest) = rest.split_first()?;
            (240 + 256 * (u64::from(*first) - 241) + u64::from(*low), rest)
        }
        249 => {
            let ([high, low], rest) = rest.split_first_chunk::<2>()?;
            (2288 + 256 * u64::from(*high) + u64::from(*low), rest)
        }
        250..=255 => {
            let (digits, rest) = rest.split_at_checked(usize::from(*first) - 247)?;
            let mut number = [0; 8];
            number.get_mut(..digits.len())?.copy_from_slice(digits);
            (u64::from_le_bytes(number), rest)
        }
    })
}
