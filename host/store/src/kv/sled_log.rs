//! Reads sled's log without sled, and changes nothing.
//!
//! When sled 0.34.7 opens its log and finds a message near the end whose checksum is wrong, it takes that for the end: it
//! overwrites what is behind it in the segment, and clears the segments after it. That is right for a write that was cut off,
//! and wrong for a byte that a disk has changed. The difference shows before the opening only: behind a write that was cut
//! off there is nothing sound of the same segment.
//!
//! The format, as sled's sources have it: the file is cut into segments of 512 KiB. Each begins with 20 bytes: a CRC-32,
//! inverted, of the two numbers after it; its place in the log and the log's stable end, each with all bits but the sign
//! turned. Then come messages: a CRC-32, inverted, over body and header; a kind; three numbers of variable length (the
//! body's length, the segment's number, the page); the body. A message of the kind `CAP` ends the segment early.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// sled's default, which the store does not change.
const SEGMENT: usize = 512 << 10;
const SEGMENT_HEADER: usize = 20;

/// A message begins at least so far before its segment's end.
const LONGEST_HEADER: usize = 32;

const CAP: u8 = 2;
const KINDS: std::ops::RangeInclusive<u8> = 1..=11;

/// The longest body that is looked for behind damage. Pages are smaller.
const LONGEST_BODY: usize = 128 << 10;

/// A place in the log where something is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// From the file's beginning, in bytes.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) reason: &'static str,
}

/// Looks for damage that sled would take for the end of its log. A file that is not there has none.
pub(crate) fn damage(log: &Path) -> io::Result<Vec<Damage>> {
    let mut file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    let mut segment = Vec::with_capacity(SEGMENT);
    let mut offset = 0;
    loop {
        segment.clear();
        file.seek(SeekFrom::Start(offset))?;
        (&mut file).take(SEGMENT as u64).read_to_end(&mut segment)?;
        if segment.len() < SEGMENT_HEADER {
            return Ok(found);
        }
        if let Some((place, reason)) = of_segment(&segment) {
            found.push(Damage { offset: offset + place as u64, reason });
        }
        offset += SEGMENT as u64;
    }
}

/// The first damaged place in a segment.
fn of_segment(segment: &[u8]) -> Option<(usize, &'static str)> {
    let (header, _) = segment.split_first_chunk::<SEGMENT_HEADER>()?;
    if header.iter().all(|byte| *byte == 0) {
        // Cleared, or never used.
        return None;
    }
    let Some(number) = segment_number(header) else {
        return Some((0, "the beginning of a segment does not match its checksum"));
    };
    let mut place = SEGMENT_HEADER;
    while let Some(message) = segment.get(place..).and_then(|rest| Message::read(rest, place, number)) {
        place += message.length;
        if message.kind == CAP {
            return None;
        }
    }
    let behind = (place + 1)..segment.len().min(SEGMENT - LONGEST_HEADER);
    let mut behind = behind.filter(|place| segment.get(place + 4).is_some_and(|kind| KINDS.contains(kind)));
    let more = behind.any(|place| {
        let message = segment.get(place..).and_then(|rest| Message::read(rest, place, number));
        message.is_some_and(|message| message.length <= LONGEST_BODY)
    });
    more.then_some((place, "a message does not match its checksum, though there are sound ones behind it"))
}

/// The number of a segment that begins with this header; none if its checksum is wrong.
fn segment_number(header: &[u8; SEGMENT_HEADER]) -> Option<u64> {
    let (checksum, numbers) = header.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != !crc32fast::hash(numbers) {
        return None;
    }
    let place = i64::from_le_bytes(*numbers.first_chunk::<8>()?) ^ i64::MAX;
    Some(u64::try_from(place).ok()? / SEGMENT as u64)
}

/// A message whose checksum is right.
struct Message {
    kind: u8,
    /// With its header.
    length: usize,
}

impl Message {
    /// Reads a message at `place` of the segment with this number; none if there is no sound one.
    fn read(bytes: &[u8], place: usize, segment: u64) -> Option<Self> {
        if place > SEGMENT - LONGEST_HEADER {
            return None;
        }
        let (checksum, header) = bytes.split_first_chunk::<4>()?;
        let (kind, rest) = header.split_first()?;
        let (body, rest) = number(rest)?;
        let (number_of_segment, rest) = number(rest)?;
        let (_page, rest) = number(rest)?;
        if !KINDS.contains(kind) || number_of_segment != segment {
            return None;
        }
        let header = &header[..header.len() - rest.len()];
        let body = rest.get(..usize::try_from(body).ok()?)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(body);
        hasher.update(header);
        (u32::from_le_bytes(*checksum) == !hasher.finalize())
            .then_some(Self { kind: *kind, length: checksum.len() + header.len() + body.len() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::sled::Sled;
    use crate::kv::{Kv, Op};
    use std::fs;

    /// A log of several segments, some of them used again.
    fn filled(directory: &Path) -> Vec<u8> {
        let store = Sled::open(directory, 1 << 24).unwrap();
        for round in 0..60u8 {
            let put = |n: u8| Op::Put(vec![b'k', n, round % 5], vec![round ^ n; 5000]);
            store.commit((0..10).map(put).collect()).unwrap();
        }
        drop(store);
        fs::read(directory.join("db")).unwrap()
    }

    #[test]
    fn a_sound_log_has_no_damage_however_it_is_left() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(damage(&directory.path().join("db")).unwrap(), []);
        let bytes = filled(directory.path());
        assert!(bytes.len() > 3 * SEGMENT, "{}", bytes.len());
        assert_eq!(damage(&directory.path().join("db")).unwrap(), []);
        drop(Sled::open(directory.path(), 1 << 24).unwrap());
        assert_eq!(damage(&directory.path().join("db")).unwrap(), [], "after sled has marked the end");
    }

    #[test]
    fn while_it_is_written_it_has_none_either() {
        let directory = tempfile::tempdir().unwrap();
        let store = Sled::open(directory.path(), 1 << 24).unwrap();
        for round in 0..40u8 {
            store.commit((0..9).map(|n| Op::Put(vec![n, round], vec![n; 3000])).collect()).unwrap();
            assert_eq!(damage(&directory.path().join("db")).unwrap(), [], "{round}");
        }
    }

    #[test]
    fn a_changed_byte_is_found_where_it_is_and_a_cut_off_end_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = filled(directory.path());
        let changed = directory.path().join("changed");
        let mut places = 0;
        for place in (SEGMENT_HEADER..bytes.len()).step_by(29_989) {
            let mut copy = bytes.clone();
            copy[place] ^= 0x10;
            fs::write(&changed, &copy).unwrap();
            let found = damage(&changed).unwrap();
            // What is behind the end of a segment's messages is nobody's.
            let Some(first) = found.first() else { continue };
            assert_eq!(found.len(), 1);
            assert!(first.offset <= place as u64 && place as u64 - first.offset < 200 << 10, "{first:?} {place}");
            places += 1;
        }
        assert!(places > 20, "{places}");
        let last = SEGMENT * (bytes.len() / SEGMENT - 1);
        for cut in [last + 100, last, last - 1000] {
            fs::write(&changed, &bytes[..cut]).unwrap();
            assert_eq!(damage(&changed).unwrap(), [], "{cut}");
        }
        let mut copy = bytes;
        copy[SEGMENT + 5] ^= 1;
        fs::write(&changed, &copy).unwrap();
        assert_eq!(damage(&changed).unwrap()[0].offset, SEGMENT as u64);
    }
}
